#include "net/socket_stream.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace linarite::net {

SocketStream& SocketStream::start(AsioLoop& loop, Setup setup) {
  CHECK(loop.in_loop());
  std::unique_ptr<SocketStream> made(new SocketStream(loop, std::move(setup)));
  SocketStream& stream = *made;
  stream.set_deadline(stream.limits_.handshake);
  stream.attach_socket();
  if (stream.state_ == State::kHandshaking && stream.transport_.waits_for_client_hello()) {
    stream.wait_readable();
  } else {
    loop.at_end_of_turn(stream);
  }
  loop.adopt(std::move(made));
  return stream;
}

SocketStream::SocketStream(AsioLoop& loop, Setup setup)
    : loop_(&loop),
      socket_(std::move(setup.socket)),
      transport_(socket_.get(), std::move(setup.tls)),
      peer_(std::move(setup.peer)),
      limits_(setup.limits),
      opened_(std::move(setup.opened)),
      failed_(std::move(setup.failed)),
      keeps_(std::move(setup.keeps)),
      budget_(std::move(setup.budget)) {}

void SocketStream::attach_socket() {
  if (!loop_->sockets().watch(socket_.get(), *this)) end(CloseReason::kReset);
}

// Handshake.

void SocketStream::shake_hands() {
  if (transport_.tls() && !loop_->take_handshake_share()) {
    schedule();
    return;
  }
  transport_.grant(kReadPerTurn);
  bool advanced = false;
  switch (transport_.handshake(advanced)) {
    case Io::kDone:
      open();
      return;
    case Io::kWantRead:
      // Peers that say one byte after the other must not keep others from their handshakes.
      if (transport_.tls() && !advanced) loop_->return_handshake_share();
      wait_readable();
      return;
    case Io::kWantWrite:
      write_wait_ = true;
      return;
    case Io::kWantTurn:
      schedule();
      return;
    case Io::kEnd:
    case Io::kFailed:
      end(CloseReason::kReset);
      return;
  }
}

void SocketStream::open() {
  clear_deadline();
  state_ = State::kOpen;
  peer_.tls = transport_.tls();
  peer_.tls_version = transport_.tls_version();
  peer_.client_certificate = transport_.peer_certificate();
  transport_.detach();
  failed_ = nullptr;
  auto opened = std::exchange(opened_, nullptr);
  handler_ = opened(*this);
  if (!handler_) close();
  read_due_ = true;
  schedule();
}

// Reading.

void SocketStream::on_readable() {
  if (state_ == State::kEnded || state_ == State::kHandshaking || target_ != nullptr) {
    schedule();  // Handshakes take turns: those that waited longer come first.
  } else {
    read();
    // A TLS write may have been waiting for what was just read.
    if (unsent() > 0) schedule();
  }
}

Io SocketStream::fill(std::span<char> buffer, size_t& filled) {
  transport_.grant(kReadPerTurn);
  for (size_t records = 0; records < kRecordsPerTurn && filled < buffer.size(); ++records) {
    size_t count = 0;
    bool drained = false;
    const Io io = transport_.read(buffer.data() + filled, buffer.size() - filled, count, drained);
    if (io != Io::kDone) return io;
    filled += count;
    if (drained) return Io::kWantRead;
  }
  return Io::kWantTurn;
}

void SocketStream::read() {
  read_due_ = false;
  if (state_ == State::kClosing) return;
  if (state_ == State::kOpen && paused_) {
    read_due_ = true;
    return;
  }
  const std::span<char> buffer = loop_->read_buffer();
  size_t filled = 0;
  Io io = fill(buffer, filled);
  if (state_ == State::kLingering) {
    lingered_ += filled;
    if (lingered_ > kLingerBytesMax) io = Io::kEnd;
  } else if (filled > 0) {
    handler_->on_bytes(ByteView(buffer.data(), filled));
  }
  after_read(io);
}

void SocketStream::after_read(Io io) {
  if (state_ == State::kEnded || state_ == State::kClosing) return;
  switch (io) {
    case Io::kDone:
    case Io::kWantTurn:
      read_due_ = true;
      schedule();
      return;
    case Io::kWantRead:
      // A pause ends with the conversation: only the peer's goodbye is still waited for.
      read_due_ = (paused_ && state_ == State::kOpen) || target_ != nullptr;
      if (!read_due_) wait_readable();
      return;
    case Io::kWantWrite:
      read_due_ = true;
      write_wait_ = true;
      return;
    case Io::kEnd:
    case Io::kFailed:
      break;
  }
  if (state_ == State::kLingering) {
    end(reason_);
  } else if (io == Io::kFailed) {
    end(CloseReason::kReset);
  } else {
    // The peer may still read what is on its way to it.
    peer_ended_ = true;
    close_with(CloseReason::kPeerClosed);
  }
}

void SocketStream::resume_reading() {
  if (!std::exchange(paused_, false) || read_wait_) return;
  read_due_ = true;
  schedule();
}

// Writing.

void SocketStream::send(ByteView bytes) {
  if (state_ != State::kOpen || bytes.empty()) return;
  if (unsent() + bytes.size() > kUnsentMax) {
    end(CloseReason::kReset);
    return;
  }
  outgoing_.append(bytes);
  if (unsent() > kUnsentHigh) above_high_ = true;
  schedule();
}

// Returns kDone with nothing left, or why something is.
Io SocketStream::write_unsent() {
  size_t written = 0;
  while (unsent() > 0) {
    if (written >= kWritePerTurn) return Io::kWantTurn;
    size_t count = 0;
    const Io io = transport_.write(ByteView(outgoing_).substr(sent_), count);
    if (io != Io::kDone) return io;
    if (state_ == State::kOpen) clear_deadline();
    sent_ += count;
    written += count;
  }
  return Io::kDone;
}

