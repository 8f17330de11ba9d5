// What tells the streams of one loop that their sockets are ready: an epoll set of our own below
// Asio's, which makes a system call for each wait and keeps a state for each socket. Here a socket
// is watched from its first turn to its last and costs one call in all.
//
// Edge-triggered (epoll(7)): a socket is announced when something arrives or when room comes back
// after a full buffer, not for what was there before. Whoever watches reads until the socket has
// nothing more, or until the peer's end once that was announced.
//
// Loop thread only.
#pragma once

#include <cstddef>

#include "net/descriptor.h"

namespace linarite::net {

struct Readiness {
  bool readable = false;
  bool writable = false;
  // The peer ended its side, or the socket broke: no other edge will come for what is left to read.
  bool ended = false;
};

class SocketEvents {
 public:
  static constexpr size_t kEventsPerDispatch = 64;

  class Watcher {
   public:
    virtual ~Watcher() = default;
    // May end its own watching, and must neither destroy itself nor any other watcher.
    virtual void on_ready(Readiness readiness) = 0;
  };

  // Throws std::system_error if the system has no more descriptors.
  SocketEvents();

  // Becomes readable when dispatch() has something to tell.
  int descriptor() const { return set_.get(); }

  // What is there already is announced at once. False if the kernel refuses to watch one more
  // socket. Closing a socket ends its watch.
  [[nodiscard]] bool watch(int socket, Watcher& watcher);
  void unwatch(int socket);
  // Tells up to kEventsPerDispatch watchers without waiting; returns how many.
  size_t dispatch();

 private:
  Descriptor set_;
};

}  // namespace linarite::net
