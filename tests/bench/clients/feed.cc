#include "clients/feed.h"

#include "base/random.h"

namespace linarite::load {
namespace {

constexpr double kArrivalLimitS = 120;
constexpr std::chrono::milliseconds kLook{1};

}  // namespace

Feed::Feed(Session& session, size_t devices)
    : session_(session),
      sent_(devices),
      received_(devices),
      payload_(SeededRandom(1).bytes(session.options().payload_bytes)) {}

void Feed::received(size_t device) {
  received_[device].fetch_add(1, std::memory_order_relaxed);
  received_total_.fetch_add(1, std::memory_order_relaxed);
}

void Feed::open() {
  senders_ = open_senders(session_, *this);
  session_.on_loop([this] { keep_pumping(); });
}

void Feed::begin() { sent_max_ = UINT64_MAX; }

void Feed::end() {
  sent_max_ = 0;
  session_.run_until([this] { return received_total() >= sent_total_; }, kArrivalLimitS,
                     "the last messages");
  for (size_t device = 0; device < sent_.size(); ++device) {
    const uint64_t came = received_[device].load();
    if (came == sent_[device]) continue;
    give_up(
        fmt::format("{} got {} of {} messages", Session::device_id(device), came, sent_[device]));
  }
}

void Feed::one_each() {
  next_device_ = 0;
  sent_max_ = sent_total_ + sent_.size();
  session_.run_until([this] { return sent_total_ == sent_max_; }, kArrivalLimitS, "sending");
  end();
}

void Feed::on_refused(uint64_t token, const std::string& why) {
  give_up(fmt::format("message {} was refused: {}", token, why));
}

// The devices do not wake this thread: that would be work of theirs which is measured.
void Feed::keep_pumping() {
  pump();
  session_.loop().run_after(kLook, [this] { keep_pumping(); });
}

void Feed::pump() {
  while (sent_total_ < sent_max_ && sent_total_ - received_total() < session_.options().window) {
    if (!send_one()) break;
  }
  for (const auto& sender : senders_) sender->flush();
}

bool Feed::send_one() {
  Sender& sender = *senders_[next_sender_];
  next_sender_ = (next_sender_ + 1) % senders_.size();
  if (sender.room() == 0) return false;
  for (size_t tried = 0; tried < sent_.size(); ++tried) {
    const size_t device = next_device_;
    next_device_ = (next_device_ + 1) % sent_.size();
    if (sent_[device] - received_[device].load(std::memory_order_relaxed) >=
        session_.options().depth) {
      continue;
    }
    ++sent_[device];
    sender.send(device, payload_, sent_total_++);
    return true;
  }
  return false;
}

}  // namespace linarite::load
