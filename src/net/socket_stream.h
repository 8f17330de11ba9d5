// The Stream over a TCP socket, with TLS or plain: one code path, Transport knows the difference.
//
// All work that a handler's call brings about is left for the end of the turn: nothing here calls
// the handler from inside one of its own calls, and no task that points to the stream is ever
// posted. So a stream may leave its loop at the end of any turn.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/asio_loop.h"
#include "net/connection_budget.h"
#include "net/descriptor.h"
#include "net/socket_events.h"
#include "net/stream.h"
#include "net/transport.h"

namespace linarite::net {

struct StreamLimits {
  Duration handshake = std::chrono::seconds(10);
  Duration close = std::chrono::seconds(5);   // From close() to the end, whatever the peer does.
  Duration stall = std::chrono::seconds(60);  // With bytes to send and none taken by the peer.
};

// Owned by its loop from start() on.
class SocketStream final : public Stream, public LoopResident, private SocketEvents::Watcher {
 public:
  // From the socket to the handler in one turn, so that no peer holds up the others.
  static constexpr size_t kReadPerTurn = AsioLoop::kReadBufferSize;
  static constexpr size_t kRecordsPerTurn = 128;
  static constexpr size_t kWritePerTurn = 256U << 10U;
  // A handler that ignores kUnsentHigh this far loses its connection.
  static constexpr size_t kUnsentMax = 64U << 20U;
  // Bytes thrown away between our goodbye and the peer's.
  static constexpr size_t kLingerBytesMax = 256U << 10U;

  struct Setup {
    Descriptor socket;                       // Connected and non-blocking.
    PeerInfo peer;                           // address and port; the rest is filled in.
    std::shared_ptr<const TlsEndpoint> tls;  // Null: plain TCP.
    StreamLimits limits;
    // Exactly one of the two is called, on the loop: with the handshake done, or with the reason
    // why it was not. A null handler closes the stream. Neither is called when the loop is stopped
    // before.
    std::move_only_function<std::unique_ptr<StreamHandler>(Stream&)> opened;
    std::move_only_function<void(const std::string& why)> failed;
    std::shared_ptr<void> keeps;  // Let go with the stream: its place in a budget, for example.
    std::shared_ptr<ConnectionBudget>
        budget;  // Counts unsent bytes, and may cut the stream. Or null.
  };

  // Loop thread only. The first call of `opened` or `failed` comes after the return.
  static SocketStream& start(AsioLoop& loop, Setup setup);

  void send(ByteView bytes) override;
  size_t unsent() const override { return outgoing_.size() - sent_; }
  void pause_reading() override { paused_ = true; }
  void resume_reading() override;
  void close() override { close_with(CloseReason::kClosedHere); }
  void abort() override { end(CloseReason::kClosedHere); }
  void move_to(Loop& target, Task then) override;
  Loop& loop() const override { return *loop_; }
  const PeerInfo& peer() const override { return peer_; }

  void on_turn_end() override;
  void shut_down() override { close_with(CloseReason::kShutdown); }

 private:
  enum class State {
    kHandshaking,
    kOpen,
    kClosing,    // Sends what is unsent, then says goodbye.
    kLingering,  // Waits for the peer's goodbye: closing at once could destroy what is under way.
    kEnded,      // The socket is closed; the handler will be told at the end of the turn.
  };

  SocketStream(AsioLoop& loop, Setup setup);

  void on_ready(Readiness readiness) override;
  void attach_socket();
  void shake_hands();
  void open();
  void read();
  Io fill(std::span<char> buffer, size_t& filled);
  void after_read(Io io);
  void flush();
  Io write_unsent();
  void count_unsent();
  void say_goodbye();
  void close_with(CloseReason reason);
  void end(CloseReason reason);
  void depart();
  void hand_over();
  void arrive(std::unique_ptr<LoopResident> self, AsioLoop& target);
  void on_deadline();
  void set_deadline(Duration limit);
  void clear_deadline();
  void wait_readable();
  void on_readable();
  void schedule() { loop_->at_end_of_turn(*this); }

  AsioLoop* loop_;
  Descriptor socket_;
  Transport transport_;
  std::unique_ptr<StreamHandler> handler_;
  PeerInfo peer_;
  const StreamLimits limits_;
  decltype(Setup::opened) opened_;
  decltype(Setup::failed) failed_;
  std::shared_ptr<void> keeps_;
  const std::shared_ptr<ConnectionBudget> budget_;

  Bytes outgoing_;  // Unsent from sent_ on. No capacity is kept while it is empty.
  size_t sent_ = 0;
  size_t counted_ = 0;  // Unsent bytes that the budget knows of.
  size_t lingered_ = 0;
  TimerId deadline_ = 0;        // Of the handshake, of a stalled write, or of the close.
  AsioLoop* target_ = nullptr;  // Set between move_to() and the arrival.
  Task then_;

  State state_ = State::kHandshaking;
  CloseReason reason_ = CloseReason::kReset;
  bool paused_ = false;
  bool read_due_ = false;  // Try to read without waiting for the socket.
  // What the socket did not have when it was asked last; it is told when it has.
  bool read_wait_ = false;
  bool write_wait_ = false;
  bool more_came_ = false;     // It told that while nobody waited.
  bool socket_ended_ = false;  // Readiness::ended.
  bool above_high_ = false;
  bool peer_ended_ = false;
};

}  // namespace linarite::net
