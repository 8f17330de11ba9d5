// One connection of a client with a gateway, over the simulated network: what crosses and when is
// the seed's business. It remembers when the hub sent which bytes, so that a client that reads them
// late can still be judged by that time.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "net/pipe.h"
#include "sim/model.h"

namespace linarite::sim {

class Connection;

// Somebody outside of the hub, for the life of one connection.
class Client {
 public:
  virtual ~Client() = default;
  // The connection is there.
  virtual void start() = 0;
  // All of them were sent by the hub at `sent`.
  virtual void receive(ByteView bytes, Moment sent) = 0;
  // Looks at its deadlines.
  virtual void tick() = 0;
  // Does something of its own accord.
  virtual void act() = 0;
  // Whether the hub has not yet answered what it must answer while the connection stands.
  virtual bool waits() const { return false; }
  // The connection is gone, or given up: nothing is sent or received any more.
  virtual void closed() {}
};

class Connection {
 public:
  enum class Weather : uint8_t {
    kFair,
    kStalled,  // Nothing comes from the hub.
    kLost,     // Nothing crosses any more and nobody is told.
    kBroken,   // The hub's process is gone: what it sent may come, then a reset.
  };
  struct Setup {
    ConnectionNumber number;
    uint64_t life;  // The run of the hub.
    Loop& outside;
    Loop& inside;
    net::StreamAcceptor gateway;
  };

  explicit Connection(Setup setup);

  // Once, before any task runs.
  void set_client(std::unique_ptr<Client> client) { client_ = std::move(client); }
  Client& client() { return *client_; }
  ConnectionNumber number() const { return number_; }
  uint64_t life() const { return life_; }

  // For the client. Before the connection is there, what is sent waits.
  void send(ByteView bytes);
  void close();
  void abort();
  void pause_reading(bool pause);
  // One byte of what the client sends, the `at`th, arrives changed.
  void damage(uint64_t at, char change) { damage_ = {at, change}; }

  // For the network.
  void note_sent(Moment now);  // After each thing that the hub did.
  void carry(net::Pipe::Side from, size_t most);
  // Whether something, be it only a goodbye, waits to be carried, and may be.
  bool waiting(net::Pipe::Side from) const { return crosses(from) && pipe_.waiting(from); }
  // All that can cross; false if there was nothing.
  bool carry_all();
  // Ends the client's side; the hub is told nothing.
  void lose();
  void reset();
  void crash();  // The hub's process ends.
  Weather weather = Weather::kFair;

  bool client_over() const { return client_over_; }
  bool hub_over() const { return pipe_.over(net::Pipe::Side::kServer); }
  bool over() const { return client_over_ && hub_over(); }

 private:
  class Handler;
  struct Mark {
    uint64_t end;  // Bytes that the hub had sent then.
    Moment when;
  };
  bool crosses(net::Pipe::Side from) const {
    return weather != Weather::kLost &&
           (weather != Weather::kStalled || from != net::Pipe::Side::kServer);
  }
  void received(ByteView bytes);
  void ended();

  const ConnectionNumber number_;
  const uint64_t life_;
  std::unique_ptr<Client> client_;
  net::Stream* stream_ = nullptr;
  Bytes early_;
  bool close_early_ = false;
  bool client_over_ = false;
  uint64_t sent_ = 0;      // By the client.
  uint64_t received_ = 0;  // By the client.
  std::optional<std::pair<uint64_t, char>> damage_;
  std::deque<Mark> marks_;
  net::Pipe pipe_;
};

}  // namespace linarite::sim
