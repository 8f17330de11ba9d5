#include "sim/network_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "amqp/message.h"
#include "sim/amqp_reader.h"
#include "sim/mqtt_device.h"

namespace linarite::sim {
namespace {

using Weather = Connection::Weather;
using net::Pipe;

constexpr size_t kConnectionsMax = 30;
constexpr int kActsPerStep = 8;
constexpr uint64_t kMovesPerStep = 300;
constexpr uint64_t kMovesInVain = 8;  // After as many it is looked whether there is anything to do.
// Longer than any gateway waits for a peer that keeps silent: MQTT keep-alive and AMQP idle
// time-out with their grace, and the goodbye.
constexpr std::chrono::seconds kSilenceMax{330};
constexpr std::chrono::seconds kStep{10};
constexpr int kFramesOfEventMax = 8;  // Of a reader with small frames.

// Of 32 bits that were drawn, a number below `bound`.
constexpr uint64_t below(uint64_t bits, uint64_t bound) { return (bits * bound) >> 32U; }

}  // namespace

NetworkWorld::NetworkWorld(const WorldOptions& options)
    : World(options), sessions_(options.devices), big_bodies_(options.seed % 8 == 4) {
  // One device in four takes its messages with QoS 0.
  for (uint32_t i = 3; i < options.devices; i += 4) model_.device(i).lossy = true;
}

NetworkWorld::~NetworkWorld() {
  connections_.clear();
  loop_a_.stop();
  loop_b_.stop();
}

void NetworkWorld::hub_started() {
  mqtt_ = std::make_unique<gateway::MqttGateway>(
      gateway::MqttOptions{}, gateway::MqttGateway::Parts{*hub_, log_, *metrics_});
  amqp_ = std::make_unique<gateway::AmqpGateway>(
      gateway::AmqpOptions{}, gateway::AmqpGateway::Parts{*hub_, log_, *metrics_});
  http_ =
      std::make_unique<gateway::HttpGateway>(gateway::HttpGateway::Parts{*hub_, log_, *metrics_});
  expect(events_.read(*hub_, /*again=*/true));
  if (hostile_) return;
  hub_->create_device({.device_id = "hostile"},
                      {outside_, [this](const Result<hub::DeviceView>& made) {
                         if (made) {
                           hostile_ = *made;
                         } else if (made.error().code == ErrorCode::kDeviceAlreadyExists) {
                           find_hostile();  // An earlier start made it and was not answered.
                         } else if (!unknown(made.error().code)) {
                           fail("the hostile device was not made");
                         }
                       }});
}

void NetworkWorld::find_hostile() {
  hub_->get_device("hostile", {outside_, [this](const Result<hub::DeviceView>& found) {
                                 if (!found) return fail("the hostile device is not there");
                                 hostile_ = *found;
                               }});
}

// What the hub had sent may still arrive, or some of it.
void NetworkWorld::hub_stopping() {
  for (const auto& connection : connections_) {
    if (chance(2)) connection->carry(Pipe::Side::kServer, some_bytes());
    connection->crash();
  }
  http_.reset();
  amqp_.reset();
  mqtt_.reset();
}

Connection& NetworkWorld::connect(Loop& inside, net::StreamAcceptor gateway) {
  connections_.push_back(
      std::make_unique<Connection>(Connection::Setup{.number = new_connection(),
                                                     .life = life_,
                                                     .outside = outside_,
                                                     .inside = inside,
                                                     .gateway = std::move(gateway)}));
  return *connections_.back();
}

Connection* NetworkWorld::any_connection() {
  if (connections_.empty()) return nullptr;
  return connections_[random_.below(connections_.size())].get();
}

void NetworkWorld::act() {
  const uint64_t what = random_.below(100);
  const bool room = connections_.size() < kConnectionsMax;
  if (what < 14) {
    if (room) open_device();
  } else if (what < 21) {
    if (room && (back_ends() < 2 || chance(8))) open_back_end();
  } else if (what < 22) {
    if (room) open_hostile();
  } else if (what < 23) {
    purge();
  } else if (what < 26) {
    write_device();
  } else if (what < 29) {
    network_step();
  } else if (what < 31) {
    if (room) open_reader();
  } else if (what < 32 && chance(5)) {
    clock_.advance(std::chrono::minutes(random_.below(900)));  // What is a day old goes.
  }
  for (int i = 0; i < kActsPerStep; ++i) {
    Connection* const connection = any_connection();
    if (connection != nullptr && !connection->client_over()) connection->client().act();
    note_sent();
  }
}

// Something happens to a connection.
void NetworkWorld::network_step() {
  Connection* const connection = any_connection();
  if (connection == nullptr) return;
  const uint64_t what = random_.below(6);
  trace("network", connection->number(), what);
  if (connection->weather == Weather::kBroken) return connection->reset();
  if (connection->weather == Weather::kLost) return;
  switch (what) {
    case 0:
      return connection->reset();
    case 1:
      return connection->lose();
    case 2:
      connection->weather = Weather::kStalled;
      return;
    case 3:
      return connection->pause_reading(true);
    case 4:
      return connection->abort();
    default:
      connection->weather = Weather::kFair;
      return connection->pause_reading(false);
  }
}

// Mostly all that is there, sometimes a few bytes.
size_t NetworkWorld::some_bytes() { return chance(3) ? 1 + random_.below(40) : SIZE_MAX; }

// Runs and carries a little, in the order that the seed says, or until nothing is left to do.
void NetworkWorld::run_some() {
  tick_clients();
  uint64_t in_vain = 0;
  for (uint64_t i = random_.below(kMovesPerStep); i > 0; --i) {
    in_vain = move() ? 0 : in_vain + 1;
    if (in_vain == kMovesInVain && is_quiet()) break;
  }
  remove_dead();
}

// One draw says which loop or which end of which connection it is: its upper half what, its lower
// half whose.
bool NetworkWorld::move() {
  const uint64_t draw = random_.draw();
  const uint64_t what = below(draw >> 32U, 6);
  if (what < 3) return run_loop(what == 0 ? loop_a_ : what == 1 ? loop_b_ : outside_);
  if (connections_.empty()) return false;
  Connection& connection = *connections_[below(draw & UINT32_MAX, connections_.size())];
  const Pipe::Side side = what < 5 ? Pipe::Side::kClient : Pipe::Side::kServer;
  if (!connection.waiting(side)) return false;
  connection.carry(side, some_bytes());
  return true;
}

// No move would do anything.
bool NetworkWorld::is_quiet() const {
  const auto has_work = [](const ManualLoop* loop) { return loop->has_work(); };
  return std::ranges::none_of(std::array{&loop_a_, &loop_b_, &outside_}, has_work) &&
         std::ranges::none_of(connections_, [](const auto& connection) {
           return connection->waiting(Pipe::Side::kClient) ||
                  connection->waiting(Pipe::Side::kServer);
         });
}

bool NetworkWorld::run_loop(ManualLoop& loop) {
  const bool ran = run_hub(loop);
  if (ran && &loop != &outside_) note_sent();
  return ran;
}

void NetworkWorld::note_sent() {
  for (const auto& connection : connections_) connection->note_sent(now());
}

void NetworkWorld::tick_clients() {
  for (const auto& connection : connections_) {
    if (!connection->client_over()) connection->client().tick();
  }
}

// Back ends that are or will be there.
size_t NetworkWorld::back_ends() const {
  return static_cast<size_t>(std::ranges::count_if(connections_, [this](const auto& connection) {
    return !connection->client_over() && connection->weather == Weather::kFair &&
           std::ranges::find(devices_, connection.get(),
                             &std::pair<Connection*, MqttDevice*>::first) == devices_.end() &&
           std::ranges::find(readers_, connection.get(),
                             &std::pair<Connection*, AmqpReader*>::first) == readers_.end();
  }));
}

void NetworkWorld::remove_dead() {
  std::erase_if(devices_, [](const auto& one) { return one.first->hub_over(); });
  std::erase_if(readers_, [](const auto& one) { return one.first->over(); });
  std::erase_if(connections_, [](const auto& connection) { return connection->over(); });
}

void NetworkWorld::settle() {
  for (bool moved = true; moved;) {
    moved = false;
    tick_clients();
    for (ManualLoop* loop : {&loop_a_, &loop_b_, &outside_}) {
      while (run_loop(*loop)) moved = true;
    }
    for (const auto& connection : connections_) moved |= connection->carry_all();
  }
  remove_dead();
}

// The first connection whose client is silently gone and that the hub still believes in.
std::optional<uint32_t> NetworkWorld::silent_connection() const {
  for (const auto& connection : connections_) {
    if (connection->weather == Weather::kLost && !connection->hub_over()) {
      return static_cast<uint32_t>(connection->number());
    }
  }
  return std::nullopt;
}

// The first connection that stands and whose client still waits for an answer.
std::optional<uint32_t> NetworkWorld::unanswered_connection() const {
  for (const auto& connection : connections_) {
    if (connection->weather == Weather::kFair && !connection->client_over() &&
        !connection->hub_over() && connection->client().waits()) {
      return static_cast<uint32_t>(connection->number());
    }
  }
  return std::nullopt;
}

void NetworkWorld::end_all() {
  for (const auto& connection : connections_) {
    if (!connection->over()) connection->reset();
  }
  settle();
}

// At the end: whoever goes on from a checkpoint comes to the end of the log, and of readers with
// epochs the highest one is left.
void NetworkWorld::drain_readers() {
  for (uint32_t i = 0; i < hub_->partition_count() && result_.violation.empty(); ++i) {
    read_to_end(i);
    std::vector<ConnectionNumber> readers;
    for (const int64_t epoch : {1, 2, 1}) {
      readers.push_back(start_reader(i, /*from_start=*/false, epoch, /*idle=*/false));
      settle();
    }
    if (reading(readers[0]) || !reading(readers[1]) || reading(readers[2])) {
      fail(fmt::format("the wrong receiver has partition {}", i));
    }
    end_all();
  }
}

void NetworkWorld::read_to_end(uint32_t partition) {
  const auto number = start_reader(partition, chance(2), std::nullopt, /*idle=*/false);
  settle();
  AmqpReader* reader = reading(number);
  if (reader == nullptr) return fail(fmt::format("nobody may read partition {}", partition));
  const auto behind = [&] {
    return std::max(reader->next(), events_.first(partition)) < events_.end(partition);
  };
  for (int in_vain = 0; behind() && in_vain < kFramesOfEventMax;) {
    const uint64_t before = reader->next();
    reader->take_more();
    settle();
    reader = reading(number);
    if (reader == nullptr) return fail(fmt::format("a reader of partition {} lost it", partition));
    in_vain = before == reader->next() ? in_vain + 1 : 0;
  }
  reader->take_more();
  settle();
  // It waits there, and one more event comes.
  hub::NewEvent event;
  amqp::write_data(std::to_string(events_.sent(new_connection())), event.sections);
  hub_->partition(partition).events().append(std::move(event), [](const Status&) {});
  settle();
  reader = reading(number);
  if (reader == nullptr || behind()) {
    fail(fmt::format("a reader of partition {} does not come to its end", partition));
  }
}

NetworkWorld::AmqpReader* NetworkWorld::reading(ConnectionNumber number) const {
  for (const auto& [connection, reader] : readers_) {
    if (connection->number() == number) return reader->reading() ? reader : nullptr;
  }
  return nullptr;
}

std::set<uint32_t> NetworkWorld::drain() {
  for (const auto& connection : connections_) {
    if (connection->weather == Weather::kBroken) connection->reset();
    if (connection->weather == Weather::kStalled) connection->weather = Weather::kFair;
    connection->pause_reading(false);
    // The hub must find out by itself.
    if (chance(3) && !connection->over()) connection->lose();
  }
  settle();
  if (const auto waits = unanswered_connection()) {
    fail(fmt::format("a client waits for an answer on connection {}", *waits));
  }
  for (auto passed = std::chrono::seconds(0); passed < kSilenceMax; passed += kStep) {
    clock_.advance(kStep);
    settle();
  }
  if (const auto silent = silent_connection()) {
    fail(fmt::format("connection {} is silent and never ended", *silent));
  }
  end_all();
  std::set<uint32_t> drained;
  for (uint32_t i = 0; i < options_.devices && result_.violation.empty(); ++i) {
    if (model_.device(i).presence != Presence::kYes) continue;
    connect_device(i, chance(2));
    settle();
    if (devices_.empty()) {
      fail(fmt::format("device {} could not connect at the end", i));
      break;
    }
    MqttDevice& device = *devices_.back().second;
    if (!device.subscribed()) fail(fmt::format("device {} could not subscribe at the end", i));
    for (auto more = device.acknowledge_all(); !more.empty(); more = device.acknowledge_all()) {
      drained.insert(more.begin(), more.end());
      settle();
    }
    end_all();
  }
  expect(events_.finished());
  drain_readers();
  result_.events = events_.read_count();
  result_.trimmed = events_.trimmed_count();
  return drained;
}

}  // namespace linarite::sim
