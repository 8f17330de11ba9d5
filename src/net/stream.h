// A byte stream between two peers, with TLS (if any) already removed. Gateways and clients see
// sockets only through it, so the same code runs over TLS, over plain TCP on loopback, and over the
// simulator's pipes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "base/loop.h"

namespace linarite::net {

struct PeerInfo {
  std::string address;  // Numeric address, for logs and budgets.
  uint16_t port = 0;
  bool tls = false;
  std::string tls_version;         // "TLSv1.3", empty without TLS.
  std::string client_certificate;  // DER of the leaf the peer presented, empty if none.
};

enum class CloseReason {
  kPeerClosed,  // End of stream.
  kReset,       // Transport or TLS error.
  kClosedHere,  // close() or abort() was called.
  kShutdown,    // The server drains.
};

// What a stream tells its owner. All calls come on the stream's loop, never from inside a call that
// the handler itself makes on the stream.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // Bytes from the peer. The view ends with the call. Everything must be taken.
  virtual void on_bytes(ByteView bytes) = 0;
  // The amount of unsent bytes fell to or below kUnsentLow after having been above kUnsentHigh.
  virtual void on_writable() {}
  // The last call; the handler is destroyed after it. The stream must no longer be used.
  virtual void on_closed(CloseReason reason) = 0;
};

// An interface because net (TLS and plain sockets), the simulator and the in-process hub implement
// it. Loop thread only. The stream is owned by whoever made it and lives until on_closed() has
// returned.
class Stream {
 public:
  static constexpr size_t kUnsentHigh = 256U
                                        << 10U;  // Above it, stop producing: on_writable will come.
  static constexpr size_t kUnsentLow = 64U << 10U;

  virtual ~Stream() = default;

  // Appends to the bytes to be sent; they leave at the end of the loop's turn at the latest. Never
  // blocks and never fails: a broken transport shows as on_closed(). Ignored after close() or
  // abort().
  virtual void send(ByteView bytes) = 0;
  virtual size_t unsent() const = 0;

  // Back-pressure: while paused nothing is read from the peer. Bytes that were already read are not
  // handed over either. Nested calls are not counted.
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;

  // Sends what is unsent, says goodbye (TLS close_notify), closes; bounded by a deadline.
  virtual void close() = 0;
  // Drops what is unsent and closes at once.
  virtual void abort() = 0;

  // Moves the stream (socket, TLS state, unsent bytes) to another loop, then calls `then` there.
  // Until then no handler call is made. After move_to() has been called the handler must not touch
  // the stream, or itself, on the old loop. A no-op with an immediate call of `then` for the same
  // loop.
  virtual void move_to(Loop& target, Task then) = 0;

  virtual Loop& loop() const = 0;
  virtual const PeerInfo& peer() const = 0;
};

// Makes the handler of a stream that was just accepted (and has completed its handshake). Called on
// the stream's loop.
using StreamAcceptor = std::function<std::unique_ptr<StreamHandler>(Stream&)>;

}  // namespace linarite::net
