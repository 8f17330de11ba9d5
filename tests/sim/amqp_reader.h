// A back end that reads the events of one partition through the Event Hubs-compatible endpoint,
// from a checkpoint or the start, with or without an epoch. Some never read, and some stop to.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "amqp/connection.h"
#include "sim/connection.h"
#include "sim/network_world.h"

namespace linarite::sim {

class NetworkWorld::AmqpReader final : public Client {
 public:
  struct Start {
    uint32_t partition;
    hub::EventPosition position;  // At the start or behind an offset.
    uint64_t sequence;            // What that comes to.
    std::optional<int64_t> epoch{};
    bool idle = false;  // Gives credit and never reads.
  };
  AmqpReader(NetworkWorld& world, Connection& connection, const std::string& token, Start start);

  void start() override {}
  void receive(ByteView bytes, Moment sent) override;
  void tick() override;
  void act() override;

  // Grants credit for more.
  void take_more();
  // The hub let it read, and nothing has ended that.
  bool reading() const { return attached_ && !connection_.client_over(); }
  uint64_t next() const { return next_; }

 private:
  void handle(amqp::Events& events);
  template <class Event>
  void on(const Event& /*event*/) {}
  void on(const amqp::Opened& event);
  void on(const amqp::SessionBegun& event);
  void on(const amqp::SessionEnded& event) { judge_end(event.error); }
  void judge_end(const std::shared_ptr<const amqp::Error>& error);
  void on(const amqp::LinkAttached& event);
  void on(const amqp::LinkDetached& event);
  void on(const amqp::MessageReceived& event);
  void on(const amqp::Closed& event);
  void flush();

  NetworkWorld& world_;
  Connection& connection_;
  const Start start_;
  std::optional<amqp::Connection> engine_;
  amqp::SessionId session_{};
  std::optional<amqp::LinkId> link_;
  bool attached_ = false;
  uint64_t next_;
};

}  // namespace linarite::sim
