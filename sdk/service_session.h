// All of a service client that lives on a loop: its AMQP connection with what is on it, and its
// HTTPS connection.
#pragma once

#include <linarite/service_client.h>

#include <memory>
#include <vector>

#include "sdk/amqp_session.h"
#include "sdk/c2d_sender.h"
#include "sdk/feedback_link.h"
#include "sdk/rest_session.h"

namespace linarite::sdk {

// Owned by the client, by its feedback receivers' tasks and by what is under way. Its loop only,
// but for loop().
class ServiceSession final : public std::enable_shared_from_this<ServiceSession> {
 public:
  ServiceSession(const network& network, service_identity identity, service_options options);

  const std::shared_ptr<Loop>& loop() const { return loop_; }  // Any thread.
  C2dSender& sender() { return sender_; }
  RestSession& rest() { return rest_; }
  bool closed() const { return closed_; }

  // A link for one more receiver; to be opened on the loop. Any thread.
  std::shared_ptr<FeedbackLink> make_feedback_link();
  void open(const std::shared_ptr<FeedbackLink>& link);
  void cancel(detail::operation_id id);
  // Everything ends now, with a goodbye.
  void shut_down();

 private:
  const std::shared_ptr<Loop> loop_;
  const service_identity identity_;
  const service_options options_;
  const Log log_;
  AmqpSession amqp_;
  C2dSender sender_;
  RestSession rest_;
  std::vector<std::weak_ptr<FeedbackLink>> feedback_;
  bool closed_ = false;
};

}  // namespace linarite::sdk
