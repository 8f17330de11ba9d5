// One receiver of feedback: its link, the batches it holds, and who waits for them.
#pragma once

#include <linarite/feedback.h>

#include <atomic>

#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "sdk/amqp_session.h"
#include "sdk/pending.h"

namespace linarite::sdk {

// A batch in the application's hands.
struct FeedbackDelivery {
  FeedbackDelivery() = default;
  FeedbackDelivery(const FeedbackDelivery&) = delete;
  FeedbackDelivery& operator=(const FeedbackDelivery&) = delete;
  ~FeedbackDelivery();

  std::vector<feedback_record> records;
  std::weak_ptr<FeedbackLink> owner;
  std::shared_ptr<Loop> loop;
  uint64_t connection = 0;
  uint32_t delivery_id = 0;
  std::atomic<bool> decided{false};
};

// Owned by its receiver and its ServiceSession; the session's loop only, but for loop().
class FeedbackLink final : public AmqpSession::User,
                           public std::enable_shared_from_this<FeedbackLink> {
 public:
  // Batches held for those who wait for single records; more than these are not asked for.
  static constexpr size_t kHeldMax = 256;
  // Shorter than the hub's lock, so that what is given back is still ours to give.
  static constexpr std::chrono::seconds kHoldTime{45};
  static constexpr size_t kConsumedMax = 4096;

  // `session` must outlive the link's last call, which shut_down() makes sure of.
  FeedbackLink(AmqpSession& session, std::shared_ptr<Loop> loop, std::string name,
               std::chrono::milliseconds timeout);

  const std::shared_ptr<Loop>& loop() const { return loop_; }  // Any thread.
  // Before everything else.
  void open();
  void receive(detail::operation_id id, detail::completion<feedback_batch> done);
  void wait_for(detail::operation_id id, std::string message_id,
                detail::completion<feedback_record> done);
  void decide(bool accept, FeedbackDelivery& delivery, detail::completion<> done);
  void abandon_dropped(uint64_t connection, uint32_t delivery_id);
  void cancel(detail::operation_id id);
  // Gives everything back and ends for good.
  void shut_down();

  bool wants_connection() const override { return !receivers_.empty() || !waiters_.empty(); }
  void on_ready(amqp::Connection& engine, amqp::SessionId session) override;
  void on_event(const amqp::Event& event) override;
  void on_lost() override;
  void on_refused(const error& why) override;

 private:
  struct Held {
    std::vector<feedback_record> records;  // Not yet consumed.
    uint32_t delivery_id = 0;
    TimerId release = 0;
  };
  struct Waiter {
    detail::operation_id id;
    std::string message_id;
    detail::completion<feedback_record> done;
    TimerId deadline;
  };

  void take(const amqp::MessageReceived& received);
  void serve();
  bool serve_waiter(Held& held);
  void serve_receivers();
  void ask_for_more();
  void settle(uint32_t delivery_id, const amqp::DeliveryState& state);
  void release(uint32_t delivery_id);
  void end_waiter(size_t index, error why, feedback_record record = {});

  AmqpSession* session_;  // Null after shut_down().
  const std::shared_ptr<Loop> loop_;
  const std::string name_;
  const std::chrono::milliseconds timeout_;
  std::optional<amqp::LinkId> link_;
  uint64_t connection_ = 0;
  std::vector<Held> held_;
  PendingList<feedback_batch> receivers_;
  std::vector<Waiter> waiters_;
  // Records that were handed out singly, of batches that were not accepted: they may come again.
  std::unordered_set<std::string> consumed_;
};

}  // namespace linarite::sdk
