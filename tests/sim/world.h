// A whole hub in one thread, driven by a seed: which loop runs next, when the disk syncs, when it
// fails, when the power goes, when the clock jumps. Every answer is checked against the model. The
// same seed gives the same trace, bit for bit.
//
// Who talks to the hub is added by the two kinds of world: HubWorld calls its interface,
// NetworkWorld runs the gateways on it and clients that reach them over a network with faults.
#pragma once

#include <prometheus/registry.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "base/random.h"
#include "hub/hub.h"
#include "sim/dice.h"
#include "sim/model.h"
#include "store/memory/memory_store.h"

namespace linarite::sim {

struct WorldOptions {
  uint64_t seed = 1;
  uint32_t steps = 2000;
  uint32_t devices = 6;
  bool print_trace = false;  // Each event as a line.
};

// What a run came to. `violation` is empty if the hub kept its contract.
struct RunResult {
  std::string violation;
  uint64_t trace_hash = 0;
  uint64_t messages = 0;
  uint64_t deliveries = 0;
  uint64_t crashes = 0;
  uint64_t events = 0;   // That readers were given.
  uint64_t trimmed = 0;  // Events that retention removed.
};

class World {
 public:
  explicit World(const WorldOptions& options);
  virtual ~World() = default;
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  RunResult run();

  // What happens, in the order in which it does: two runs of a seed must agree.
  void trace(std::string_view what, uint64_t a, uint64_t b = 0);
  void fail(const std::string& what);
  // Fails unless the check found nothing.
  void expect(const std::string& wrong) {
    if (!wrong.empty()) fail(wrong);
  }

 protected:
  // An interface because the two kinds of world have other actors. A new run of the hub begins or
  // ends; somebody does something, something runs; the end, when no more faults come and everything
  // that is there must come out.
  virtual void hub_started() {}
  virtual void hub_stopping() = 0;
  // After each of its tasks.
  virtual void hub_ran() = 0;
  virtual void act() = 0;
  virtual void run_some() = 0;
  virtual void settle() = 0;
  virtual std::set<uint32_t> drain() = 0;

  // world.cc: the machine.
  void crash(bool power);
  // Runs a task of the hub; false if the loop had none.
  bool run_hub(ManualLoop& loop);
  static bool unknown(ErrorCode code);

  // registry.cc
  void write_device();
  void create(uint32_t device);
  void purge();
  void set_enabled(uint32_t device, bool enabled);
  void write_outdated(uint32_t device);
  void drain_feedback();

  // Feedback as it comes out of the hub.
  void note_feedback(const hub::FeedbackBatch& batch, Moment sent);

  static std::string device_name(uint32_t device) { return "device-" + std::to_string(device); }
  hub::Partition& partition(uint32_t device) { return hub_->partition_of(device_name(device)); }
  bool chance(uint64_t in) { return random_.below(in) == 0; }
  WallTime wall() const { return clock_.wall(); }
  Moment now() const { return {clock_.wall(), step_}; }
  ConnectionNumber new_connection() { return ++last_connection_; }

  const WorldOptions options_;
  Dice random_;              // The scheduler's and the actors'.
  SeededRandom hub_random_;  // The hub's own.
  SeededRandom vault_random_{1};
  hub::KeyVault vault_ = hub::KeyVault::make(vault_random_);  // A file outlives every crash.
  ManualClock clock_;
  ManualLoop loop_a_{clock_};
  ManualLoop loop_b_{clock_};
  store::MemoryStore store_{4};
  Logger log_ = Logger::none();
  std::unique_ptr<prometheus::Registry> metrics_;
  std::unique_ptr<hub::Hub> hub_;
  // Replies that belong to an earlier life of the hub must not be believed.
  uint64_t life_ = 0;
  uint64_t step_ = 1;  // Counts what the hub does.
  bool read_only_ = false;

  Model model_;
  RunResult result_;

 private:
  void start();
  void step();
  void finish();
  void remove(uint32_t device);
  void written(uint32_t device, const ModelDevice& known);
  void look_at_devices();
  ConnectionNumber last_connection_ = 0;
};

}  // namespace linarite::sim
