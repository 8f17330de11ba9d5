// A non-blocking socket from which only so many bytes may be taken in a turn as were granted: a
// peer's appetite is bounded where its bytes enter.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace linarite::net {

enum class Io {
  kDone,       // Something was read or written, or the handshake is complete.
  kWantRead,   // Again when the socket can be read.
  kWantWrite,  // Again when the socket can be written.
  kWantTurn,   // The grant is used up: again in the next turn.
  kEnd,        // The peer said goodbye in an orderly way.
  kFailed,     // Broken.
};

class GrantedSocket {
 public:
  // The descriptor stays the caller's.
  explicit GrantedSocket(int descriptor) : descriptor_(descriptor) {}

  // Allows this many more bytes to be taken; what was left of the last grant is gone.
  void grant(size_t bytes) { grant_ = bytes; }
  // Whether the last receive() got less than it asked for: nothing was left then.
  bool took_all() const { return took_all_; }
  int descriptor() const { return descriptor_; }

  // `count` is set with kDone. kEnd: the peer's TCP stream ended. kFailed: errno tells why.
  Io receive(char* out, size_t size, size_t& count);
  Io transmit(ByteView bytes, size_t& count);

 private:
  const int descriptor_;
  size_t grant_ = 0;
  bool took_all_ = false;
};

}  // namespace linarite::net
