// Two streams joined in memory: what is sent at one end arrives at the other, over any two loops
// and without a socket. For clients and a hub in one process, and for the simulator, which decides
// what crosses and when.
//
// An end behaves as a socket does: the network between the ends holds some bytes, what it does not
// take is unsent; an end that is told goodbye sends its rest and says goodbye too; a reset destroys
// what is on its way. Time comes from the loops' clocks, so a run on manual loops repeats itself.
#pragma once

#include <memory>

#include "net/stream.h"

namespace linarite::net {

class Pipe {
 public:
  enum class Side : uint8_t { kClient, kServer };
  static constexpr Side other(Side side) {
    return side == Side::kClient ? Side::kServer : Side::kClient;
  }

  // What crosses on its own: everything, at the next task of the receiver's loop, or nothing but
  // what carry() is told to.
  enum class Crossing : uint8_t { kAtOnce, kWhenTold };

  struct Options {
    Crossing crossing = Crossing::kAtOnce;
    size_t network_max = 64U << 10U;  // Bytes sent and not arrived before they count as unsent.
    size_t arrived_max = 64U << 10U;  // Bytes arrived and not read before nothing more crosses.
    Duration close_limit = std::chrono::seconds(5);   // From close() to the end.
    Duration stall_limit = std::chrono::seconds(60);  // With bytes unsent and none crossing.
  };

  struct End {
    Loop& loop;
    PeerInfo peer;          // What this end is told of the other.
    StreamAcceptor opened;  // Called on the loop, in a task of its own. Null closes the stream.
  };

  // Any thread.
  Pipe(End client, End server, Options options);
  Pipe(End client, End server) : Pipe(std::move(client), std::move(server), Options{}) {}
  // Destroys handlers that are still there without a call, as if their loops had been stopped.
  // While the loops run, only from the one thread that drives both.
  ~Pipe();
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  // --- The network. Any thread, but never from inside a handler.

  // Brings at most `most` bytes to the end opposite of `from`; once all have crossed, also the
  // goodbye or the reset behind them. Less crosses while the receiver does not read.
  void carry(Side from, size_t most);
  // Whether carry() would find something to bring, be it only a goodbye.
  bool waiting(Side from) const;
  // Bytes that carry() would find, and all that were ever given to send(). What was sent and
  // dropped by abort() or a reset is in the latter.
  size_t waiting_bytes(Side from) const;
  uint64_t sent(Side from) const;

  // The connection breaks, and `at` is told (on_closed(kReset)); what is on its way to this end or
  // was not read is lost. The other end is not told: nothing comes and nothing is taken any more.
  void reset(Side at);
  // The process at this end is gone: its handler is destroyed at once, without a call, what it had
  // sent is still on its way. The other end is not told. From the thread of its loop.
  void drop(Side side);

  // Whether the end has no handler any more: it was closed, dropped, or never opened.
  bool over(Side side) const;

 private:
  class Stream;
  struct Wire;
  std::shared_ptr<Wire> wire_;
};

}  // namespace linarite::net
