#include "server/server.h"

#include <fmt/core.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <future>
#include <utility>

#include "hub/keyring.h"
#include "net/connection_budget.h"
#include "server/master_key_file.h"
#include "store/memory/memory_store.h"
#include "wire/control_file.h"

namespace linarite::server {
namespace {

constexpr size_t kTokenBytes = 32;
constexpr size_t kThinSyncMicroseconds = 20;  // Faster than any disk that really syncs.
constexpr size_t kManyConnections = 1000;

size_t loop_count(const Config& config) {
  const size_t wanted =
      config.loop_count > 0 ? config.loop_count : std::max(1U, std::thread::hardware_concurrency());
  return std::min<size_t>(wanted, config.partition_count);
}

// Waits for the reply of a call that answers on a loop of `loops`.
template <class Call>
Status wait_for(net::LoopGroup& loops, Call call) {
  std::promise<Status> answered;
  loops.loop(0).post([&] {
    call(Reply<Status>(loops.loop(0),
                       [&](Status status) { answered.set_value(std::move(status)); }));
  });
  return answered.get_future().get();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(Config config, std::string version) {
  Result<DataDirectory> data = DataDirectory::open(config.data_directory);
  if (!data) return std::unexpected(data.error());
  std::unique_ptr<Server> out(new Server(std::move(config), std::move(version), std::move(*data)));
  Status done = out->open_certificates();
  if (done) done = out->open_store();
  if (done) done = out->open_master_keys();
  if (done) done = out->open_hub();
  if (done) out->make_gateways();
  if (done) done = out->open_listeners();
  if (done) done = out->announce();
  if (!done) return std::unexpected(done.error());
  return out;
}

Server::Server(Config config, std::string version, DataDirectory data)
    : config_(std::move(config)),
      version_(std::move(version)),
      data_(std::move(data)),
      log_(config_.level(), config_.format()),
      clock_(config_.clock == "manual"
                 ? static_cast<Clock&>(manual_clock_.emplace(system_clock_.wall()))
                 : system_clock_),
      control_token_(random_.hex(kTokenBytes)),
      started_(system_clock_.now()) {}

// Whoever wants to know how it ended stops it before.
Server::~Server() { static_cast<void>(stop()); }

Status Server::open_certificates() {
  auto opened = Certificates::open(config_, data_.path(), log_);
  if (!opened) return std::unexpected(opened.error());
  certificates_ = std::move(*opened);
  log_.info("data", {{"directory", data_.path().string()},
                     {"store", config_.in_memory ? "in memory" : "embedded"}});
  log_.info(config_.uses_dev_ca() ? "development CA" : "certificate",
            {{"file", certificates_->shown_file().string()}});
  return {};
}

Status Server::open_store() {
  if (config_.in_memory) {
    store_ = std::make_unique<store::MemoryStore>(config_.partition_count);
    return {};
  }
  store::EmbeddedOptions options;
  options.path = (data_.path() / "store").string();
  options.partition_count = config_.partition_count;
  options.memtable_bytes = config_.memtable_bytes;
  options.accept_loss = config_.accept_loss;
  auto opened = store::EmbeddedStore::open(options, system_clock_, log_);
  if (!opened) return std::unexpected(opened.error());
  embedded_ = opened->get();
  store_ = std::move(*opened);
  if (embedded_->sync_duration() < std::chrono::microseconds(kThinSyncMicroseconds)) {
    log_.warning("this disk answers syncs faster than a disk can: it may lose data in a power cut",
                 {{"sync_us", std::to_string(embedded_->sync_duration().count())}});
  }
  return {};
}

// A new file is made only for a store that holds nothing sealed: any other key would be a wrong
// one.
Status Server::open_master_keys() {
  if (config_.in_memory) {
    vault_.emplace(hub::KeyVault::make(random_));
    return {};
  }
  const std::filesystem::path file = config_.master_key_file.empty()
                                         ? data_.path() / kMasterKeyFileName
                                         : std::filesystem::path(config_.master_key_file);
  const auto keyring = hub::read_keyring(*store_);
  if (!keyring) return std::unexpected(keyring.error());
  std::error_code error;
  const bool make = !*keyring && !std::filesystem::exists(file, error) && !error;
  auto vault = make ? make_master_keys(file, random_) : read_master_keys(file, random_);
  if (!vault) return std::unexpected(vault.error());
  if (Status usable = hub::check_keyring(*keyring, *vault); !usable) {
    return fail(usable.error().code,
                fmt::format("the master key file {}: {}.", file.string(), usable.error().message));
  }
  vault_.emplace(*std::move(vault));
  log_.info(make ? "made the master key file: back it up, apart from the store" : "master key file",
            {{"file", file.string()}});
  return {};
}

Status Server::open_hub() {
  loops_ = std::make_unique<net::LoopGroup>(
      loop_count(config_), clock_,
      manual_clock_ ? net::TimerDrive::kWhenTold : net::TimerDrive::kSystem);
  std::vector<Loop*> loops;
  loops.reserve(loops_->size());
  for (size_t i = 0; i < loops_->size(); ++i) loops.push_back(&loops_->loop(i));
  hub_ = std::make_unique<hub::Hub>(
      config_.hub_options(), hub::Hub::Parts{*store_, loops, random_, log_, metrics_, *vault_});
  loops_->start();
  return wait_for(*loops_, [this](Reply<Status> reply) { hub_->open(std::move(reply)); });
}

void Server::make_gateways() {
  if (config_.mqtt.fault_injection) {
    log_.warning("devices may ask for faults of their connections: mqtt.fault_injection is on");
  }
  mqtt_ = std::make_unique<gateway::MqttGateway>(
      config_.mqtt, gateway::MqttGateway::Parts{*hub_, log_, metrics_});
  amqp_ = std::make_unique<gateway::AmqpGateway>(
      gateway::AmqpOptions{}, gateway::AmqpGateway::Parts{*hub_, log_, metrics_});
  http_ = std::make_unique<gateway::HttpGateway>(gateway::HttpGateway::Parts{
      .hub = *hub_,
      .log = log_,
      .metrics = metrics_,
      .websockets = {.mqtt = [this](net::Stream& stream) { return mqtt_->accept(stream); },
                     .amqp = [this](net::Stream& stream) { return amqp_->accept(stream); }}});
  gateway::AdminGateway::Parts admin{
      .metrics = metrics_,
      .ready = [this] { return is_ready(); },
      .health_json = [this] { return health_json(); },
      .ca_certificate = certificates_->ca_pem(),
      .hub = hub_.get(),
      .token = control_token_,
      .advance_clock = {},
  };
  if (manual_clock_) {
    admin.advance_clock = [this](Duration by, Reply<> done) {
      manual_clock_->advance(by);
      loops_->run_due_timers(std::move(done));
    };
  }
  admin_ = std::make_unique<gateway::AdminGateway>(std::move(admin));
}

Result<std::unique_ptr<net::Listener>> Server::listen(const std::string& name, uint16_t port,
                                                      std::shared_ptr<net::TlsServerContext> tls,
                                                      net::StreamAcceptor acceptor) {
  net::ListenerOptions options;
  options.name = name;
  // Without TLS only on loopback addresses; Config::check() sees to those of the plain AMQP port.
  options.addresses = name == "admin" ? std::vector<std::string>{"127.0.0.1"} : config_.addresses;
  options.port = port;
  options.tls = std::move(tls);
  options.handshakes_per_loop_max = config_.handshakes_per_loop_max;
  options.handshake_limit = config_.handshake_limit;
  options.stall_limit = config_.stall_limit;
  options.close_limit = config_.shutdown_limit;
  // The admin port is for this machine, which nobody else may keep away from it.
  if (name != "admin" && config_.hub.throttle.address_connects_per_second > 0) {
    options.admits = [this](std::string_view address) {
      return hub_->throttles().connect_from(address, system_clock_.now()) == Duration::zero();
    };
  }
  return net::Listener::open(*loops_, std::move(options), budget_, std::move(acceptor), log_);
}

// All ports are bound before any of them accepts.
Status Server::open_listeners() {
  const size_t most = net::descriptors_for_connections(net::raise_descriptor_limit());
  const size_t wanted = config_.connections_max == 0 ? most : config_.connections_max;
  budget_ = net::ConnectionBudget::create({.total_max = std::min(most, wanted),
                                           .per_address_max = config_.connections_per_address_max,
                                           .unsent_bytes_max = config_.unsent_bytes_max});
  struct Service {
    const char* name;
    uint16_t port;
    std::shared_ptr<net::TlsServerContext> tls;
    net::StreamAcceptor acceptor;
  };
  std::vector<Service> services = {
      {"mqtt", config_.mqtt_port, certificates_->for_devices(),
       [this](net::Stream& stream) { return mqtt_->accept(stream); }},
      {"amqp", config_.amqp_port, certificates_->for_devices(),
       [this](net::Stream& stream) { return amqp_->accept(stream); }},
      {"https", config_.https_port, certificates_->for_https(),
       [this](net::Stream& stream) { return http_->accept(stream); }},
      {"admin", config_.admin_port, nullptr,
       [this](net::Stream& stream) { return admin_->accept(stream); }},
  };
  if (config_.plain_amqp_port != 0) {
    services.push_back({"plain_amqp", config_.plain_amqp_port, nullptr,
                        [this](net::Stream& stream) { return amqp_->accept(stream); }});
  }
  for (const Service& service : services) {
    auto opened = listen(service.name, service.port, service.tls, service.acceptor);
    if (!opened) return std::unexpected(opened.error());
    listeners_.emplace_back(service.name, std::move(*opened));
  }
  for (const auto& [name, listener] : listeners_) listener->start();
  return {};
}

uint16_t Server::port_of(std::string_view name) const {
  const auto found =
      std::ranges::find_if(listeners_, [&](const auto& one) { return one.first == name; });
  return found == listeners_.end() ? uint16_t{0} : found->second->port();
}

// Where this machine's command line reaches the ports: a loopback address, unless none is listened
// on.
std::string Server::local_address() const {
  const auto& all = config_.addresses;
  for (const char* loopback : {"127.0.0.1", "::1"}) {
    if (std::ranges::find(all, loopback) != all.end()) return loopback;
  }
  const std::string& first = all.front();
  if (first == "0.0.0.0") return "127.0.0.1";
  return first == "::" ? "::1" : first;
}

Status Server::announce() {
  for (const Endpoint& endpoint : endpoints()) {
    log_.info("listening", {{"for", endpoint.name}, {"on", endpoint.at}});
  }
  wire::ControlFile control;
  control.host = hub_->options().host_names.front();
  control.mqtt_port = port_of("mqtt");
  control.amqp_port = port_of("amqp");
  control.https_port = port_of("https");
  control.admin_port = port_of("admin");
  control.token = control_token_;
  control.address = local_address();
  control.pid = ::getpid();
  if (Status written = data_.write_control_file(control); !written) return written;
  serving_ = true;
  const Duration took = system_clock_.now() - started_;
  log_.info("ready",
            {{"host", control.host},
             {"version", version_},
             {"start_ms", fmt::format("{:.1f}", static_cast<double>(took.count()) / 1000)}});
  return {};
}

std::vector<Server::Endpoint> Server::endpoints() const {
  std::vector<Endpoint> out;
  for (const auto& [name, listener] : listeners_) {
    for (const std::string& at : listener->bound()) out.push_back({name, at});
  }
  return out;
}

bool Server::is_ready() const { return serving_ && hub_->health(); }

std::string Server::health_json() const {
  Status health = hub_->health();
  if (health && !store_->has_room()) {
    health = fail(ErrorCode::kServiceUnavailable,
                  "the disk is nearly full: new messages are refused until there is room");
  }
  boost::json::object listeners;
  for (const auto& [name, listener] : listeners_) {
    const net::ListenerCounts counts = listener->counts();
    listeners[name] = {{"port", listener->port()},
                       {"accepted", counts.accepted},
                       {"handshakesFailed", counts.handshakes_failed},
                       {"refusedByAddress", counts.refused_by_address},
                       {"pauses", counts.pauses}};
  }
  const Duration up = system_clock_.now() - started_;
  boost::json::object out{
      {"status", is_ready() ? "ok" : "not ready"},
      {"version", version_},
      {"host", hub_->options().host_names.front()},
      {"clock", config_.clock},
      {"uptimeSeconds", std::chrono::duration_cast<std::chrono::seconds>(up).count()},
      {"connections", budget_->taken()},
      {"unsentBytes", budget_->unsent_bytes()},
      {"cutForUnsentBytes", budget_->cut_for_unsent()},
      {"store",
       {{"kind", config_.in_memory ? "memory" : "embedded"},
        {"partitions", store_->partition_count()},
        {"state", health ? std::string("ok") : health.error().message}}},
      {"listeners", std::move(listeners)}};
  return boost::json::serialize(out);
}

void Server::renew_certificates() {
  const Status done = certificates_->renew();
  if (done) {
    log_.info("certificates read again");
  } else {
    log_.error("the old certificates stay in use", {{"reason", done.error().message}});
  }
}

// The C library keeps what was freed between blocks that are still used: 400 MB after 19,000
// connections had gone (tests/soak), until it is told.
void Server::return_memory() {
  const size_t connections = budget_->taken();
  most_connections_ = std::max(most_connections_, connections);
  if (most_connections_ < kManyConnections || connections > most_connections_ / 2) return;
  most_connections_ = connections;
  ::malloc_trim(0);
}

Status Server::stop() {
  if (std::exchange(stopped_, true)) return {};
  serving_ = false;
  data_.remove_control_file();
  Status out;
  if (loops_) {
    for (const auto& [name, listener] : listeners_) listener->stop_accepting();
    const auto limit =
        std::chrono::duration_cast<std::chrono::milliseconds>(config_.shutdown_limit);
    if (!listeners_.empty() && !loops_->drain(limit)) {
      log_.warning("some connections did not end in time and were cut");
    }
    // The loops must still run for the answers of the store's last batches.
    if (hub_) {
      out = wait_for(*loops_, [&](Reply<Status> reply) { hub_->close(std::move(reply)); });
    }
    if (embedded_ != nullptr) out = embedded_->close();
    loops_->stop();
  }
  log_.info("stopped");
  return out;
}

}  // namespace linarite::server