// After a write: what is left is what the peer did not take.
void SocketStream::count_unsent() {
  if (!budget_ || unsent() == counted_) return;
  const bool within = budget_->hold_unsent(std::exchange(counted_, unsent()), unsent());
  if (!within) end(CloseReason::kReset);
}

void SocketStream::flush() {
  if (state_ != State::kOpen && state_ != State::kClosing) return;
  const Io io = write_unsent();
  if (io == Io::kFailed || io == Io::kEnd) {
    end(state_ == State::kClosing ? reason_ : CloseReason::kReset);
    return;
  }
  count_unsent();
  if (state_ == State::kEnded) return;
  if (io == Io::kDone) {
    if (outgoing_.capacity() > 0) Bytes().swap(outgoing_);
    sent_ = 0;
  } else if (sent_ > kUnsentLow && sent_ > outgoing_.size() / 2) {
    outgoing_.erase(0, sent_);
    sent_ = 0;
  }
  if (io == Io::kWantTurn) schedule();
  if (io == Io::kWantRead) wait_readable();
  if (io == Io::kWantWrite) {
    write_wait_ = true;
    if (deadline_ == 0) set_deadline(limits_.stall);
  }
  if (above_high_ && unsent() <= kUnsentLow && state_ == State::kOpen) {
    above_high_ = false;
    handler_->on_writable();
  }
  if (state_ == State::kClosing && unsent() == 0) say_goodbye();
}

// Closing.

void SocketStream::close_with(CloseReason reason) {
  if (state_ == State::kHandshaking) {
    end(reason);
  } else if (state_ == State::kOpen) {
    state_ = State::kClosing;
    reason_ = reason;
    set_deadline(limits_.close);
    schedule();
  }
}

void SocketStream::say_goodbye() {
  if (transport_.say_goodbye() == Io::kWantWrite) {
    write_wait_ = true;
    return;
  }
  if (peer_ended_) {
    end(reason_);
    return;
  }
  state_ = State::kLingering;
  read();
}

void SocketStream::end(CloseReason reason) {
  if (state_ == State::kEnded) return;
  state_ = State::kEnded;
  reason_ = reason;
  clear_deadline();
  socket_ = Descriptor();
  Bytes().swap(outgoing_);
  sent_ = 0;
  count_unsent();
  schedule();
}

void SocketStream::depart() {
  const std::unique_ptr<LoopResident> self = loop_->release(*this);
  if (failed_)
    failed_(transport_.failure().empty() ? "closed in the handshake" : transport_.failure());
  if (const std::unique_ptr<StreamHandler> handler = std::move(handler_)) {
    handler->on_closed(reason_);
  }
}

void SocketStream::set_deadline(Duration limit) {
  clear_deadline();
  deadline_ = loop_->run_after(limit, [this] { on_deadline(); });
}

void SocketStream::clear_deadline() {
  if (deadline_ == 0) return;
  loop_->cancel(deadline_);
  deadline_ = 0;
}

void SocketStream::on_deadline() {
  deadline_ = 0;
  const bool closing = state_ == State::kClosing || state_ == State::kLingering;
  end(closing ? reason_ : CloseReason::kReset);
}

// Moving.

void SocketStream::move_to(Loop& target, Task then) {
  if (&target == loop_) {
    then();
    return;
  }
  CHECK(loop_->in_loop() && target_ == nullptr);
  target_ = dynamic_cast<AsioLoop*>(&target);
  CHECK(target_ != nullptr);
  then_ = std::move(then);
  schedule();
}

void SocketStream::hand_over() {
  clear_deadline();
  if (socket_.valid()) loop_->sockets().unwatch(socket_.get());
  transport_.leave_thread();
  AsioLoop& target = *target_;
  std::unique_ptr<LoopResident> self = loop_->release(*this);
  target.post(
      [this, self = std::move(self), &target]() mutable { arrive(std::move(self), target); });
}

void SocketStream::arrive(std::unique_ptr<LoopResident> self, AsioLoop& target) {
  loop_ = &target;
  target_ = nullptr;
  loop_->adopt(std::move(self));
  read_wait_ = write_wait_ = more_came_ = false;
  if (socket_.valid()) attach_socket();
  if (state_ == State::kClosing || state_ == State::kLingering) set_deadline(limits_.close);
  // OpenSSL may hold bytes that the socket will never announce.
  read_due_ = true;
  schedule();
  std::exchange(then_, nullptr)();
}

// The end of the turn, and waiting.

void SocketStream::on_turn_end() {
  // In this order: a stream that moves and has ended tells its handler on the new loop.
  if (target_ != nullptr) return hand_over();
  if (state_ == State::kEnded) return depart();
  if (state_ == State::kHandshaking) {
    if (!read_wait_ && !write_wait_) shake_hands();
    return;
  }
  flush();
  if (read_due_ && state_ != State::kEnded && target_ == nullptr) read();
}

void SocketStream::wait_readable() {
  // OpenSSL may have held what was read, over several turns, while more came; of an end or an error
  // nobody tells twice.
  if (std::exchange(more_came_, false) || socket_ended_) {
    read_due_ = true;
    schedule();
  } else {
    read_wait_ = true;
  }
}

void SocketStream::on_ready(Readiness readiness) {
  socket_ended_ |= readiness.ended;
  if (readiness.writable && std::exchange(write_wait_, false)) schedule();
  if (!readiness.readable) return;
  if (std::exchange(read_wait_, false)) {
    on_readable();
  } else {
    more_came_ = true;
  }
}

}  // namespace linarite::net
