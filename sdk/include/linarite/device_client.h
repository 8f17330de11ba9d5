// A device (or module) of an Azure-compatible IoT hub: connects by MQTT over TLS, sends events
// (device-to-cloud messages, telemetry) and receives cloud-to-device messages.
//
//   linarite::device_client client(executor, "HostName=...;DeviceId=...;SharedAccessKey=...");
//   co_await client.async_connect(use_awaitable);
//   for (;;) {
//     auto received = co_await client.async_receive(use_awaitable);
//     use(received.content());
//     co_await client.async_complete(std::move(received), use_awaitable);
//   }
//
// Threads: every member may be called on any thread, also several at a time; none blocks. Handlers
// run on their associated executor, by default the one given to the constructor, never inside the
// call that started them.
//
// Lifetime: the client must be destroyed before its executor's context. Its destructor ends the
// connection at once and fails whatever is pending with errc::closed.
//
// A lost connection is made again by itself, with growing pauses, until close; what is pending
// stays pending. Delivery is at least once: a message whose completion the hub did not get is
// delivered again. While nobody receives, messages wait at the hub; none is lost or completed
// unseen.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <linarite/completion.h>
#include <linarite/connection_state.h>
#include <linarite/identity.h>
#include <linarite/message.h>
#include <linarite/options.h>

