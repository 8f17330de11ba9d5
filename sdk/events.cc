#include <linarite/events.h>

#include <utility>

#include "sdk/events_session.h"
#include "sdk/network.h"

namespace linarite {
inline namespace v1 {

event_reader::event_reader(boost::asio::any_io_executor executor, event_hub_identity identity,
                           event_reader_options options)
    : executor_(std::move(executor)),
      network_(options.network ? *options.network : network::shared()) {
  options.network.reset();  // The session must not keep alive what its own thread would then end.
  session_ = sdk::owned_by_loop(
      std::make_unique<sdk::EventsSession>(network_, std::move(identity), std::move(options)));
}

event_reader::event_reader(event_reader&&) noexcept = default;

event_reader::~event_reader() {
  if (!session_) return;
  // Waited for: no handler reaches the executor after the reader is gone.
  sdk::run_and_wait(*session_->loop(), [&] { session_->shut_down(); });
}

void event_reader::start_receive(const session_pointer& session, detail::operation_id id,
                                 detail::completion<std::vector<event>> done) {
  session->loop()->post(
      [session, id, done = std::move(done)]() mutable { session->receive(id, std::move(done)); });
}

void event_reader::start_get_properties(const session_pointer& session, detail::operation_id id,
                                        detail::completion<event_hub_properties> done) {
  session->loop()->post([session, id, done = std::move(done)]() mutable {
    session->get_properties(id, std::move(done));
  });
}

void event_reader::start_get_partition_properties(const session_pointer& session,
                                                  detail::operation_id id, std::uint32_t partition,
                                                  detail::completion<partition_properties> done) {
  session->loop()->post([session, id, partition, done = std::move(done)]() mutable {
    session->get_partition_properties(id, partition, std::move(done));
  });
}

void event_reader::cancel(const session_pointer& session, detail::operation_id id) {
  session->loop()->post([session, id] { session->cancel(id); });
}

}  // namespace v1
}  // namespace linarite
