// Cloud-to-device messages on their way: waiting for the hub, or sent and without an outcome.
#pragma once

#include <linarite/service_client.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "sdk/amqp_session.h"
#include "sdk/deadline_timer.h"
#include "sdk/pending.h"

namespace linarite::sdk {

// Owned by a ServiceSession; its loop only.
class C2dSender final : public AmqpSession::User {
 public:
  C2dSender(AmqpSession& session, const service_options& options);
  ~C2dSender() override;

  void send(detail::operation_id id, const std::string& device_id, message message,
            detail::completion<send_result> done);
  // Until the hub takes messages.
  void connect(detail::operation_id id, detail::completion<> done);
  void cancel(detail::operation_id id);
  // The client ends: what waits fails with closed, what was sent with outcome_unknown.
  void shut_down();

  bool wants_connection() const override { return !queue_.empty() || !connects_.empty(); }
  void on_ready(amqp::Connection& engine, amqp::SessionId session) override;
  void on_event(const amqp::Event& event) override;
  void on_lost() override;
  void on_refused(const error& why) override;

 private:
  struct Send {
    detail::operation_id id = 0;
    Bytes encoded;
    detail::completion<send_result> done;
    Instant deadline;
    send_result result{.attempts = 0};
  };
  using SendPointer = std::unique_ptr<Send>;

  void pump();
  void on_outcome(const amqp::DeliveryUpdated& update);
  std::optional<Instant> end_overdue(Instant now);
  void overdue(detail::operation_id id);
  error too_late(std::string text) const;
  // Null if it is not there.
  SendPointer take_waiting(detail::operation_id id);
  SendPointer take_sent(detail::operation_id id);
  void finish_send(SendPointer send, error why);
  // Of a send whose outcome nobody will ever tell.
  void finish_unknown(SendPointer send, const std::string& why);

  AmqpSession& session_;
  const service_options& options_;
  PendingList<> connects_;
  std::deque<SendPointer> queue_;
  std::unordered_map<uint32_t, SendPointer> unsettled_;  // By delivery-id.
  std::optional<amqp::LinkId> link_;
  uint64_t tags_ = 0;
  DeadlineTimer deadlines_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace linarite::sdk
