// The devices of one process, all made with one client library: ours, or a peer's that is measured
// beside it.
#pragma once

#include <functional>
#include <memory>

#include "load/session.h"

namespace linarite::load {

// An interface because each library implements it, and a program is linked with one of them.
class Devices {
 public:
  virtual ~Devices() = default;
  // Connects until there are `count` that receive, with at most options.parallel under way;
  // returns when all do, and gives up when one cannot. The devices exist at the hub.
  virtual void grow_to(size_t count) = 0;
};

// `on_message` is called on a thread of the library, when the message was acknowledged or will be
// at the return.
std::unique_ptr<Devices> make_devices(const Session& session,
                                      std::function<void(size_t device)> on_message);

// What the table calls it.
const char* library_name();

}  // namespace linarite::load
