// A whole hub, its back ends and its devices in one thread, driven by a seed: which loop runs next,
// when the disk syncs, when it fails, when the power goes, when the clock jumps. Every answer is
// checked against the model. The same seed gives the same trace, bit for bit.
#pragma once

#include <prometheus/registry.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "base/random.h"
#include "hub/hub.h"
#include "sim/model.h"
#include "store/memory/memory_store.h"

namespace linarite::sim {

struct WorldOptions {
  uint64_t seed = 1;
  uint32_t steps = 2000;
  uint32_t devices = 6;
};

// What a run came to. `violation` is empty if the hub kept its contract.
struct RunResult {
  std::string violation;
  uint64_t trace_hash = 0;
  uint64_t messages = 0;
  uint64_t deliveries = 0;
  uint64_t crashes = 0;
};

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();
  RunResult run();

 private:
  class Device;
  struct Receiver {
    hub::Hub::ReceiverId id;
    std::vector<hub::FeedbackBatch> held;
  };

  // world.cc: the machine.
  void start();
  void crash(bool power);
  void step();
  void run_some();
  void settle();
  void fail(const std::string& what);
  void trace(std::string_view what, uint64_t a, uint64_t b = 0);
  static bool unknown(ErrorCode code);

  // back_end.cc
  void back_end_step();
  void send();
  void purge();
  void write_device();
  void create(uint32_t device);
  void remove(uint32_t device);
  void set_enabled(uint32_t device, bool enabled);
  void open_receiver();
  void close_receiver();
  void settle_feedback();
  void note_feedback(const hub::FeedbackBatch& batch);
  void look_at_devices();

  // device.cc
  void device_step();
  void connect(uint32_t device);
  void disconnect(uint32_t device);
  void settle_one(uint32_t device);

  void finish();
  void drain_device(uint32_t device, std::set<uint32_t>& drained);

  static std::string device_name(uint32_t device) { return "device-" + std::to_string(device); }
  hub::Partition& partition(uint32_t device) { return hub_->partition_of(device_name(device)); }
  bool chance(uint64_t in) { return random_.below(in) == 0; }
  WallTime wall() const { return clock_.wall(); }

  const WorldOptions options_;
  SeededRandom random_;      // The scheduler's and the actors'.
  SeededRandom hub_random_;  // The hub's own.
  ManualClock clock_;
  ManualLoop loop_a_{clock_};
  ManualLoop loop_b_{clock_};
  store::MemoryStore store_{4};
  Logger log_ = Logger::none();
  std::unique_ptr<prometheus::Registry> metrics_;
  std::unique_ptr<hub::Hub> hub_;
  // Replies that belong to an earlier life of the hub must not be believed.
  uint64_t life_ = 0;
  bool read_only_ = false;

  Model model_;
  std::map<uint32_t, std::unique_ptr<Device>> connected_;
  std::vector<std::unique_ptr<Device>> retired_;
  std::vector<Receiver> receivers_;
  RunResult result_;
};

}  // namespace linarite::sim
