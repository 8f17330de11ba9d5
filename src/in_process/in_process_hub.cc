#include <linarite/testing/in_process_hub.h>

#include <linarite/manual_network.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <map>

#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "base/random.h"
#include "gateway/amqp_gateway.h"
#include "gateway/http_gateway.h"
#include "gateway/mqtt_gateway.h"
#include "hub/hub.h"
#include "in_process/connection.h"
#include "in_process/journal.h"
#include "store/memory/memory_store.h"
#include "wire/device_id.h"

namespace linarite {
inline namespace v1 {
namespace testing {
namespace {

constexpr uint32_t kPartitions = 4;
constexpr uint16_t kMqttsPort = 8883;
constexpr uint16_t kAmqpsPort = 5671;
constexpr uint16_t kHttpsPort = 443;
// What runs longer without time passing never ends.
constexpr uint64_t kStepsAtOnceMax = 10'000'000;
// How far time may go for a blocking call that has no limit.
constexpr Duration kBlockingWaitMax = std::chrono::hours(48);
// Each part has a generator of its own, so that one more number drawn here changes nothing there.
constexpr uint64_t kHubSeed = 0x9e3779b97f4a7c15ULL;
constexpr uint64_t kClientSeed = 0xc2b2ae3d27d4eb4fULL;
constexpr uint64_t kVaultSeed = 0x165667b19e3779f9ULL;

hub::HubOptions hub_options(const in_process_hub_options& options) {
  return {.host_names = {options.host_name},
          .c2d = {.queue_depth_max = options.queue_depth_max, .default_ttl = options.default_ttl},
          .feedback = {.ttl = options.feedback_ttl,
                       .lock_duration = options.feedback_lock_duration,
                       .delivery_count_max = options.feedback_delivery_count_max,
                       .batched = options.feedback_batched}};
}

}  // namespace

const char* to_string(journey_event event) noexcept {
  static constexpr const char* kWords[] = {
      "enqueued",  "recovered", "delivered",      "returned",
      "abandoned", "completed", "expired",        "delivery count exceeded",
      "rejected",  "purged",    "device deleted", "feedback"};
  return kWords[static_cast<size_t>(event)];
}

// The program's waits, on a loop of the hub.
struct in_process_hub::wait_list {
  struct Wait {
    TimerId timer;
    detail::completion<> done;
  };
  ManualLoop* loop;  // Null after the hub.
  std::map<detail::operation_id, Wait> waiting{};
};

struct in_process_hub::state {
  explicit state(in_process_hub_options given);
  ~state();

  // The machine.
  bool step();
  bool run_one_of(uint64_t source);
  bool carry();
  std::optional<Instant> next_timer() const;
  void move_clocks(Duration by);
  bool run_until(const std::function<bool()>& done, Instant end);
  template <class T, class Call>
  T ask(Call call);

  // The process.
  void start();
  void stop();
  hub::Hub& running() const {
    if (!hub) throw std::logic_error("in_process_hub: the hub is stopped");
    return *hub;
  }
  std::unique_ptr<connection_peer> accept(const connect_request& request, client_end client,
                                          std::string& refusal);
  net::StreamAcceptor gateway_of(uint16_t port);
  template <class Do>
  void each_connection(std::string_view device_id, Do what);

  const in_process_hub_options options;
  ManualClock clock{options.start};
  SeededRandom order{options.seed};
  SeededRandom hub_random{options.seed ^ kHubSeed};
  SeededRandom client_random{options.seed ^ kClientSeed};
  SeededRandom vault_random{options.seed ^ kVaultSeed};
  hub::KeyVault vault = hub::KeyVault::make(vault_random);
  ManualLoop inside{clock};   // The hub's.
  ManualLoop outside{clock};  // The network's, and the program's waits.
  store::MemoryStore store{kPartitions};
  in_process::Journal journal{store, clock};
  Logger log = Logger::none();
  std::shared_ptr<wait_list> waits = std::make_shared<wait_list>(&outside);
  std::function<bool()> application;
  bool answers_held = false;
  bool watched =
      false;  // Off while the process is killed: what is destroyed then happens to nobody.

  // One run of the hub.
  std::unique_ptr<prometheus::Registry> metrics;
  std::unique_ptr<hub::Hub> hub;
  std::unique_ptr<gateway::MqttGateway> mqtt;
  std::unique_ptr<gateway::AmqpGateway> amqp;
  std::unique_ptr<gateway::HttpGateway> http;

  std::vector<std::shared_ptr<in_process::Connection>> connections;
  manual_network clients;
};

in_process_hub::state::state(in_process_hub_options given)
    : options(std::move(given)),
      clients({.start = options.start,
               .random =
                   [this](std::span<std::byte> out) {
                     client_random.fill(reinterpret_cast<char*>(out.data()), out.size());
                   },
               .connect =
                   [this](const connect_request& request, client_end client, std::string& refusal) {
                     return accept(request, std::move(client), refusal);
                   },
               .run_until =
                   [this](const std::function<bool()>& done, std::optional<Duration> wait) {
                     run_until(done, clock.now() + wait.value_or(kBlockingWaitMax));
                   }}) {
  start();
}

in_process_hub::state::~state() {
  stop();
  waits->loop = nullptr;
  waits->waiting.clear();
  connections.clear();
  outside.stop();
  inside.stop();
}

// --- The machine.

// Lets one thing happen, of all that could; false if nothing can.
bool in_process_hub::state::step() {
  constexpr uint64_t kSources = 5;
  const uint64_t first = order.below(kSources);
  for (uint64_t i = 0; i < kSources; ++i) {
    if (run_one_of((first + i) % kSources)) return true;
  }
  return false;
}

bool in_process_hub::state::run_one_of(uint64_t source) {
  switch (source) {
    case 0:
      return inside.run_one();
    case 1:
      return outside.run_one();
    case 2:
      return clients.run_one();
    case 3:
      return application && application();
    default:
      return carry();
  }
}

bool in_process_hub::state::carry() {
  std::erase_if(connections, [](const auto& connection) { return connection->over(); });
  if (connections.empty()) return false;
  const uint64_t first = order.below(connections.size());
  for (uint64_t i = 0; i < connections.size(); ++i) {
    if (connections[(first + i) % connections.size()]->carry(!answers_held)) return true;
  }
  return false;
}

std::optional<Instant> in_process_hub::state::next_timer() const {
  std::optional<Instant> next;
  const auto consider = [&next](std::optional<Instant> other) {
    if (other && (!next || *other < *next)) next = other;
  };
  consider(inside.next_timer());
  consider(outside.next_timer());
  if (const auto left = clients.next_timer()) consider(clock.now() + *left);
  return next;
}

void in_process_hub::state::move_clocks(Duration by) {
  if (by <= Duration(0)) return;
  clock.advance(by);
  clients.advance(by);
}

bool in_process_hub::state::run_until(const std::function<bool()>& done, Instant end) {
  for (;;) {
    for (uint64_t steps = 0; !done() && step(); ++steps) {
      if (steps < kStepsAtOnceMax) continue;
      throw std::logic_error("in_process_hub: the program never comes to rest");
    }
    if (done()) return true;
    if (clock.now() >= end) return false;
    move_clocks(std::min(next_timer().value_or(end), end) - clock.now());
  }
}

// Calls an operation of the hub whose last argument is a Reply, and waits for the answer.
template <class T, class Call>
T in_process_hub::state::ask(Call call) {
  std::optional<T> answer;
  call(Reply<T>(outside, [&](T value) { answer = std::move(value); }));
  while (!answer && (inside.run_one() || outside.run_one())) {
  }
  if (!answer) throw std::logic_error("in_process_hub: the hub does not answer; is its disk held?");
  return *std::move(answer);
}

// --- The process.

void in_process_hub::state::start() {
  if (hub) return;
  watched = true;
  metrics = std::make_unique<prometheus::Registry>();
  hub = std::make_unique<hub::Hub>(hub_options(options),
                                   hub::Hub::Parts{.store = store,
                                                   .loops = {&inside},
                                                   .random = hub_random,
                                                   .log = log,
                                                   .metrics = *metrics,
                                                   .vault = vault,
                                                   .watch = [this](const hub::QueueEvent& event) {
                                                     if (watched) journal.note(event);
                                                   }});
  const Status opened = ask<Status>([this](Reply<Status> reply) { hub->open(std::move(reply)); });
  if (!opened) throw std::invalid_argument("in_process_hub: " + opened.error().message);
  mqtt = std::make_unique<gateway::MqttGateway>(
      gateway::MqttOptions{.c2d_window = options.device_window},
      gateway::MqttGateway::Parts{*hub, log, *metrics});
  amqp = std::make_unique<gateway::AmqpGateway>(gateway::AmqpOptions{},
                                                gateway::AmqpGateway::Parts{*hub, log, *metrics});
  http = std::make_unique<gateway::HttpGateway>(gateway::HttpGateway::Parts{
      .hub = *hub,
      .log = log,
      .metrics = *metrics,
      .websockets = {.mqtt = gateway_of(kMqttsPort), .amqp = gateway_of(kAmqpsPort)}});
}

void in_process_hub::state::stop() {
  if (!hub) return;
  watched = false;
  for (const auto& connection : connections) connection->hub_ended();
  http.reset();
  amqp.reset();
  mqtt.reset();
  inside.drop_all();
  hub.reset();
  inside.drop_all();
  store.crash(nullptr);
  journal.hub_ended();
}

net::StreamAcceptor in_process_hub::state::gateway_of(uint16_t port) {
  switch (port) {
    case kMqttsPort:
      return [this](net::Stream& stream) { return mqtt->accept(stream); };
    case kAmqpsPort:
      return [this](net::Stream& stream) { return amqp->accept(stream); };
    case kHttpsPort:
      return [this](net::Stream& stream) { return http->accept(stream); };
    default:
      return {};
  }
}

std::unique_ptr<connection_peer> in_process_hub::state::accept(const connect_request& request,
                                                               client_end client,
                                                               std::string& refusal) {
  if (request.host != options.host_name) {
    refusal = "Host not found (there is only " + options.host_name + ")";
    return nullptr;
  }
  net::StreamAcceptor gateway = hub ? gateway_of(request.port) : net::StreamAcceptor();
  if (!gateway) return nullptr;
  connections.push_back(std::make_shared<in_process::Connection>(std::move(client), outside, inside,
                                                                 std::move(gateway)));
  return connections.back()->far_end();
}

template <class Do>
void in_process_hub::state::each_connection(std::string_view device_id, Do what) {
  for (const auto& connection : connections) {
    if (connection->device_id() == device_id) what(*connection);
  }
}

// --- What the test sees.

in_process_hub::in_process_hub(in_process_hub_options options)
    : state_(std::make_unique<state>(std::move(options))) {}
in_process_hub::~in_process_hub() = default;

network in_process_hub::client_network() const { return state_->clients.handle(); }

linarite::device_options in_process_hub::options_for_devices() const {
  linarite::device_options out;
  out.network = client_network();
  return out;
}

linarite::service_options in_process_hub::options_for_services() const {
  linarite::service_options out;
  out.network = client_network();
  return out;
}

std::string in_process_hub::device_connection_string(std::string_view device_id) {
  using View = Result<hub::DeviceView>;
  hub::Hub& hub = state_->running();
  const std::string id(device_id);
  if (!wire::is_valid_device_id(id)) {
    throw std::invalid_argument("in_process_hub: '" + id + "' is no device id");
  }
  View view = state_->ask<View>(
      [&](Reply<View> reply) { hub.create_device({.device_id = id}, std::move(reply)); });
  if (!view && view.error().code == ErrorCode::kDeviceAlreadyExists) {
    view = state_->ask<View>([&](Reply<View> reply) { hub.get_device(id, std::move(reply)); });
  }
  if (!view) throw std::invalid_argument("in_process_hub: " + view.error().message);
  return "HostName=" + state_->options.host_name + ";DeviceId=" + id +
         ";SharedAccessKey=" + view->identity.primary_key;
}

std::string in_process_hub::service_connection_string(std::string_view policy) const {
  const hub::Policy* const found = state_->running().policies()->find(policy);
  if (found == nullptr) {
    throw std::invalid_argument("in_process_hub: no policy '" + std::string(policy) + "'");
  }
  return "HostName=" + state_->options.host_name + ";SharedAccessKeyName=" + found->name +
         ";SharedAccessKey=" + found->primary_key;
}

void in_process_hub::settle() { advance(duration(0)); }
void in_process_hub::advance(duration by) {
  state_->run_until([] { return false; }, state_->clock.now() + by);
}
bool in_process_hub::run_until(const std::function<bool()>& done, duration within) {
  return state_->run_until(done, state_->clock.now() + within);
}
wall_time in_process_hub::now() const { return state_->clock.wall(); }

void in_process_hub::disconnect(std::string_view device_id) {
  state_->each_connection(device_id, [](in_process::Connection& one) { one.reset(); });
}
void in_process_hub::go_silent(std::string_view device_id) {
  state_->each_connection(device_id, [](in_process::Connection& one) { one.go_silent(); });
}
void in_process_hub::stop() { state_->stop(); }
void in_process_hub::start() { state_->start(); }
void in_process_hub::hold_disk(bool hold) {
  if (!hold) state_->store.flush();
  state_->store.hold_commits(hold);
}
void in_process_hub::hold_answers(bool hold) { state_->answers_held = hold; }

bool in_process_hub::is_connected(std::string_view device_id) const {
  if (!state_->hub) return false;
  const auto view = state_->hub->partition_of(device_id).get_device(device_id);
  return view && view->connected;
}

std::vector<queued_message> in_process_hub::queue(std::string_view device_id) const {
  return state_->journal.queue(device_id);
}

std::vector<journey_step> in_process_hub::journey(std::string_view message_id) const {
  return state_->journal.journey(message_id);
}

std::string in_process_hub::journey_text(std::string_view message_id) const {
  std::string out;
  for (const journey_step& step : journey(message_id)) {
    if (!out.empty()) out += ", ";
    out += to_string(step.event);
  }
  return out;
}

// --- The program's own part.

void in_process_hub::run_besides(std::function<bool()> poll_one) {
  state_->application = std::move(poll_one);
}

std::shared_ptr<in_process_hub::wait_list> in_process_hub::waits() const { return state_->waits; }

// In tasks of the loop: who waits may be inside of another's.
void in_process_hub::start_wait(const std::shared_ptr<wait_list>& waits, detail::operation_id id,
                                duration how_long, detail::completion<> done) {
  if (waits->loop == nullptr) return;
  waits->loop->post([waits, id, how_long, done = std::move(done)]() mutable {
    const TimerId timer = waits->loop->run_after(how_long, [waits, id] {
      const auto node = waits->waiting.extract(id);
      if (node) node.mapped().done->complete(error());
    });
    waits->waiting.emplace(id, wait_list::Wait{timer, std::move(done)});
  });
}

void in_process_hub::cancel_wait(const std::shared_ptr<wait_list>& waits, detail::operation_id id) {
  if (waits->loop == nullptr) return;
  waits->loop->post([waits, id] {
    const auto node = waits->waiting.extract(id);
    if (!node) return;
    waits->loop->cancel(node.mapped().timer);
    node.mapped().done->complete(errc::operation_aborted);
  });
}

}  // namespace testing
}  // namespace v1
}  // namespace linarite
