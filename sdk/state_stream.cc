#include "sdk/state_stream.h"

namespace linarite::sdk {

void StateStream::change(connection_state state, error reason, unsigned attempt) {
  current_ = state;
  connection_change change{.state = state,
                           .reason = std::move(reason),
                           .when = loop_.clock().wall(),
                           .attempt = attempt};
  if (!waiting_.empty()) {
    finish(waiting_.take_first(), error(), std::move(change));
    return;
  }
  if (kept_.size() == kKeptMax) {
    kept_.erase(kept_.begin());
    kept_.front().missed = ++missed_;
  }
  kept_.push_back(std::move(change));
}

void StateStream::next(detail::operation_id id, detail::completion<connection_change> done) {
  if (!kept_.empty()) {
    connection_change first = std::move(kept_.front());
    kept_.erase(kept_.begin());
    missed_ = 0;
    finish(std::move(done), error(), std::move(first));
  } else if (current_ == connection_state::closed) {
    fail_with(std::move(done), errc::closed);
  } else {
    waiting_.add(id, std::move(done));
  }
}

}  // namespace linarite::sdk
