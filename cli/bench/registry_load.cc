#include "cli/bench/registry_load.h"

#include <algorithm>
#include <utility>

namespace linarite::cli {

RegistryLoad::RegistryLoad(const Clock& clock, Options options, Kind kind,
                           std::deque<service_client>& clients, const Fleet& fleet)
    : Load(clock, std::move(options)),
      kind_(kind),
      clients_(clients),
      fleet_(fleet),
      busy_(clients.size()) {}

bool RegistryLoad::begin(uint64_t number, Instant due) {
  const auto least = std::ranges::min_element(busy_);
  const auto client = static_cast<size_t>(least - busy_.begin());
  ++*least;
  device wanted = fleet_.identity(number % fleet_.size());
  const auto done = [this, client, due](device asked) {
    return [this, client, due, asked = std::move(asked)](const linarite::error& why,
                                                         const device& got) {
      answered(client, asked, due, why, got);
    };
  };
  if (kind_ == Kind::kGet) {
    const std::string id = wanted.device_id;
    clients_[client].async_get_device(id, done(std::move(wanted)));
  } else {
    // The first tells how many devices there are.
    if (number % fleet_.size() == 0) wanted.status_reason = fleet_.first_reason();
    if (wanted.status_reason.empty()) wanted.status_reason = std::to_string(number);
    device sent = wanted;
    clients_[client].async_update_device(std::move(sent), done(std::move(wanted)));
  }
  return true;
}

void RegistryLoad::answered(size_t client, const device& wanted, Instant due,
                            const linarite::error& why, const device& got) {
  --busy_[client];
  if (why) {
    keep_refusal(why);
    count_mistake(&Mistakes::refused);
  } else {
    const bool same = got.device_id == wanted.device_id && got.primary_key == wanted.primary_key &&
                      (kind_ == Kind::kGet || got.status_reason == wanted.status_reason);
    if (!same) count_mistake(&Mistakes::changed);
    time(0, due);
  }
  finish();
}

}  // namespace linarite::cli
