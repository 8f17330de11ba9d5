// What became of cloud-to-device messages that asked for feedback.
//
//   linarite::feedback_receiver feedback(client);
//   auto record = co_await feedback.async_wait_for("message-1", use_awaitable);
//
// A hub has one queue of feedback for all back ends: whoever takes a batch has it until it is
// accepted, abandoned, or the hub's lock (60 s) ends.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <linarite/service_client.h>

namespace linarite {
inline namespace v1 {

// What became of a message.
enum class feedback_status { success, expired, delivery_count_exceeded, rejected, purged };
// The enumerator's name.
LINARITE_API const char* to_string(feedback_status status) noexcept;

// The outcome of one message.
struct feedback_record {
  std::string message_id;  // Of the message it is about; empty if it had none.
  feedback_status status = feedback_status::success;
  std::string device_id;
  std::string device_generation_id;
  std::string module_id{};  // Empty for a device.
  wall_time when{};         // When the outcome was decided.
  bool operator==(const feedback_record&) const = default;
};
// The JSON object as which the hub's feedback messages hold it.
LINARITE_API std::string to_json(const feedback_record& record);

// At most 64 records, and the duty to decide about them together. Destroyed undecided, it is
// abandoned.
class LINARITE_API feedback_batch {
 public:
  feedback_batch() noexcept;  // Empty; only to be assigned to.
  feedback_batch(feedback_batch&&) noexcept;
  feedback_batch& operator=(feedback_batch&&) noexcept;
  ~feedback_batch();

  const std::vector<feedback_record>& records() const noexcept;

 private:
  friend class sdk::FeedbackLink;
  friend class feedback_receiver;
  friend class blocking::feedback_receiver;
  explicit feedback_batch(std::shared_ptr<sdk::FeedbackDelivery> delivery) noexcept;
  std::shared_ptr<sdk::FeedbackDelivery> delivery_;
};

// Takes feedback only while somebody waits for it. Threads as service_client. When destroyed, what
// it holds goes back to the hub, and what waits fails with errc::closed.
class feedback_receiver {
 public:
  LINARITE_API explicit feedback_receiver(const service_client& client);
  LINARITE_API ~feedback_receiver();
  LINARITE_API feedback_receiver(feedback_receiver&&) noexcept;
  feedback_receiver& operator=(feedback_receiver&&) = delete;

  // The next batch: void(error, feedback_batch). No deadline; survives lost connections.
  template <class Token>
  auto async_receive(Token&& token) {
    return detail::initiate<feedback_batch>(
        executor_, std::forward<Token>(token),
        [link = link_](detail::operation_id id, auto done) {
          start_receive(link, id, std::move(done));
        },
        canceller());
  }
  // Removes the batch from the hub's queue: void(error). AMQP does not confirm it: no error means
  // that it was sent. device_message_lock_lost: its connection is gone, and the records come again.
  template <class Token>
  auto async_accept(feedback_batch batch, Token&& token) {
    return decide(true, std::move(batch), std::forward<Token>(token));
  }
  // Gives it back: void(error). The hub offers it again, to whoever waits; after about ten times it
  // is dropped.
  template <class Token>
  auto async_abandon(feedback_batch batch, Token&& token) {
    return decide(false, std::move(batch), std::forward<Token>(token));
  }
  // The record about one message: void(error, feedback_record). timed_out after the operation
  // timeout (a hub may gather records for 15 s first). Records that somebody else may want are
  // kept back meanwhile for at most 45 s and then given back, which counts as one of their ten
  // deliveries: where several back ends share a hub, receive and accept instead.
  template <class Token>
  auto async_wait_for(std::string message_id, Token&& token) {
    return detail::initiate<feedback_record>(
        executor_, std::forward<Token>(token),
        [link = link_, message_id = std::move(message_id)](detail::operation_id id,
                                                           auto done) mutable {
          start_wait(link, id, std::move(message_id), std::move(done));
        },
        canceller());
  }

 private:
  friend class blocking::feedback_receiver;
  using link_pointer = std::shared_ptr<sdk::FeedbackLink>;

  std::function<void(detail::operation_id)> canceller() const {
    return [link = link_](detail::operation_id id) { cancel(link, id); };
  }
  template <class Token>
  auto decide(bool accept, feedback_batch batch, Token&& token) {
    return detail::initiate<>(
        executor_, std::forward<Token>(token),
        [accept, delivery = std::move(batch.delivery_)](detail::operation_id, auto done) mutable {
          start_decide(accept, std::move(delivery), std::move(done));
        },
        [](detail::operation_id) {});
  }
  LINARITE_API static void start_receive(const link_pointer&, detail::operation_id,
                                         detail::completion<feedback_batch>);
  LINARITE_API static void start_decide(bool accept, std::shared_ptr<sdk::FeedbackDelivery>,
                                        detail::completion<>);
  LINARITE_API static void start_wait(const link_pointer&, detail::operation_id,
                                      std::string message_id, detail::completion<feedback_record>);
  LINARITE_API static void cancel(const link_pointer&, detail::operation_id);

  boost::asio::any_io_executor executor_;
  network network_;
  link_pointer link_;
};

}  // namespace v1
}  // namespace linarite
