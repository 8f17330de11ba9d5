#include "sim/connection.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace linarite::sim {
namespace {

// Small, so that the hub feels a reader that does not read.
constexpr size_t kNetworkMax = 2000;
constexpr size_t kArrivedMax = 2000;

net::PeerInfo peer() { return {.address = "127.0.0.1", .port = 1, .tls = true}; }

}  // namespace

using net::Pipe;

class Connection::Handler final : public net::StreamHandler {
 public:
  Handler(Connection& to, net::Stream& stream) : to_(to) { to_.stream_ = &stream; }
  void on_bytes(ByteView bytes) override { to_.received(bytes); }
  void on_closed(net::CloseReason /*reason*/) override { to_.ended(); }

 private:
  Connection& to_;
};

Connection::Connection(Setup setup)
    : number_(setup.number),
      life_(setup.life),
      pipe_({setup.outside, peer(),
             [this](net::Stream& stream) {
               auto handler = std::make_unique<Handler>(*this, stream);
               client_->start();
               stream.send(std::exchange(early_, {}));
               if (close_early_) stream.close();
               return handler;
             }},
            {setup.inside, peer(), std::move(setup.gateway)},
            {.crossing = Pipe::Crossing::kWhenTold,
             .network_max = kNetworkMax,
             .arrived_max = kArrivedMax}) {}

void Connection::send(ByteView bytes) {
  if (client_over_ || bytes.empty()) return;
  Bytes out(bytes);
  if (damage_ && damage_->first >= sent_ && damage_->first - sent_ < out.size()) {
    char& byte = out[damage_->first - sent_];
    byte = static_cast<char>(byte ^ damage_->second);
  }
  sent_ += out.size();
  if (stream_ == nullptr) {
    early_ += out;
  } else {
    stream_->send(out);
  }
}

void Connection::close() {
  if (client_over_) return;
  close_early_ = true;
  if (stream_ != nullptr) stream_->close();
}

void Connection::abort() {
  if (client_over_) return;
  if (stream_ != nullptr) stream_->abort();
}

void Connection::pause_reading(bool pause) {
  if (client_over_ || stream_ == nullptr) return;
  if (pause) {
    stream_->pause_reading();
  } else {
    stream_->resume_reading();
  }
}

void Connection::note_sent(Moment now) {
  const uint64_t sent = pipe_.sent(Pipe::Side::kServer);
  if (sent > (marks_.empty() ? received_ : marks_.back().end)) marks_.push_back({sent, now});
}

// In pieces of which each was sent at one time.
void Connection::received(ByteView bytes) {
  while (!bytes.empty()) {
    CHECK(!marks_.empty());
    const Mark& mark = marks_.front();
    const size_t count = std::min<size_t>(bytes.size(), mark.end - received_);
    const Moment when = mark.when;
    received_ += count;
    if (received_ == mark.end) marks_.pop_front();
    client_->receive(bytes.substr(0, count), when);
    bytes.remove_prefix(count);
  }
}

void Connection::ended() {
  stream_ = nullptr;
  if (std::exchange(client_over_, true)) return;
  client_->closed();
}

void Connection::carry(Pipe::Side from, size_t most) {
  if (crosses(from)) pipe_.carry(from, most);
}

bool Connection::carry_all() {
  if (weather == Weather::kLost) return false;
  bool moved = false;
  for (const auto side : {Pipe::Side::kClient, Pipe::Side::kServer}) {
    const bool waited = pipe_.waiting(side);
    const size_t bytes = pipe_.waiting_bytes(side);
    pipe_.carry(side, SIZE_MAX);
    moved |= pipe_.waiting_bytes(side) != bytes || (waited && !pipe_.waiting(side));
  }
  return moved;
}

void Connection::lose() {
  weather = Weather::kLost;
  pipe_.drop(Pipe::Side::kClient);
  ended();
}

void Connection::reset() {
  pipe_.reset(Pipe::Side::kClient);
  pipe_.reset(Pipe::Side::kServer);
}

void Connection::crash() {
  pipe_.drop(Pipe::Side::kServer);
  if (weather != Weather::kLost) weather = Weather::kBroken;
}

}  // namespace linarite::sim
