// A back end that sends over REST and looks identities up.
#pragma once

#include <optional>
#include <string>

#include "http/client_connection.h"
#include "sim/connection.h"
#include "sim/network_world.h"

namespace linarite::sim {

class NetworkWorld::RestBackEnd final : public Client {
 public:
  RestBackEnd(NetworkWorld& world, Connection& connection, std::string token, WallTime token_end)
      : world_(world), connection_(connection), token_(std::move(token)), token_end_(token_end) {}

  void start() override {}
  void receive(ByteView bytes, Moment sent) override;
  void tick() override;
  void act() override;
  bool waits() const override { return message_ || read_; }

 private:
  // What was asked and is not answered.
  struct Read {
    uint32_t device;
    ModelDevice before;
  };
  http::Request request(const std::string& method, const std::string& target) const;
  void send_message();
  void read_device();
  void ask(const http::Request& request);
  void handle(const http::ClientEvents& events, Moment sent);
  void sent_answered(const http::Response& response, Moment sent);
  void read_answered(const http::Response& response);

  NetworkWorld& world_;
  Connection& connection_;
  const std::string token_;
  const WallTime token_end_;
  http::ClientConnection engine_;
  std::optional<uint32_t> message_;
  std::optional<Read> read_;
};

}  // namespace linarite::sim
