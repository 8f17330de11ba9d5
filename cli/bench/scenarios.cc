// What the scenarios of `linarite bench` do.
#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "cli/bench/bench.h"

namespace linarite::cli {
namespace {

constexpr auto kAwait = boost::asio::use_awaitable;
// Device clients that connect at a time. The SDK lets 256 dial.
constexpr size_t kDialsMax = 64;
constexpr size_t kRegistryConnectionsMax = 256;
constexpr uint64_t kIdleWindow = 500;

double grown_each(const Usage& usage, size_t count) {
  return (static_cast<double>(usage.resident_after) - static_cast<double>(usage.resident_before)) /
         static_cast<double>(count);
}

}  // namespace

Bench::awaitable<void> Bench::play() {
  const auto stopped = [this] { return stopping_; };
  if (plan_.scenario == Scenario::kRegistry) {
    grow_clients(std::min<size_t>(plan_.window, kRegistryConnectionsMax));
  }
  stage_ = "making devices";
  co_await fleet_.create(plan_.devices, stopped);
  if (stopping_) co_return;
  switch (plan_.scenario) {
    case Scenario::kC2d:
      co_return co_await play_c2d();
    case Scenario::kC2dOffline:
      co_return co_await play_c2d_offline();
    case Scenario::kTelemetry:
      co_return co_await play_telemetry();
    case Scenario::kConnect:
      co_return co_await play_connect();
    case Scenario::kIdle:
      co_return co_await play_idle();
    case Scenario::kRegistry:
      co_return co_await play_registry();
    case Scenario::kMixed:
      co_return co_await play_mixed();
  }
}

Bench::awaitable<void> Bench::connect_devices(size_t count) {
  stage_ = "connecting devices";
  co_await devices_.grow_to(count, kDialsMax, [this] { return stopping_; });
}

Bench::awaitable<void> Bench::connect_senders() {
  stage_ = "connecting back ends";
  grow_clients(plan_.senders);
  for (size_t i = 0; i < plan_.senders && !stopping_; ++i) {
    co_await clients_[i].async_connect(kAwait);
  }
}

// --- Loads.

Load::Options Bench::load_options(std::string name, Share share,
                                  std::vector<std::string> latencies) const {
  if (plan_.scenario == Scenario::kIdle) {
    return {.name = std::move(name),
            .window = kIdleWindow,
            .operations = plan_.devices,
            .latencies = std::move(latencies)};
  }
  const auto part = [&share](uint64_t whole) {
    if (whole == 0) return whole;
    return std::max<uint64_t>(1, static_cast<uint64_t>(static_cast<double>(whole) * share.of));
  };
  return {.name = std::move(name),
          .rate = plan_.rate * share.of,
          .window = part(plan_.window),
          .operations = part(plan_.messages),
          .latencies = std::move(latencies)};
}

// All messages of a device go through one sender, so that they must keep their order.
std::unique_ptr<MessageLoad> Bench::c2d_load(Share share) {
  const bool offline = plan_.scenario == Scenario::kC2dOffline;
  MessageLoad::Options options;
  options.load = load_options("c2d", share, {"accepted", "delivered"});
  if (offline) options.load.latencies.pop_back();
  options.ledger = {
      .devices = plan_.devices, .body_bytes = plan_.body_bytes, .run = session_.random().number()};
  options.ends_accepted = offline;
  if (offline) options.depth = kOfflineDepthMax;
  return std::make_unique<MessageLoad>(
      session_.clock(), std::move(options),
      [this](MessageLoad& load, size_t device, uint64_t number, const std::string& body) {
        message made(body);
        made.message_id = std::to_string(number);
        clients_[device % plan_.senders].async_send(
            fleet_.id(device), std::move(made),
            [&load, number](const linarite::error& why, const send_result&) {
              if (why) return load.refused(number, why);
              load.accepted(number);
            });
      });
}

std::unique_ptr<MessageLoad> Bench::event_load(Share share) {
  MessageLoad::Options options;
  options.load = load_options("telemetry", share, {"acknowledged", "read"});
  if (plan_.readers == 0) options.load.latencies.pop_back();
  options.ledger = {.devices = plan_.devices,
                    .body_bytes = plan_.body_bytes,
                    .run = session_.random().number(),
                    .awaits_receipt = plan_.readers > 0};
  options.depth = Load::kUnderWayMax;
  return std::make_unique<MessageLoad>(
      session_.clock(), std::move(options),
      [this](MessageLoad& load, size_t device, uint64_t number, const std::string& body) {
        devices_.client(device).async_send_event(message(body),
                                                 [&load, number](const linarite::error& why) {
                                                   if (why) return load.refused(number, why);
                                                   load.accepted(number);
                                                 });
      });
}

std::unique_ptr<RegistryLoad> Bench::registry_load(std::string name, RegistryLoad::Kind kind,
                                                   Share share) {
  return std::make_unique<RegistryLoad>(
      session_.clock(), load_options(std::move(name), share, {"answered"}), kind, clients_, fleet_);
}

std::unique_ptr<ConnectLoad> Bench::connect_load() {
  return std::make_unique<ConnectLoad>(
      session_.clock(), load_options("connect", {}, {"connected"}), io_.get_executor(),
      [this](size_t device) { return access(device); }, plan_.devices);
}

void Bench::listen_for(MessageLoad& load) {
  devices_.on_message([&load](size_t device, std::string_view body, bool repeated) {
    load.received(device, body, repeated);
  });
}

// Reads what comes from now on.
Bench::awaitable<void> Bench::start_reader(MessageLoad& load) {
  if (plan_.readers == 0) co_return;
  event_reader_options options;
  static_cast<service_options&>(options) = options_;
  reader_.emplace(io_.get_executor(), identity_, options);
  const auto hub = co_await reader_->async_get_properties(kAwait);
  for (const uint32_t partition : hub.partitions) {
    const auto now = co_await reader_->async_get_partition_properties(partition, kAwait);
    options.begin_in[partition] = event_position::from_sequence_number(now.last_sequence_number);
  }
  reader_.emplace(io_.get_executor(), identity_, options);
  read_on(load);
}

void Bench::read_on(MessageLoad& load) {
  reader_->async_receive(
      [this, &load](const linarite::error& why, const std::vector<event>& events) {
        if (!reader_ || why == errc::closed) return;
        if (why) return load.fail(why);
        for (const event& one : events) {
          const auto device = fleet_.device_of(one.device_id);
          if (device) load.received(*device, one.content.text(), false);
        }
        read_on(load);
      });
}

// --- Scenarios.

Bench::awaitable<void> Bench::play_c2d() {
  co_await connect_devices(plan_.devices);
  co_await connect_senders();
  loads_.push_back(c2d_load({}));
  auto& load = static_cast<MessageLoad&>(*loads_.back());
  listen_for(load);
  co_await measure_one("c2d", load);
}

Bench::awaitable<void> Bench::play_c2d_offline() {
  co_await connect_senders();
  loads_.push_back(c2d_load({}));
  auto& load = static_cast<MessageLoad&>(*loads_.back());
  listen_for(load);
  co_await measure_one("enqueue", load);
  if (stopping_ || result_.measurements.empty()) co_return;
  Measurement& enqueued = result_.measurements.back();
  if (enqueued.server && enqueued.count() > 0) {
    enqueued.more.emplace_back("server_rss_bytes_each",
                               grown_each(*enqueued.server, enqueued.count()));
  }
  co_await drain(load);
}

// The devices come back, and receive what waits for them.
Bench::awaitable<void> Bench::drain(MessageLoad& load) {
  const Window window(session_.clock(), result_.server_pid);
  co_await connect_devices(plan_.devices);
  stage_ = "drain";
  co_await until([&load] { return load.unread() == 0; }, [&load] { return load.received_count(); });
  if (stopping_) co_return;
  Measurement measured = window.measured("drain");
  load.give_up();
  LoadFigures figures = load.figures();
  figures.name = "delivered";
  figures.count = load.received_count();
  figures.latencies.clear();
  measured.loads.push_back(std::move(figures));
  result_.measurements.push_back(std::move(measured));
}

// Memory of a connection is what the last four fifths of them add.
Bench::awaitable<void> Bench::play_idle() {
  const size_t first = plan_.devices / 5;
  const size_t rest_of_them = plan_.devices - first;
  co_await connect_devices(first);
  co_await rest(plan_.warm_up);
  const Window window(session_.clock(), result_.server_pid);
  co_await connect_devices(plan_.devices);
  if (stopping_) co_return;
  Measurement connected = window.measured("connect");
  co_await rest(plan_.warm_up);
  const Measurement settled = window.measured("");
  LoadFigures figures;
  figures.name = "connect";
  figures.begun = figures.count = rest_of_them;
  figures.latencies.emplace_back("connected", devices_.connect_times());
  connected.loads.push_back(std::move(figures));
  if (settled.server) {
    connected.more.emplace_back("server_rss_bytes_each", grown_each(*settled.server, rest_of_them));
  }
  connected.more.emplace_back("bench_rss_bytes_each", grown_each(settled.tool, rest_of_them));
  result_.measurements.push_back(std::move(connected));
  const std::vector<Load*> nothing;
  co_await measure("idle", nothing);
  if (!stopping_) {
    result_.measurements.back().more.emplace_back("connected",
                                                  static_cast<double>(devices_.connected()));
  }
  co_await message_for_each();
}

// Whether each of them is still there.
Bench::awaitable<void> Bench::message_for_each() {
  co_await connect_senders();
  loads_.push_back(c2d_load({}));
  auto& load = static_cast<MessageLoad&>(*loads_.back());
  listen_for(load);
  co_await measure_one("one message each", load);
}

Bench::awaitable<void> Bench::play_telemetry() {
  co_await connect_devices(plan_.devices);
  loads_.push_back(event_load({}));
  auto& load = static_cast<MessageLoad&>(*loads_.back());
  co_await start_reader(load);
  co_await measure_one("telemetry", load);
}

Bench::awaitable<void> Bench::play_connect() {
  loads_.push_back(connect_load());
  co_await measure_one("connect", *loads_.back());
}

Bench::awaitable<void> Bench::play_registry() {
  loads_.push_back(registry_load("put", RegistryLoad::Kind::kPut, {}));
  co_await measure_one("put", *loads_.back());
  loads_.push_back(registry_load("get", RegistryLoad::Kind::kGet, {}));
  co_await measure_one("get", *loads_.back());
}

Bench::awaitable<void> Bench::play_mixed() {
  constexpr double kEvents = 0.80;
  constexpr double kC2d = 0.15;
  constexpr double kRegistry = 0.05;
  co_await connect_devices(plan_.devices);
  co_await connect_senders();
  loads_.push_back(event_load({kEvents}));
  auto& events = static_cast<MessageLoad&>(*loads_.back());
  loads_.push_back(c2d_load({kC2d}));
  auto& c2d = static_cast<MessageLoad&>(*loads_.back());
  loads_.push_back(registry_load("get", RegistryLoad::Kind::kGet, {kRegistry}));
  listen_for(c2d);
  co_await start_reader(events);
  const std::vector<Load*> all{&events, &c2d, loads_.back().get()};
  co_await measure("mixed", all);
}

Bench::awaitable<void> Bench::remove_all(size_t& removed) {
  stage_ = "removing devices";
  removed = co_await fleet_.remove_all();
}

}  // namespace linarite::cli
