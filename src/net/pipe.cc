#include "net/pipe.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "base/check.h"

namespace linarite::net {
namespace {

// What stands behind the last byte of a direction.
enum class Ending : uint8_t { kNone, kGoodbye, kReset };

constexpr size_t index(Pipe::Side side) { return side == Pipe::Side::kClient ? 0 : 1; }

// One way: from the end that sends to the other.
struct Direction {
  Bytes outgoing;  // Sent and not arrived. What is above Options::network_max is unsent.
  Bytes arrived;   // Not yet handed to the receiver.
  Ending ending = Ending::kNone;
  bool ending_arrived = false;
  bool above_high = false;     // on_writable() is owed to the sender.
  bool wants_room = false;     // The sender closes as soon as nothing is unsent.
  bool receiver_gone = false;  // Whatever arrives is thrown away.
  bool cut = false;            // A reset happened: nothing crosses any more.
  uint64_t sent = 0;
  uint64_t crossed = 0;
};

}  // namespace

// Both directions, and the ends that they join. The ends' handlers and states belong to their
// loops; everything else is guarded by the mutex, for the two loops may be two threads.
struct Pipe::Wire : std::enable_shared_from_this<Wire> {
  explicit Wire(const Options& how);
  ~Wire();

  size_t unsent(const Direction& direction) const {
    return direction.outgoing.size() - std::min(direction.outgoing.size(), options.network_max);
  }
  Direction& from(Side side) { return directions[index(side)]; }
  Direction& to(Side side) { return directions[index(other(side))]; }
  // With the mutex held.
  void carry(Side from, size_t most);
  void carry_at_once(Side from) {
    if (options.crossing == Crossing::kAtOnce) carry(from, SIZE_MAX);
  }

  const Options options;
  std::mutex mutex;
  std::array<Direction, 2> directions;  // By the sending side.
  std::array<std::unique_ptr<Stream>, 2> ends;
};

// One end. It works in tasks of its own, one at a time, so that no handler is called from inside
// one of its calls; a task that finds the pipe gone does nothing.
class Pipe::Stream final : public net::Stream {
 public:
  Stream(Wire& wire, Side side, End end)
      : wire_(wire),
        side_(side),
        loop_(&end.loop),
        peer_(std::move(end.peer)),
        opened_(std::move(end.opened)) {}

  void send(ByteView bytes) override;
  size_t unsent() const override;
  void pause_reading() override { paused_ = true; }
  void resume_reading() override;
  void close() override { close_with(CloseReason::kClosedHere); }
  void abort() override { end(CloseReason::kClosedHere); }
  void move_to(Loop& target, Task then) override;
  Loop& loop() const override { return *loop_; }
  const PeerInfo& peer() const override { return peer_; }

  // Has the end look at what there is to do. With the mutex held, and so the next one.
  void schedule_locked();
  bool over() const { return over_; }
  void drop();

 private:
  enum class State : uint8_t { kNew, kOpen, kClosing, kEnded, kOver };

  std::unique_lock<std::mutex> lock() const { return std::unique_lock(wire_.mutex); }
  // A task of this end, which keeps the pipe alive while it runs.
  template <class F>
  Task task(F f) {
    return [weak = wire_.weak_from_this(), f = std::move(f)] {
      if (const auto wire = weak.lock()) f();
    };
  }
  void schedule();
  void turn();
  void open();
  void read();
  void tell_writable();
  void try_close();
  void close_with(CloseReason reason);
  void end(CloseReason reason);
  void depart();
  void hand_over();
  void arrive();
  void set_deadline(Duration limit, uint64_t crossed);
  void clear_deadline() { loop_->cancel(std::exchange(deadline_, 0)); }
  void on_deadline(uint64_t crossed);

  Wire& wire_;  // Owns this end.
  const Side side_;
  Loop* loop_;  // Changed with the mutex held; another loop reads it only so.
  const PeerInfo peer_;
  StreamAcceptor opened_;
  std::unique_ptr<StreamHandler> handler_;

