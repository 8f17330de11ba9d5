#include "cli/bench/connect_load.h"

#include <utility>

namespace linarite::cli {

ConnectLoad::ConnectLoad(const Clock& clock, Options options, boost::asio::any_io_executor executor,
                         Devices::Access access, size_t devices)
    : Load(clock, std::move(options)),
      executor_(std::move(executor)),
      access_(std::move(access)),
      clients_(devices) {
  for (size_t i = 0; i < devices; ++i) away_.push_back(i);
}

bool ConnectLoad::begin(uint64_t, Instant due) {
  if (away_.empty()) return false;
  const size_t device = away_.front();
  auto access = access_(device);
  if (!access) {
    keep_refusal(access.error());
    count_mistake(&Mistakes::refused);
    return false;
  }
  away_.pop_front();
  auto& client = clients_[device];
  client.emplace(executor_, std::move(access->identity), std::move(access->options));
  client->async_connect(
      [this, device, due](const linarite::error& why) { connected(device, due, why); });
  return true;
}

void ConnectLoad::connected(size_t device, Instant due, const linarite::error& why) {
  if (why) {
    keep_refusal(why);
    count_mistake(&Mistakes::refused);
  } else {
    time(0, due);
  }
  clients_[device]->async_close([this, device](const linarite::error&) {
    clients_[device].reset();
    away_.push_back(device);
    finish();
  });
}

}  // namespace linarite::cli
