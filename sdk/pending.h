// Operations that wait for their results, in the order of their start, each with a deadline.
#pragma once

#include <linarite/completion.h>
#include <memory>
#include <utility>
#include <vector>

#include "base/loop.h"

namespace linarite::sdk {

// A handler is called once, whatever happens to its operation.
template <class... Results>
void finish(detail::completion<Results...> done, error why, Results... results) {
  done->complete(std::move(why), std::move(results)...);
}
template <class... Results>
void fail_with(detail::completion<Results...> done, error why) {
  done->complete(std::move(why), Results{}...);
}

// Owned by a session; its loop only. The deadline of an operation that was taken out is cancelled.
template <class... Results>
class PendingList {
 public:
  using Done = detail::completion<Results...>;

  explicit PendingList(Loop& loop) : loop_(loop) {}
  ~PendingList() { fail_all(errc::closed); }
  PendingList(const PendingList&) = delete;
  PendingList& operator=(const PendingList&) = delete;

  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }

  // `limit` 0: no deadline. `on_deadline` is called with the operation still in the list.
  void add(detail::operation_id id, Done done, Duration limit = Duration(0),
           Task on_deadline = nullptr) {
    items_.push_back({id, std::move(done), 0});
    if (limit > Duration(0)) {
      items_.back().deadline = loop_.run_after(limit, std::move(on_deadline));
    }
  }
  // The oldest; the list must not be empty.
  Done take_first() { return take_at(0); }
  // Null if there is no such operation.
  Done take(detail::operation_id id) {
    for (size_t i = 0; i < items_.size(); ++i) {
      if (items_[i].id == id) return take_at(i);
    }
    return nullptr;
  }
  void fail(detail::operation_id id, error why) {
    if (Done done = take(id)) fail_with(std::move(done), std::move(why));
  }
  void fail_all(const error& why) {
    while (!items_.empty()) fail_with(take_first(), why);
  }
  void succeed_all()
    requires(sizeof...(Results) == 0)
  {
    while (!items_.empty()) finish(take_first(), error());
  }

 private:
  struct Item {
    detail::operation_id id;
    Done done;
    TimerId deadline;
  };
  Done take_at(size_t index) {
    Item item = std::move(items_[index]);
    items_.erase(items_.begin() + static_cast<ptrdiff_t>(index));
    // After the loop has stopped there is nothing to cancel, and nobody to ask.
    if (item.deadline != 0 && loop_.in_loop()) loop_.cancel(item.deadline);
    return std::move(item.done);
  }

  Loop& loop_;
  std::vector<Item> items_;
};

}  // namespace linarite::sdk