namespace linarite {
namespace sdk {
class DeviceSession;
struct Delivery;
}  // namespace sdk
inline namespace v1 {
namespace blocking {
class device_client;
}

// A message and the duty to decide about it: give it to async_complete(). MQTT knows no abandon: a
// message that is destroyed undecided stays locked at the hub until this connection ends, and the
// client says so in its log and in undecided_messages(). May outlive the client.
class LINARITE_API received_message {
 public:
  received_message() noexcept;  // Empty; only to be assigned to.
  received_message(received_message&&) noexcept;
  received_message& operator=(received_message&&) noexcept;
  ~received_message();

  const message& content() const noexcept;
  const message* operator->() const noexcept { return &content(); }
  // Whether the hub delivered it before: it was not completed, or its completion was lost.
  bool redelivered() const noexcept;

 private:
  friend class sdk::DeviceSession;
  friend class device_client;
  friend class blocking::device_client;
  explicit received_message(std::shared_ptr<sdk::Delivery> delivery) noexcept;
  std::shared_ptr<sdk::Delivery> delivery_;
};

class device_client {
 public:
  using executor_type = boost::asio::any_io_executor;

  LINARITE_API device_client(executor_type executor, device_identity identity,
                             device_options options = {});
  // Throws linarite::exception for text that is no device's connection string.
  device_client(executor_type executor, std::string_view connection_string,
                device_options options = {})
      : device_client(std::move(executor), device_identity::parse(connection_string),
                      std::move(options)) {}
  LINARITE_API ~device_client();
  LINARITE_API device_client(device_client&&) noexcept;
  device_client& operator=(device_client&&) = delete;

  const executor_type& get_executor() const noexcept { return executor_; }

  // Until messages can be received: void(error). With no error if it is connected already. A first
  // try that fails ends the operation (see reconnect_options) and says which of name, port, CA,
  // certificate, key or clock is wrong.
  template <class Token>
  auto async_connect(Token&& token) {
    return detail::initiate<>(
        executor_, std::forward<Token>(token),
        [session = session_](detail::operation_id id, auto done) {
          start_connect(session, id, std::move(done));
        },
        canceller());
  }

  // The next message: void(error, received_message). No deadline. Several may wait; they are served
  // in order. Ends with an error only when the client is closed or the wait is cancelled.
  template <class Token>
  auto async_receive(Token&& token) {
    return detail::initiate<received_message>(
        executor_, std::forward<Token>(token),
        [session = session_](detail::operation_id id, auto done) {
          start_receive(session, id, std::move(done));
        },
        canceller());
  }

  // Sends an event: void(error). No error: the hub has acknowledged it. `to`, `ack` are not sent.
  // Connects if nobody did. What waits for a connection is bounded by
  // device_options::offline_queue. An event whose acknowledgement was lost with its connection is
  // sent again on the next, perhaps for the second time: delivery is at least once, and in the
  // order of the calls. After the deadline, or a cancellation, an event that was sent fails with
  // outcome_unknown. Too large: message_too_large, nothing sent.
  template <class Token>
  auto async_send_event(message message, Token&& token) {
    return detail::initiate<>(
        executor_, std::forward<Token>(token),
        [session = session_, message = std::move(message)](detail::operation_id id,
                                                           auto done) mutable {
          start_send_event(session, id, std::move(message), std::move(done));
        },
        canceller());
  }

  // Sends events one behind the other, without waiting for the acknowledgements between them:
  // void(error, std::vector<error>). Each is an event of its own, as from async_send_event in this
  // order with nothing between; a batch is no transaction. Done when all are decided. The vector
  // has what became of each, in order; the error is that of the first that failed, and there is
  // none if the hub has acknowledged all. as_tuple shows both, where other tokens throw. An event
  // that is refused here (too large, or no place in device_options::offline_queue) does not stop
  // those behind it. A cancellation is of all that are not decided yet. The vector is empty if the
  // client was closed before.
  template <class Token>
  auto async_send_events(std::vector<message> messages, Token&& token) {
    return detail::initiate<std::vector<error>>(
        executor_, std::forward<Token>(token),
        [session = session_, messages = std::move(messages)](detail::operation_id id,
                                                             auto done) mutable {
          start_send_events(session, id, std::move(messages), std::move(done));
        },
        canceller());
  }

  // Tells the hub that the message was dealt with: void(error). MQTT does not confirm this: no
  // error means that it was sent on the connection by which the message came. Fails with
  // device_message_lock_lost if that connection is gone (the hub delivers the message again), and
  // with message_already_decided.
  template <class Token>
  auto async_complete(received_message message, Token&& token) {
    return detail::initiate<>(
        executor_, std::forward<Token>(token),
        [delivery = std::move(message.delivery_)](detail::operation_id, auto done) mutable {
          start_complete(std::move(delivery), std::move(done));
        },
        [](detail::operation_id) {});
  }

  // The next change of the connection's state since the last that was fetched:
  // void(error, connection_change). Changes wait until they are fetched; of more than 64 the oldest
  // are forgotten. Fails only with operation_aborted, or with closed after the last change.
  template <class Token>
  auto async_next_state(Token&& token) {
    return detail::initiate<connection_change>(
        executor_, std::forward<Token>(token),
        [session = session_](detail::operation_id id, auto done) {
          start_next_state(session, id, std::move(done));
        },
        canceller());
  }

  // Says goodbye and ends for good: void(error). Pending operations fail with errc::closed.
  template <class Token>
  auto async_close(Token&& token) {
    return detail::initiate<>(
        executor_, std::forward<Token>(token),
        [session = session_](detail::operation_id, auto done) {
          start_close(session, std::move(done));
        },
        [](detail::operation_id) {});
  }

  LINARITE_API connection_state state() const noexcept;
  // How many received messages were destroyed undecided since the client was made.
  LINARITE_API std::size_t undecided_messages() const noexcept;

 private:
  friend class blocking::device_client;
  using session_pointer = std::shared_ptr<sdk::DeviceSession>;

  std::function<void(detail::operation_id)> canceller() const {
    return [session = session_](detail::operation_id id) { cancel(session, id); };
  }
  LINARITE_API static void start_connect(const session_pointer&, detail::operation_id,
                                         detail::completion<>);
  LINARITE_API static void start_receive(const session_pointer&, detail::operation_id,
                                         detail::completion<received_message>);
  LINARITE_API static void start_send_event(const session_pointer&, detail::operation_id, message,
                                            detail::completion<>);
  LINARITE_API static void start_send_events(const session_pointer&, detail::operation_id,
                                             std::vector<message>,
                                             detail::completion<std::vector<error>>);
  LINARITE_API static void start_complete(std::shared_ptr<sdk::Delivery>, detail::completion<>);
  LINARITE_API static void start_next_state(const session_pointer&, detail::operation_id,
                                            detail::completion<connection_change>);
  LINARITE_API static void start_close(const session_pointer&, detail::completion<>);
  LINARITE_API static void cancel(const session_pointer&, detail::operation_id);

  executor_type executor_;
  network network_;  // Outlives the session.
  session_pointer session_;
};

}  // namespace v1
}  // namespace linarite
