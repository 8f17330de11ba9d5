// A hub on an embedded store in a folder, driven by one thread and a clock that stands still.
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "base/random.h"
#include "hub/hub.h"
#include "store/embedded/embedded_store.h"

namespace linarite::iofail {

inline constexpr WallTime kBeginning{std::chrono::hours(480000)};

class World {
 public:
  World(std::string path, WallTime wall);
  ~World() { static_cast<void>(close()); }

  // The store's error, or the hub's.
  Status open();
  // The first failure of the store's life, if there was one.
  Status close();

  hub::Hub& hub() { return *hub_; }
  ManualLoop& loop() { return loop_; }
  ManualClock& clock() { return clock_; }
  WallTime wall() const { return clock_.wall(); }
  Random& random() { return random_; }
  Status store_state() const { return store_->state(0); }

  // Runs the loop until the call has answered.
  template <class T, class Call>
  T wait(Call call) {
    std::optional<T> answer;
    call(Reply<T>(loop_, [&](T value) { answer = std::move(value); }));
    loop_.run_until([&] { return answer.has_value(); });
    return *std::move(answer);
  }

 private:
  const std::string path_;
  ManualClock clock_;
  ManualLoop loop_{clock_};
  Logger log_ = Logger::none();
  SeededRandom random_{1};
  SeededRandom vault_random_{2};
  hub::KeyVault vault_ = hub::KeyVault::make(vault_random_);  // The same in every world.
  std::unique_ptr<store::EmbeddedStore> store_;
  std::unique_ptr<prometheus::Registry> registry_;
  std::unique_ptr<hub::Hub> hub_;
};

// What the sections of event `index`, and the body of message `index`, are.
std::string event_text(uint32_t index);
std::string message_text(uint32_t index);
// The other way round; nothing for a text that is neither whole nor ours.
std::optional<uint32_t> index_of(std::string_view text);
std::string device_name(uint32_t index);
// The partition of the hub that a device belongs to.
uint32_t partition_number(hub::Hub& hub, const std::string& device);

}  // namespace linarite::iofail
