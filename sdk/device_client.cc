#include <linarite/device_client.h>

#include <atomic>
#include <utility>

#include "sdk/device_session.h"
#include "sdk/network.h"

namespace linarite {
inline namespace v1 {

detail::operation_id detail::next_operation_id() noexcept {
  static std::atomic<operation_id> last{0};
  return ++last;
}

received_message::received_message() noexcept = default;
received_message::received_message(std::shared_ptr<sdk::Delivery> delivery) noexcept
    : delivery_(std::move(delivery)) {}
received_message::received_message(received_message&&) noexcept = default;
received_message& received_message::operator=(received_message&&) noexcept = default;
received_message::~received_message() = default;

const message& received_message::content() const noexcept {
  static const message empty;
  return delivery_ ? delivery_->content : empty;
}
bool received_message::redelivered() const noexcept { return delivery_ && delivery_->redelivered; }

device_client::device_client(executor_type executor, device_identity identity,
                             device_options options)
    : executor_(std::move(executor)),
      network_(options.network ? *options.network : network::shared()) {
  options.network.reset();  // The session must not keep alive what its own thread would then end.
  session_ = sdk::owned_by_loop(
      std::make_unique<sdk::DeviceSession>(network_, std::move(identity), std::move(options)));
}

device_client::device_client(device_client&&) noexcept = default;

device_client::~device_client() {
  if (!session_) return;
  // Waited for: no handler reaches the executor after the client is gone.
  sdk::run_and_wait(*session_->loop(), [&] { session_->shut_down(); });
}

connection_state device_client::state() const noexcept { return session_->state(); }
std::size_t device_client::undecided_messages() const noexcept { return session_->undecided(); }

void device_client::start_connect(const session_pointer& session, detail::operation_id id,
                                  detail::completion<> done) {
  session->loop()->post(
      [session, id, done = std::move(done)]() mutable { session->connect(id, std::move(done)); });
}

void device_client::start_receive(const session_pointer& session, detail::operation_id id,
                                  detail::completion<received_message> done) {
  session->loop()->post(
      [session, id, done = std::move(done)]() mutable { session->receive(id, std::move(done)); });
}

void device_client::start_send_event(const session_pointer& session, detail::operation_id id,
                                     message message, detail::completion<> done) {
  session->loop()->post(
      [session, id, message = std::move(message), done = std::move(done)]() mutable {
        session->send_event(id, message, std::move(done));
      });
}

void device_client::start_send_events(const session_pointer& session, detail::operation_id id,
                                      std::vector<message> messages,
                                      detail::completion<std::vector<error>> done) {
  session->loop()->post(
      [session, id, messages = std::move(messages), done = std::move(done)]() mutable {
        session->send_events(id, messages, std::move(done));
      });
}

void device_client::start_complete(std::shared_ptr<sdk::Delivery> delivery,
                                   detail::completion<> done) {
  auto session = delivery ? delivery->session.lock() : nullptr;
  if (!session) {
    const errc why = delivery ? errc::closed : errc::message_already_decided;
    done->complete(why);
    return;
  }
  session->loop()->post(
      [session, delivery = std::move(delivery), done = std::move(done)]() mutable {
        session->complete(*delivery, std::move(done));
      });
}

void device_client::start_next_state(const session_pointer& session, detail::operation_id id,
                                     detail::completion<connection_change> done) {
  session->loop()->post([session, id, done = std::move(done)]() mutable {
    session->next_state(id, std::move(done));
  });
}

void device_client::start_close(const session_pointer& session, detail::completion<> done) {
  session->loop()->post(
      [session, done = std::move(done)]() mutable { session->close(std::move(done)); });
}

void device_client::cancel(const session_pointer& session, detail::operation_id id) {
  session->loop()->post([session, id] { session->cancel(id); });
}

}  // namespace v1
}  // namespace linarite
