// The gateways under simulation: devices are MQTT clients and back ends AMQP and REST clients, each
// over a network that delays, cuts, stalls and loses as the seed says. What they see on the wire is
// held against the model.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gateway/amqp_gateway.h"
#include "gateway/http_gateway.h"
#include "gateway/mqtt_gateway.h"
#include "sim/connection.h"
#include "sim/event_oracle.h"
#include "sim/world.h"

namespace linarite::sim {

class NetworkWorld final : public World {
 public:
  explicit NetworkWorld(const WorldOptions& options);
  ~NetworkWorld() override;

 private:
  class MqttDevice;
  class AmqpBackEnd;
  class AmqpReader;
  class RestBackEnd;

  // A device's persistent session, as far as answers tell.
  struct SessionRecord {
    Presence presence = Presence::kNo;
    uint64_t said_at = 0;      // Step of the answer that told.
    uint64_t changes = 0;      // Rises with whatever may change it.
    std::string generation{};  // Of the device that it belongs to.
  };
  struct NewMessage {
    uint32_t index;
    uint32_t device;
    wire::Ack ack;
    WallTime expiry;
  };

  void hub_started() override;
  void hub_stopping() override;
  void hub_ran() override { expect(events_.read(*hub_, /*again=*/false)); }
  void act() override;
  void run_some() override;
  void settle() override;
  std::set<uint32_t> drain() override;

  // network_world.cc: connections and the network.
  Connection& connect(Loop& inside, net::StreamAcceptor gateway);
  Connection* any_connection();
  size_t back_ends() const;
  void network_step();
  void find_hostile();
  bool move();  // False if there was nothing to do.
  bool is_quiet() const;
  size_t some_bytes();
  void note_sent();
  bool run_loop(ManualLoop& loop);
  void tick_clients();
  void remove_dead();
  void end_all();
  std::optional<uint32_t> silent_connection() const;
  std::optional<uint32_t> unanswered_connection() const;
  void drain_readers();
  void read_to_end(uint32_t partition);
  // The reader of this connection; null if it may not read, or no more.
  AmqpReader* reading(ConnectionNumber number) const;

  // network_clients.cc: who connects, and what they share.
  void open_device();
  void open_back_end();
  void open_reader();
  ConnectionNumber start_reader(uint32_t partition, bool from_start, std::optional<int64_t> epoch,
                                bool idle);
  void open_hostile();
  Connection& connect_device(uint32_t device, bool clean);
  std::string policy_token(const std::string& policy, Duration life);
  NewMessage new_message(ConnectionNumber source);
  // `refusal` is empty for an accepted message.
  void send_answered(uint32_t message, std::optional<ErrorCode> refusal, Moment sent);
  // What the body of a message must be.
  std::string body_of(uint32_t message) const;
  static bool is_hostile(std::string_view text);
  void session_open(uint32_t device);
  void session_is(uint32_t device, Presence presence, Moment sent, ConnectionNumber told);

  ManualLoop outside_{clock_};
  std::unique_ptr<gateway::MqttGateway> mqtt_;
  std::unique_ptr<gateway::AmqpGateway> amqp_;
  std::unique_ptr<gateway::HttpGateway> http_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<SessionRecord> sessions_;
  EventOracle events_;
  std::map<uint32_t, uint64_t> checkpoints_;  // The last sequence number that a reader noted.
  // Connections of devices, for as long as the hub may act upon them.
  std::vector<std::pair<Connection*, MqttDevice*>> devices_;
  std::vector<std::pair<Connection*, AmqpReader*>> readers_;
  std::optional<hub::DeviceView> hostile_;
  const bool big_bodies_;
};

}  // namespace linarite::sim
