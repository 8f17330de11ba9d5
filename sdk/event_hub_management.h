// Questions to a hub's $management node on a service's AMQP connection (service protocol, 4.4).
#pragma once

#include <linarite/completion.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "amqp/connection.h"
#include "base/loop.h"
#include "sdk/amqp_session.h"

namespace linarite::sdk {

// Answers come in any order. A question whose answer was lost with the connection is asked again on
// the next one. Its loop only.
class EventHubManagement final : public AmqpSession::User {
 public:
  // The body of the answer, or why there is none. Called once, perhaps within ask().
  using Done = std::move_only_function<void(error, amqp::Value body)>;
  static constexpr uint32_t kAnswerCredit = 100;

  // `answer_limit`: a connection on which one answer takes longer is given up. 0: none is.
  EventHubManagement(AmqpSession& amqp, std::string event_hub, Duration answer_limit);

  // About one partition, or the event hub itself. `limit` 0: it waits for a connection as long as
  // it takes.
  void ask(detail::operation_id id, std::optional<uint32_t> partition, Duration limit, Done done);
  void fail(detail::operation_id id, const error& why);
  void fail_all(const error& why);

  bool wants_connection() const override { return !questions_.empty(); }
  void on_ready(amqp::Connection& engine, amqp::SessionId session) override;
  void on_event(const amqp::Event& event) override;
  bool on_detached(const amqp::LinkDetached& detached) override;
  void on_lost() override;
  void on_refused(const error& why) override { fail_all(why); }

 private:
  struct Question {
    detail::operation_id id;  // As text it is the message-id.
    std::optional<uint32_t> partition;
    Done done;
    TimerId deadline = 0;
    bool asked = false;
  };

  void attach();
  void send_waiting();
  bool send(const Question& question);
  void take(const amqp::MessageReceived& received);
  std::optional<Question> remove(detail::operation_id id);
  void await_answer();

  AmqpSession& amqp_;
  const std::string event_hub_;
  const Duration answer_limit_;
  std::vector<Question> questions_;
  std::optional<amqp::SessionId> session_;  // While the connection is up.
  std::optional<amqp::LinkId> to_, from_;
  bool answers_may_come_ = false;
  TimerId answer_deadline_ = 0;
};

}  // namespace linarite::sdk
