// The deadlines of many operations of the same length, with one timer.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/loop.h"

namespace linarite::sdk {

// Set for the deadline of an operation that is often over by then: the timer then finds nothing due
// and is set again. So no operation that ends in time has a timer to cancel. Its loop only.
class DeadlineTimer {
 public:
  // `look` ends what is overdue and tells when the next deadline is; nothing if there is none.
  using Look = std::function<std::optional<Instant>(Instant now)>;

  DeadlineTimer(Loop& loop, Look look) : loop_(loop), look_(std::move(look)) {}

  void watch(Instant deadline) {
    if (set_) return;
    set_ = true;
    loop_.run_at(deadline, [this, weak = std::weak_ptr(alive_)] {
      if (!weak.lock()) return;
      set_ = false;
      if (const auto next = look_(loop_.clock().now())) watch(*next);
    });
  }

 private:
  Loop& loop_;
  const Look look_;
  bool set_ = false;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace linarite::sdk
