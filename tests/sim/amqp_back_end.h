// A back end: a real AMQP client that logs in, sends cloud-to-device messages and receives
// feedback.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "amqp/connection.h"
#include "sim/connection.h"
#include "sim/network_world.h"

namespace linarite::sim {

class NetworkWorld::AmqpBackEnd final : public Client {
 public:
  struct Login {
    std::string token;
    bool cbs;      // Over $cbs, else SASL PLAIN.
    bool hostile;  // Sends what nobody counts, and some of it damaged.
  };
  AmqpBackEnd(NetworkWorld& world, Connection& connection, Login login);

  void start() override {}
  void receive(ByteView bytes, Moment sent) override;
  void tick() override;
  void act() override;
  bool waits() const override {
    return (sender_ && !unanswered_.empty()) || (feedback_ && !accepting_.empty());
  }

 private:
  struct Batch {
    uint32_t delivery_id;
    std::vector<uint32_t> messages;
  };

  void handle(amqp::Events& events);
  void on(const amqp::SaslReceived& /*event*/) {}
  void on(const amqp::SaslChallenged& /*event*/) {}
  void on(const amqp::Opened& event);
  void on(const amqp::SessionBegun& event);
  void on(const amqp::SessionEnded& event);
  void judge_end(const std::shared_ptr<const amqp::Error>& error);
  void on(const amqp::LinkRequested& /*event*/) {}
  void on(const amqp::LinkAttached& event);
  void on(const amqp::LinkDetached& event);
  void on(const amqp::MessageReceived& event);
  void on(const amqp::DeliveryUpdated& event);
  void on(const amqp::DeliverySettled& event);
  void on(const amqp::CreditChanged& /*event*/) {}
  void on(const amqp::Drained& /*event*/) {}
  void on(const amqp::Closed& event);

  std::optional<amqp::LinkId> attach(amqp::Role role, const std::string& address);
  void logged_in();
  void put_token();
  void send();
  void send_hostile();
  void answered(uint32_t delivery_id, const amqp::DeliveryState& state);
  void check_passed_over(uint32_t delivery_id, uint32_t device) const;
  void take_feedback(const amqp::MessageReceived& event);
  void settle_feedback();
  void settle_batch(size_t which, bool accept);
  void flush();

  NetworkWorld& world_;
  Connection& connection_;
  const Login login_;
  std::optional<amqp::Connection> engine_;
  Moment sent_;  // When the hub sent what is being received.
  bool ready_ = false;
  bool token_put_ = false;
  amqp::SessionId session_{};
  std::optional<amqp::LinkId> cbs_requests_;
  std::optional<amqp::LinkId> cbs_replies_;
  std::optional<amqp::LinkId> sender_;
  std::optional<amqp::LinkId> feedback_;
  bool second_mode_ = false;  // The hub says when feedback is removed.
  uint32_t last_link_ = 0;
  uint32_t last_hostile_ = 0;
  std::map<uint32_t, uint32_t> unanswered_;  // Messages by delivery-id.
  std::vector<Batch> held_;
  std::map<uint32_t, Batch> accepting_;  // In the second mode, until the hub has answered.
};

}  // namespace linarite::sim
