#include "cli/bench/devices.h"

#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "cli/bench/in_parallel.h"

namespace linarite::cli {

namespace asio = boost::asio;

Devices::Devices(asio::any_io_executor executor, const Clock& clock, Access access)
    : executor_(std::move(executor)), clock_(clock), access_(std::move(access)) {}

Devices::~Devices() = default;

asio::awaitable<void> Devices::grow_to(size_t count, size_t at_a_time,
                                       std::function<bool()> stopped) {
  const size_t first = clients_.size();
  if (count <= first) co_return;
  clients_.resize(count);
  ParallelWork work{.workers = at_a_time, .count = count - first};
  work.stopped = std::move(stopped);
  work.one = [this, first](size_t thing, size_t) { return connect(first + thing); };
  co_await in_parallel(executor_, std::move(work));
}

asio::awaitable<void> Devices::connect(size_t device) {
  auto access = access_(device);
  if (!access) {
    throw linarite::exception(linarite::error(errc::invalid_argument, access.error().message));
  }
  clients_[device].emplace(executor_, std::move(access->identity), std::move(access->options));
  const Instant begun = clock_.now();
  co_await clients_[device]->async_connect(asio::use_awaitable);
  connect_times_.add(clock_.now() - begun);
  receive(device);
}

void Devices::receive(size_t device) {
  clients_[device]->async_receive([this, device](const linarite::error& why, received_message got) {
    if (why) return;  // It was closed.
    if (on_message_) on_message_(device, got->text(), got.redelivered());
    clients_[device]->async_complete(std::move(got), [](const linarite::error&) {});
    receive(device);
  });
}

size_t Devices::connected() const {
  size_t out = 0;
  for (const auto& one : clients_) {
    if (one && one->state() == connection_state::connected) ++out;
  }
  return out;
}

void Devices::close() {
  for (auto& one : clients_) {
    if (one) one->async_close([](const linarite::error&) {});
  }
}

}  // namespace linarite::cli
