// The changes of a connection's state, kept until the application fetches them.
#pragma once

#include <linarite/connection_state.h>
#include <atomic>
#include <vector>

#include "sdk/pending.h"

namespace linarite::sdk {

// Owned by a session; its loop only, but for current().
class StateStream {
 public:
  static constexpr size_t kKeptMax = 64;

  explicit StateStream(Loop& loop) : loop_(loop), waiting_(loop) {}

  connection_state current() const { return current_.load(); }
  void change(connection_state state, error reason, unsigned attempt);
  void next(detail::operation_id id, detail::completion<connection_change> done);
  void cancel(detail::operation_id id) { waiting_.fail(id, errc::operation_aborted); }
  void fail_all(const error& why) { waiting_.fail_all(why); }

 private:
  Loop& loop_;
  std::atomic<connection_state> current_{connection_state::disconnected};
  std::vector<connection_change> kept_;
  unsigned missed_ = 0;
  PendingList<connection_change> waiting_;
};

}  // namespace linarite::sdk
