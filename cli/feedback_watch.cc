#include "cli/feedback_watch.h"

#include <algorithm>
#include <utility>

namespace linarite::cli {

bool FeedbackWatch::asked_for(const feedback_record& record) const {
  return (!filter_.device_id || record.device_id == *filter_.device_id) &&
         (!filter_.message_id || record.message_id == *filter_.message_id);
}

FeedbackWatch::Actions FeedbackWatch::on_batch(BatchNumber batch,
                                               const std::vector<feedback_record>& records) {
  Actions out;
  if (takes_.size() + shown_.size() > kNotedMax) {
    takes_.clear();
    shown_.clear();
  }
  const bool all_asked_for =
      std::ranges::all_of(records, [&](const feedback_record& one) { return asked_for(one); });
  int takes = 0;
  for (const feedback_record& record : records) {
    const std::string text = to_json(record);
    if (!asked_for(record)) {
      takes = std::max(takes, ++takes_[text]);
      continue;
    }
    const bool is_new = !shown_.contains(text);
    if (is_new && !out.done) {
      out.show.push_back(record);
      out.done = filter_.message_id.has_value();
    }
    // A record of a mixed batch comes again; that of another does not.
    if (all_asked_for) {
      shown_.erase(text);
    } else {
      shown_.insert(text);
    }
  }
  if (all_asked_for) {
    out.complete.push_back(batch);
  } else {
    hold(batch, out);
  }
  if (out.done || takes > kTakesMax) {
    out.give_back.insert(out.give_back.end(), held_.begin(), held_.end());
    held_.clear();
  }
  if (!out.done && takes > kTakesMax) {
    out.pause = rest_;
    rest_ = std::min(2 * rest_, kRestMax);
  }
  return out;
}

void FeedbackWatch::hold(BatchNumber batch, Actions& out) {
  held_.push_back(batch);
  if (held_.size() <= kHeldMax) return;
  out.give_back.push_back(held_.front());
  held_.pop_front();
}

}  // namespace linarite::cli
