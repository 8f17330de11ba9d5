#include "cli/bench/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "base/text.h"
#include "cli/bench/in_parallel.h"

namespace linarite::cli {
namespace {

namespace asio = boost::asio;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::string_view kReason = "linarite bench, devices: ";
constexpr size_t kDevicesMax = 1'000'000;  // That a status reason is believed.
// Hubs that throttle let registry operations through again after some seconds.
constexpr int kThrottledTriesMax = 60;
constexpr int kTriesMax = 3;
constexpr std::chrono::seconds kPause{1};

asio::awaitable<void> pause(asio::any_io_executor executor) {
  asio::steady_timer timer(executor, kPause);
  co_await timer.async_wait(kTuple);
}

bool may_try_again(const linarite::error& why, int tries) {
  return tries < (why == errc::throttled ? kThrottledTriesMax : kTriesMax) && is_transient(why);
}

[[noreturn]] void raise(linarite::error why) { throw linarite::exception(std::move(why)); }

}  // namespace

std::string Fleet::id_of(size_t slot, size_t device) {
  return fmt::format("{}{}-{}", kPrefix, slot, device + 1);
}

std::string Fleet::reason_of(size_t count) { return fmt::format("{}{}", kReason, count); }

std::optional<size_t> Fleet::device_of(std::string_view id) const {
  const std::string mine = fmt::format("{}{}-", kPrefix, slot_);
  if (!id.starts_with(mine)) return std::nullopt;
  const auto number = whole_number<size_t>(id.substr(mine.size()));
  if (!number || *number < 1 || *number > keys_.size()) return std::nullopt;
  return *number - 1;
}

device Fleet::identity(size_t device) const {
  const Keys& keys = keys_.at(device);
  return {.device_id = id(device), .primary_key = keys.primary, .secondary_key = keys.secondary};
}

asio::awaitable<void> Fleet::take_slot(size_t count) {
  for (size_t slot = 1; slot <= kSlotsMax; ++slot) {
    device first{.device_id = id_of(slot, 0)};
    first.status_reason = reason_of(count);
    auto [why, made] = co_await clients_.front().async_create_device(first, kTuple);
    if (why == errc::device_already_exists) continue;
    if (why) raise(std::move(why));
    slot_ = slot;
    made_ = 1;
    keys_.resize(count);
    keys_.front() = {made.primary_key, made.secondary_key};
    co_return;
  }
  raise({errc::device_already_exists,
         "the devices of other benchmarks are there: 'linarite bench clean' removes them"});
}

asio::awaitable<void> Fleet::create(size_t count, std::function<bool()> stopped) {
  co_await take_slot(count);
  ParallelWork work{.workers = clients_.size(), .count = count - 1};
  work.stopped = std::move(stopped);
  work.one = [this](size_t thing, size_t worker) {
    return create_one(thing + 1, clients_[worker]);
  };
  co_await in_parallel(clients_.front().get_executor(), std::move(work));
}

asio::awaitable<void> Fleet::create_one(size_t device, service_client& client) {
  const linarite::device wanted{.device_id = id(device)};
  for (int tries = 1;; ++tries) {
    auto [why, made] = co_await client.async_create_device(wanted, kTuple);
    // Left by a run that was killed while it removed devices, or made by a try whose answer was
    // lost.
    if (why == errc::device_already_exists) {
      auto [reason, there] = co_await client.async_get_device(id(device), kTuple);
      why = reason;
      made = std::move(there);
    }
    if (!why) {
      ++made_;
      keys_[device] = {made.primary_key, made.secondary_key};
      co_return;
    }
    if (!may_try_again(why, tries)) raise(std::move(why));
    co_await pause(client.get_executor());
  }
}

asio::awaitable<void> Fleet::remove() {
  if (slot_ == 0) co_return;
  const size_t slot = std::exchange(slot_, 0);
  co_await remove_devices(slot, keys_.size());
}

// From the last to the first.
asio::awaitable<void> Fleet::remove_devices(size_t slot, size_t count) {
  const auto remove_one = [this](std::string id, size_t worker) -> asio::awaitable<void> {
    for (int tries = 1;; ++tries) {
      auto [why] = co_await clients_[worker].async_delete_device(id, std::string(), kTuple);
      if (!why || why == errc::device_not_found) co_return;
      if (!may_try_again(why, tries)) raise(std::move(why));
      co_await pause(clients_[worker].get_executor());
    }
  };
  ParallelWork work{.workers = clients_.size(), .count = count - 1};
  work.one = [slot, count, &remove_one](size_t thing, size_t worker) {
    return remove_one(id_of(slot, count - 1 - thing), worker);
  };
  co_await in_parallel(clients_.front().get_executor(), std::move(work));
  co_await remove_one(id_of(slot, 0), 0);
}

asio::awaitable<std::optional<size_t>> Fleet::count_of(size_t slot) {
  auto [why, first] = co_await clients_.front().async_get_device(id_of(slot, 0), kTuple);
  if (why == errc::device_not_found) co_return std::nullopt;
  if (why) raise(std::move(why));
  const std::string_view reason = first.status_reason;
  const auto count = reason.starts_with(kReason)
                         ? whole_number<size_t>(reason.substr(kReason.size()))
                         : std::nullopt;
  co_return std::clamp<size_t>(count.value_or(1), 1, kDevicesMax);
}

asio::awaitable<size_t> Fleet::remove_all() {
  size_t out = 0;
  for (size_t slot = 1; slot <= kSlotsMax; ++slot) {
    const auto count = co_await count_of(slot);
    if (!count) continue;
    co_await remove_devices(slot, *count);
    out += *count;
  }
  co_return out;
}

}  // namespace linarite::cli