  State state_ = State::kNew;
  CloseReason reason_ = CloseReason::kReset;
  bool paused_ = false;
  TimerId deadline_ = 0;  // Of a stalled send or of the close.
  Loop* target_ = nullptr;
  Task then_;
  bool turn_due_ = false;  // Guarded by the mutex, and the next one.
  bool over_ = false;
};

Pipe::Wire::Wire(const Options& how) : options(how) {}
Pipe::Wire::~Wire() = default;

// The network.

void Pipe::Wire::carry(Side side, size_t most) {
  Direction& way = from(side);
  if (way.cut) return;
  Stream& receiver = *ends[index(other(side))];
  Stream& sender = *ends[index(side)];
  const size_t room = way.receiver_gone
                          ? most
                          : options.arrived_max - std::min(options.arrived_max, way.arrived.size());
  const size_t count = std::min({most, room, way.outgoing.size()});
  if (!way.receiver_gone) way.arrived.append(way.outgoing, 0, count);
  way.outgoing.erase(0, count);
  way.crossed += count;
  const bool ends_now = way.outgoing.empty() && way.ending != Ending::kNone && !way.ending_arrived;
  if (ends_now) way.ending_arrived = true;
  if (count > 0 || ends_now) receiver.schedule_locked();
  const size_t left = unsent(way);
  if (count > 0 &&
      ((way.above_high && left <= net::Stream::kUnsentLow) || (way.wants_room && left == 0))) {
    sender.schedule_locked();
  }
}

// Sending.

void Pipe::Stream::send(ByteView bytes) {
  if (state_ != State::kOpen || bytes.empty()) return;
  uint64_t crossed = 0;
  size_t left = 0;
  {
    const auto guard = lock();
    Direction& way = wire_.from(side_);
    way.sent += bytes.size();
    if (!way.cut) way.outgoing.append(bytes);
    wire_.carry_at_once(side_);
    left = wire_.unsent(way);
    if (left > kUnsentHigh) way.above_high = true;
    crossed = way.crossed;
  }
  if (left > 0 && deadline_ == 0) set_deadline(wire_.options.stall_limit, crossed);
}

size_t Pipe::Stream::unsent() const {
  const auto guard = lock();
  return wire_.unsent(wire_.from(side_));
}

void Pipe::Stream::tell_writable() {
  {
    const auto guard = lock();
    Direction& way = wire_.from(side_);
    if (!way.above_high || wire_.unsent(way) > kUnsentLow) return;
    way.above_high = false;
  }
  handler_->on_writable();
}

// Tasks.

void Pipe::Stream::schedule_locked() {
  if (over_ || std::exchange(turn_due_, true)) return;
  loop_->post(task([this] { turn(); }));
}

void Pipe::Stream::schedule() {
  const auto guard = lock();
  schedule_locked();
}

void Pipe::Stream::turn() {
  if (state_ == State::kOver) return;
  if (target_ != nullptr) return hand_over();
  {
    const auto guard = lock();
    turn_due_ = false;
  }
  if (state_ == State::kNew) open();
  if (state_ == State::kOpen && target_ == nullptr) tell_writable();
  if (target_ == nullptr) read();
  // A handler that moved the stream or closed it asked for another task.
  if (target_ != nullptr) return;
  if (state_ == State::kClosing) try_close();
  if (state_ == State::kEnded) depart();
}

void Pipe::Stream::open() {
  state_ = State::kOpen;
  handler_ = std::exchange(opened_, nullptr)(*this);
  if (!handler_) close();
}

void Pipe::Stream::read() {
  if (state_ != State::kOpen && state_ != State::kClosing) return;
  Bytes bytes;
  Ending ending = Ending::kNone;
  {
    const auto guard = lock();
    Direction& way = wire_.to(side_);
    if (way.ending_arrived) ending = way.ending;
    // While paused not even a goodbye is met; a reset is, and destroys what was not read.
    if (ending != Ending::kReset && state_ == State::kOpen && paused_) return;
    bytes.swap(way.arrived);
    if (!bytes.empty()) wire_.carry_at_once(other(side_));
    if (!way.arrived.empty()) ending = Ending::kNone;
  }
  if (ending == Ending::kReset) {
    return end(state_ == State::kClosing ? reason_ : CloseReason::kReset);
  }
  // What comes after a close() is thrown away.
  if (state_ == State::kOpen && !bytes.empty()) {
    handler_->on_bytes(bytes);
    if (target_ != nullptr || paused_) return;
  }
  if (ending == Ending::kGoodbye) close_with(CloseReason::kPeerClosed);
}

void Pipe::Stream::resume_reading() {
  if (std::exchange(paused_, false)) schedule();
}

// Closing.

void Pipe::Stream::close_with(CloseReason reason) {
  if (state_ != State::kOpen) return;
  state_ = State::kClosing;
  reason_ = reason;
  clear_deadline();
  {
    const auto guard = lock();
    Direction& way = wire_.from(side_);
    way.ending = Ending::kGoodbye;
    way.wants_room = true;
    wire_.carry_at_once(side_);
    schedule_locked();
  }
  set_deadline(wire_.options.close_limit, UINT64_MAX);
}

// The end has come when the network has taken everything and the peer has said goodbye, too.
void Pipe::Stream::try_close() {
  {
    const auto guard = lock();
    const Direction& back = wire_.to(side_);
    if (wire_.unsent(wire_.from(side_)) > 0) return;
    if (!back.ending_arrived || !back.arrived.empty()) return;
  }
  end(reason_);
}

void Pipe::Stream::end(CloseReason reason) {
  if (state_ == State::kEnded || state_ == State::kOver) return;
  state_ = State::kEnded;
  reason_ = reason;
  clear_deadline();
  const auto guard = lock();
  Direction& way = wire_.from(side_);
  Direction& back = wire_.to(side_);
  back.receiver_gone = true;
  back.arrived.clear();
  const bool orderly = way.ending == Ending::kGoodbye && wire_.unsent(way) == 0 &&
                       back.ending_arrived && back.ending == Ending::kGoodbye;
  if (!orderly && !way.ending_arrived) {
    way.outgoing.clear();
    way.ending = Ending::kReset;
    wire_.carry_at_once(side_);
  }
  schedule_locked();
}

void Pipe::Stream::depart() {
  state_ = State::kOver;
  const std::unique_ptr<StreamHandler> handler = std::move(handler_);
  if (handler) handler->on_closed(reason_);
  const auto guard = lock();
  over_ = true;
}

void Pipe::Stream::drop() {
  if (state_ == State::kOver) return;
  state_ = State::kOver;
  if (loop_->in_loop()) clear_deadline();
  opened_ = nullptr;
  then_ = nullptr;
  handler_.reset();
  const auto guard = lock();
  wire_.to(side_).receiver_gone = true;
  wire_.to(side_).arrived.clear();
  over_ = true;
}

void Pipe::Stream::set_deadline(Duration limit, uint64_t crossed) {
  deadline_ = loop_->run_after(limit, task([this, crossed] { on_deadline(crossed); }));
}

// `crossed` is how much had crossed when a stalled send began to wait.
void Pipe::Stream::on_deadline(uint64_t crossed) {
  if (state_ == State::kOver) return;
  deadline_ = 0;
  if (state_ == State::kClosing) return end(reason_);
  uint64_t now = 0;
  {
    const auto guard = lock();
    const Direction& way = wire_.from(side_);
    if (wire_.unsent(way) == 0) return;
    now = way.crossed;
  }
  if (now == crossed) return end(CloseReason::kReset);
  set_deadline(wire_.options.stall_limit, now);
}

// Moving.

void Pipe::Stream::move_to(Loop& target, Task then) {
  if (&target == loop_) return then();
  CHECK(loop_->in_loop() && target_ == nullptr);
  target_ = &target;
  then_ = std::move(then);
  clear_deadline();
  schedule();
}

// The task that is due stays due until it has arrived, so none runs on the old loop meanwhile.
void Pipe::Stream::hand_over() {
  Loop& target = *std::exchange(target_, nullptr);
  const auto guard = lock();
  loop_ = &target;
  target.post(task([this] { arrive(); }));
}

void Pipe::Stream::arrive() {
  if (state_ == State::kOver) return;
  uint64_t crossed = 0;
  {
    const auto guard = lock();
    turn_due_ = false;
    schedule_locked();
    crossed = wire_.from(side_).crossed;
  }
  if (state_ == State::kClosing) {
    set_deadline(wire_.options.close_limit, UINT64_MAX);
  } else if (unsent() > 0) {
    set_deadline(wire_.options.stall_limit, crossed);
  }
  std::exchange(then_, nullptr)();
}

// The pipe.

Pipe::Pipe(End client, End server, Options options) : wire_(std::make_shared<Wire>(options)) {
  CHECK(options.network_max > 0 && options.arrived_max > 0);
  wire_->ends[0] = std::make_unique<Stream>(*wire_, Side::kClient, std::move(client));
  wire_->ends[1] = std::make_unique<Stream>(*wire_, Side::kServer, std::move(server));
  const std::lock_guard guard(wire_->mutex);
  for (const auto& end : wire_->ends) end->schedule_locked();
}

Pipe::~Pipe() {
  for (const auto& end : wire_->ends) end->drop();
}

void Pipe::carry(Side from, size_t most) {
  const std::lock_guard guard(wire_->mutex);
  wire_->carry(from, most);
}

bool Pipe::waiting(Side from) const {
  const std::lock_guard guard(wire_->mutex);
  const Direction& way = wire_->from(from);
  if (way.cut) return false;
  return !way.outgoing.empty() || (way.ending != Ending::kNone && !way.ending_arrived);
}

size_t Pipe::waiting_bytes(Side from) const {
  const std::lock_guard guard(wire_->mutex);
  return wire_->from(from).outgoing.size();
}

uint64_t Pipe::sent(Side from) const {
  const std::lock_guard guard(wire_->mutex);
  return wire_->from(from).sent;
}

void Pipe::reset(Side at) {
  const std::lock_guard guard(wire_->mutex);
  for (Direction& way : wire_->directions) {
    way.cut = true;
    way.outgoing.clear();
  }
  Direction& way = wire_->to(at);
  way.arrived.clear();
  way.ending = Ending::kReset;
  way.ending_arrived = true;
  wire_->ends[index(at)]->schedule_locked();
}

void Pipe::drop(Side side) { wire_->ends[index(side)]->drop(); }

bool Pipe::over(Side side) const {
  const std::lock_guard guard(wire_->mutex);
  return wire_->ends[index(side)]->over();
}

}  // namespace linarite::net
