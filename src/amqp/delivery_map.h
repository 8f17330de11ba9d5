// The unsettled deliveries of one direction of a session, ordered by delivery-id.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "amqp/serial.h"
#include "base/check.h"

namespace linarite::amqp {

// Delivery-ids only grow (as serial numbers), so the entries are one sorted run: a look-up is a
// binary search, a range of ids is a run of entries, and the usual settling in order costs a step
// at the front. Settled entries in the middle stay as holes until they are the majority. No
// allocation once warm.
template <class T>
class DeliveryMap {
 public:
  size_t size() const { return entries_.size() - front_ - holes_; }
  bool empty() const { return size() == 0; }

  // True if `id` follows every id in the map, within half of the number space of the first.
  bool can_insert(uint32_t id) const {
    if (front_ == entries_.size()) return true;
    return serial_less(entries_.back().id, id) && serial_less(entries_[front_].id, id);
  }
  void insert(uint32_t id, T value) {
    CHECK(can_insert(id));
    entries_.push_back({id, true, std::move(value)});
  }

  T* find(uint32_t id) {
    const size_t at = lower_bound(id - first_id());
    if (at == entries_.size() || entries_[at].id != id || !entries_[at].live) return nullptr;
    return &entries_[at].value;
  }

  void erase(uint32_t id) {
    const size_t at = lower_bound(id - first_id());
    if (at == entries_.size() || entries_[at].id != id || !entries_[at].live) return;
    entries_[at].live = false;
    ++holes_;
    tidy();
  }

  // Calls visit(id, value) for each entry whose id is in [first, last], in order, and erases those
  // for which it returns true. Whatever the range, the cost is that of the entries there are.
  // `visit` must not touch the map.
  template <class Visit>
  void visit_range(uint32_t first, uint32_t last, Visit visit) {
    const uint32_t from = first - first_id();
    const uint32_t to = last - first_id();
    if (from <= to) {
      visit_offsets(from, to, visit);
    } else {  // The range runs over the end of the number space, seen from our first id.
      visit_offsets(0, to, visit);
      visit_offsets(from, UINT32_MAX, visit);
    }
    tidy();
  }
  template <class Visit>
  void visit_all(Visit visit) {
    visit_offsets(0, UINT32_MAX, visit);
    tidy();
  }

 private:
  struct Entry {
    uint32_t id;
    bool live;
    T value;
  };

  uint32_t first_id() const { return front_ < entries_.size() ? entries_[front_].id : 0; }

  // The first entry whose id is at least `offset` after the first one.
  size_t lower_bound(uint32_t offset) const {
    const uint32_t first = first_id();
    const auto at = std::lower_bound(
        entries_.begin() + static_cast<std::ptrdiff_t>(front_), entries_.end(), offset,
        [first](const Entry& entry, uint32_t wanted) { return entry.id - first < wanted; });
    return static_cast<size_t>(at - entries_.begin());
  }

  template <class Visit>
  void visit_offsets(uint32_t from, uint32_t to, Visit& visit) {
    const uint32_t first = first_id();
    for (size_t i = lower_bound(from); i < entries_.size() && entries_[i].id - first <= to; ++i) {
      if (!entries_[i].live || !visit(entries_[i].id, entries_[i].value)) continue;
      entries_[i].live = false;
      ++holes_;
    }
  }

  void tidy() {
    while (front_ < entries_.size() && !entries_[front_].live) {
      ++front_;
      --holes_;
    }
    if (front_ == entries_.size()) {
      entries_.clear();
      front_ = 0;
    } else if (front_ + holes_ > kTidyMin && (front_ + holes_) * 2 > entries_.size()) {
      std::erase_if(entries_, [](const Entry& entry) { return !entry.live; });
      front_ = 0;
      holes_ = 0;
    }
  }

  static constexpr size_t kTidyMin = 64;
  std::vector<Entry> entries_;
  size_t front_ = 0;  // Entries before it are gone.
  size_t holes_ = 0;  // Entries from it on that are gone.
};

}  // namespace linarite::amqp
