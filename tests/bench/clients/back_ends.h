// The back ends of one process, all made with one client library: ours, or a peer's that is
// measured beside it. Each is a connection over TLS with a link for cloud-to-device messages.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "load/session.h"

namespace linarite::load {

// Says what is to be sent, and counts what became of it. Any thread.
class Supply {
 public:
  virtual ~Supply() = default;
  // The device of the next message; nothing while enough is under way.
  virtual std::optional<size_t> next_device() = 0;
  virtual void accepted() = 0;
};

// An interface because each library implements it, and a program is linked with one of them.
class BackEnds {
 public:
  virtual ~BackEnds() = default;
  // Connects until there are `count` that may send; gives up when one cannot.
  virtual void grow_to(size_t count) = 0;
  // The first one sends what the supply has, now and whenever a message was accepted. Call it again
  // when the supply may have more for another reason.
  virtual void look() = 0;
};

std::unique_ptr<BackEnds> make_back_ends(const Session& session, Supply& supply,
                                         std::string payload);

// What the table calls it.
const char* back_end_library();

}  // namespace linarite::load
