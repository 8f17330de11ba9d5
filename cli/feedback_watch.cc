#include "cli/feedback_watch.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>

#include "base/text.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

std::string_view text_of(const json::object& record, const char* name) {
  const auto* value = record.if_contains(name);
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

}  // namespace

bool FeedbackWatch::asked_for(const json::object& record) const {
  const auto fits = [&](const Text& wanted, const char* name) {
    return !wanted || text_of(record, name) == *wanted;
  };
  return fits(filter_.device_id, "deviceId") && fits(filter_.message_id, "originalMessageId");
}

FeedbackWatch::Actions FeedbackWatch::on_batch(std::string token, const json::array& records) {
  Actions out;
  pause_ = kPauseMin;
  if (takes_.size() + shown_.size() > kNotedMax) {
    takes_.clear();
    shown_.clear();
  }
  const bool all_asked_for = std::ranges::all_of(records, [&](const json::value& one) {
    return !one.is_object() || asked_for(one.get_object());
  });
  int takes = 0;
  for (const json::value& value : records) {
    const auto* record = value.if_object();
    if (record == nullptr) continue;
    const std::string text = json::serialize(*record);
    if (!asked_for(*record)) {
      takes = std::max(takes, ++takes_[text]);
      continue;
    }
    const bool is_new = !shown_.contains(text);
    if (is_new && !out.done) {
      out.show.push_back(*record);
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
    out.complete.push_back(std::move(token));
  } else {
    hold(std::move(token), out);
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

void FeedbackWatch::hold(std::string token, Actions& out) {
  held_.push_back(std::move(token));
  if (held_.size() <= kHeldMax) return;
  out.give_back.push_back(std::move(held_.front()));
  held_.pop_front();
}

FeedbackWatch::Actions FeedbackWatch::on_nothing() {
  Actions out;
  out.pause = pause_;
  pause_ = std::min(pause_ * 3 / 2, kPauseMax);
  return out;
}

}  // namespace linarite::cli
