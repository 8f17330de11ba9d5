#include "sim/world.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/text.h"

namespace linarite::sim {
namespace {

constexpr uint64_t kFnvOffset = 0xcbf29ce484222325ULL;
constexpr uint64_t kFnvPrime = 0x100000001b3ULL;

// Locks run out whenever the clock jumps; no record may be dropped for being offered too often.
// Logs are short, and so is what is kept of them in memory: they are trimmed and read from the
// store.
const hub::HubOptions kHubOptions{
    .feedback = {.delivery_count_max = 100},
    .events = {.log_bytes_max = 4ULL << 20U, .tail_cache_bytes = 64ULL << 10U}};

}  // namespace

World::World(const WorldOptions& options)
    : options_(options),
      random_(options.seed),
      hub_random_(options.seed ^ 0x9e3779b97f4a7c15ULL),
      clock_(*parse_iso8601("2026-01-02T03:04:05Z")),
      model_(options.devices) {
  result_.trace_hash = kFnvOffset;
}

// A trace is kept as its hash: two runs of a seed must come to the same one.
void World::trace(std::string_view what, uint64_t a, uint64_t b) {
  const auto mix = [this](uint64_t value) {
    result_.trace_hash = (result_.trace_hash ^ value) * kFnvPrime;
  };
  for (const char c : what) mix(static_cast<unsigned char>(c));
  mix(a);
  mix(b);
  if (options_.print_trace) fmt::print("{} {} {} {}\n", step_, what, a, b);
}

void World::fail(const std::string& what) {
  if (result_.violation.empty()) result_.violation = what;
}

// Whether a failure leaves open what is on the disk.
bool World::unknown(ErrorCode code) {
  return code == ErrorCode::kIoError || code == ErrorCode::kStoreReadOnly;
}

void World::start() {
  ++life_;
  read_only_ = false;
  metrics_ = std::make_unique<prometheus::Registry>();
  hub_ = std::make_unique<hub::Hub>(kHubOptions, hub::Hub::Parts{.store = store_,
                                                                 .loops = {&loop_a_, &loop_b_},
                                                                 .random = hub_random_,
                                                                 .log = log_,
                                                                 .metrics = *metrics_,
                                                                 .vault = vault_});
  std::optional<Status> opened;
  hub_->open({loop_a_, [&](Status status) { opened = std::move(status); }});
  store_.hold_commits(false);
  while (loop_a_.run_until_idle() + loop_b_.run_until_idle() > 0) {
  }
  if (!opened || !*opened)
    return fail("the hub did not open: " + (opened ? opened->error().message : "no answer"));
  store_.hold_commits(true);
  look_at_devices();
  hub_started();
}

// The process is gone, and with `power` everything that was not synced.
void World::crash(bool power) {
  trace("crash", power);
  ++result_.crashes;
  if (!power) {
    // kill -9: what was handed to the kernel survives.
    store_.flush();
  }
  hub_stopping();
  loop_a_.drop_all();
  loop_b_.drop_all();
  hub_.reset();
  store_.crash(chance(2) ? &random_ : nullptr);
  model_.crashed();
  start();
}

bool World::run_hub(ManualLoop& loop) {
  ++step_;
  const bool ran = loop.run_one();
  if (ran) hub_ran();
  return ran;
}

void World::step() {
  ++step_;
  const uint64_t what = random_.below(1000);
  if (what < 700) {
    act();
  } else if (what < 960) {
    if (chance(2)) store_.flush();
  } else if (what < 985) {
    clock_.advance(std::chrono::milliseconds(random_.below(chance(10) ? 3'600'000 : 5'000)));
  } else if (what < 990) {
    crash(/*power=*/true);
  } else if (what < 994) {
    crash(/*power=*/false);
  } else if (what < 995 && !read_only_) {
    trace("fail sync", 0);
    read_only_ = true;
    store_.fail_next_sync({ErrorCode::kIoError, "injected"});
  }
  run_some();
  if (read_only_ && chance(20)) crash(/*power=*/true);
}

RunResult World::run() {
  start();
  for (uint32_t i = 0; i < options_.devices; ++i) create(i);
  store_.flush();
  settle();
  for (uint32_t i = 0; i < options_.steps && result_.violation.empty(); ++i) step();
  if (result_.violation.empty()) finish();
  return result_;
}

// No more faults: everything the model says is there must come out.
void World::finish() {
  if (read_only_) crash(/*power=*/true);
  store_.flush();
  store_.hold_commits(false);
  settle();
  for (uint32_t i = 0; i < options_.devices; ++i) {
    ModelDevice& known = model_.device(i);
    if (known.uncertain) return fail(fmt::format("a write of device {} was not answered", i));
    if (known.presence == Presence::kYes && !known.enabled) set_enabled(i, true);
  }
  settle();
  const std::set<uint32_t> drained = drain();
  drain_feedback();
  if (result_.violation.empty()) expect(model_.finished(wall(), drained));
}

}  // namespace linarite::sim
