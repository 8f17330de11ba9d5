// A process with ten thousand clients must not dial a server ten thousand times at once: the server
// would end the handshakes that it has no room for, and the rest would run out of time behind each
// other. Here they wait in line.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/loop.h"

namespace linarite::sdk {

// How many clients of one loop are on their way to one server. A hub keeps 2048 handshakes by
// default; beside other processes this leaves it room, and fills a way of 100 ms a round trip with
// some 800 connects a second.
inline constexpr size_t kDialsMax = 256;

// The lines of one loop, one for each server: a server that does not answer holds up nobody else.
// Loop only. What waits is forgotten when the lines end.
class DialLines {
 public:
  // Gets the place, which is given back when it is destroyed, on the loop.
  using Start = std::move_only_function<void(std::shared_ptr<void> place)>;

  explicit DialLines(Loop& loop) : loop_(loop) {}

  // Calls `start` now if there is a place, else from the loop, in the order of the calls.
  void wait(const std::string& server, Start start);

 private:
  struct Line {
    size_t taken = 0;
    std::deque<Start> waiting;
  };
  using Lines = std::map<std::string, Line>;

  static void give_place(const std::shared_ptr<Lines>& lines, Loop& loop, const std::string& server,
                         Start start);
  static void leave(const std::shared_ptr<Lines>& lines, Loop& loop, const std::string& server);

  Loop& loop_;
  std::shared_ptr<Lines> lines_ = std::make_shared<Lines>();
};

}  // namespace linarite::sdk
