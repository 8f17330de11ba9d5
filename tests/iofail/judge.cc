#include "iofail/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "hub/event_block.h"
#include "iofail/faults.h"
#include "iofail/world.h"

namespace linarite::iofail {
namespace {

class Judge {
 public:
  explicit Judge(const std::string& folder)
      : world_(folder, WallTime(std::chrono::milliseconds(
                           std::max(promises_.wall_ms, kBeginning.time_since_epoch().count()))) +
                           std::chrono::seconds(1)) {}

  std::string run() {
    if (const Status opened = world_.open(); !opened) {
      return "it can't be opened any more: " + opened.error().message;
    }
    for (uint32_t i = 0; i < promises_.device_count; ++i) judge_device(i);
    judge_policy();
    judge_feedback();  // Before messages are received: their ends make more of it.
    for (uint32_t i = 0; i < promises_.device_count; ++i) judge_messages(i);
    for (uint32_t p = 0; p < kPartitions; ++p) judge_events(p);
    use();
    const Status closed = world_.close();
    if (!closed) broken("it can't be closed: " + closed.error().message);
    return broken_;
  }

 private:
  void broken(std::string text) {
    if (broken_.empty()) broken_ = std::move(text);
  }
  void judge_device(uint32_t index);
  void judge_policy();
  void judge_messages(uint32_t device);
  void judge_feedback();
  void judge_events(uint32_t partition);
  // It takes writes again.
  void use();

  const Promises& promises_ = shared().promises;
  World world_;
  std::string broken_;
};

void Judge::judge_device(uint32_t index) {
  const DevicePromise& promise = promises_.devices[index];
  const std::string name = device_name(index);
  const auto found = world_.hub().partition_of(name).get_device(name);
  if (!found) {
    if (promise.created == Told::kDone && promise.deleted == Told::kNothing) {
      broken(name + " is not there any more");
    }
    return;
  }
  if (promise.created == Told::kNothing) return broken(name + " was never created");
  if (promise.deleted == Told::kDone) return broken(name + " was deleted and is there again");
  const hub::Identity& identity = found->identity;
  if (promise.created == Told::kDone && (identity.generation_id != promise.generation.data() ||
                                         identity.primary_key != promise.primary_key.data())) {
    broken(name + " is another one");
  }
  const bool disabled = identity.status == hub::DeviceStatus::kDisabled;
  if (promise.disabled == Told::kDone && !disabled) broken(name + " is enabled again");
  if (promise.disabled == Told::kNothing && disabled) broken(name + " is disabled");
  if (promise.session != Told::kDone) return;
  const auto session = world_.wait<Result<std::optional<hub::Session>>>(
      [&](Reply<Result<std::optional<hub::Session>>> reply) {
        world_.hub().partition_of(name).load_session(
            name, [reply = std::move(reply)](auto loaded) mutable { reply(std::move(loaded)); });
      });
  if (!session || !*session || (*session)->subscriptions.size() != 1) {
    broken("the session of " + name + " is gone");
  }
}

void Judge::judge_policy() {
  if (promises_.key_renewed != Told::kDone) return;
  for (const hub::Policy& policy : world_.hub().policies()->all()) {
    if (policy.name == "service" && policy.primary_key != promises_.policy_key.data()) {
      broken("the policy's key is another one");
    }
  }
}

// Each message that was acknowledged and not ended is there once, in its order.
void Judge::judge_messages(uint32_t device) {
  const std::string name = device_name(device);
  const DevicePromise& owner = promises_.devices[device];
  std::vector<uint32_t> found;
  hub::Partition& partition = world_.hub().partition_of(name);
  for (;;) {
    const auto received = partition.receive(name);
    if (!received) break;  // No such device; its messages are gone with it.
    if (!*received) break;
    const auto index = index_of((*received)->message.body);
    if (!index) return broken("a message has another body");
    if (!found.empty() && found.back() >= *index) broken("the messages are in another order");
    found.push_back(*index);
  }
  for (const uint32_t index : found) {
    const MessagePromise& message = promises_.messages[index];
    if (message.sent == Told::kNothing || message.device != device) {
      broken(fmt::format("message {} was never sent to {}", index, name));
    }
    if (message.completed == Told::kDone) broken(fmt::format("message {} came back", index));
    if (owner.purged == Told::kDone && index < owner.purged_before) {
      broken(fmt::format("message {} was purged and came back", index));
    }
  }
  for (uint32_t index = 0; index < promises_.message_count; ++index) {
    const MessagePromise& message = promises_.messages[index];
    if (message.device != device || message.sent != Told::kDone) continue;
    const bool may_be_gone = message.completed != Told::kNothing ||
                             (owner.purged != Told::kNothing && index < owner.purged_before);
    if (!may_be_gone && !std::ranges::binary_search(found, index)) {
      broken(fmt::format("message {} was acknowledged and is lost", index));
    }
  }
}

void Judge::judge_feedback() {
  std::set<uint32_t> reported;
  for (;;) {
    const auto batch = world_.wait<std::optional<hub::FeedbackBatch>>(
        [&](Reply<std::optional<hub::FeedbackBatch>> reply) {
          world_.hub().receive_feedback(std::move(reply));
        });
    if (!batch) break;
    for (const hub::FeedbackRecord& record : batch->records) {
      const auto index = static_cast<uint32_t>(std::stoul(record.original_message_id));
      const MessagePromise& message = promises_.messages[index];
      reported.insert(index);
      if (message.reported == Told::kDone) broken(fmt::format("feedback of {} again", index));
      if (record.outcome == hub::Outcome::kSuccess && message.completed == Told::kNothing) {
        broken(fmt::format("message {} was not completed, and its feedback says so", index));
      }
    }
  }
  for (uint32_t index = 0; index < promises_.message_count; ++index) {
    const MessagePromise& message = promises_.messages[index];
    if (message.completed == Told::kDone && message.reported == Told::kNothing &&
        !reported.contains(index)) {
      broken(fmt::format("the feedback of message {} is lost", index));
    }
  }
}

void Judge::judge_events(uint32_t partition) {
  hub::EventLog& log = world_.hub().partition(partition).events();
  const hub::EventLogState state = log.state();
  std::vector<uint32_t> found;
  for (uint64_t next = state.first_sequence; next < state.next_sequence;) {
    const auto blocks = log.read_on(next);
    if (!blocks) return broken("the log can't be read: " + blocks.error().message);
    if (blocks->empty()) return broken("the log has a hole");
    for (const auto& block : *blocks) {
      for (size_t i = 0; i < block->size(); ++i) {
        const hub::Event event = block->at(i);
        if (event.sequence != state.first_sequence + found.size()) broken("the log has a gap");
        const auto index = index_of(event.sections);
        if (!index) return broken("an event has another content");
        const EventPromise& promise = promises_.events[*index];
        if (promise.appended == Told::kNothing || promise.partition != partition) {
          broken(fmt::format("event {} was never appended here", *index));
        }
        if (promise.seen && promise.sequence != event.sequence) {
          broken(fmt::format("event {} has another number than readers saw", *index));
        }
        if (!found.empty() && found.back() >= *index) broken("the events are in another order");
        found.push_back(*index);
      }
      next = block->next();
    }
  }
  for (uint32_t index = 0; index < promises_.event_count; ++index) {
    const EventPromise& event = promises_.events[index];
    if (event.partition != partition || event.appended != Told::kDone) continue;
    if (!event.may_be_trimmed && !std::ranges::binary_search(found, index)) {
      broken(fmt::format("event {} was acknowledged and is lost", index));
    }
    if (event.seen && event.sequence >= state.next_sequence) {
      broken(fmt::format("the number of event {} would be used again", index));
    }
  }
}

void Judge::use() {
  for (uint32_t p = 0; p < kPartitions; ++p) {
    std::optional<Status> done;
    world_.hub().partition(p).events().append(
        {.annotations = {}, .annotation_count = 0, .sections = "new"},
        [&](Status status) { done = std::move(status); });
    world_.loop().run_until([&] { return done.has_value(); });
    if (!*done) broken("it takes no writes: " + done->error().message);
  }
}

}  // namespace

std::string judge(const std::string& folder) { return Judge(folder).run(); }

}  // namespace linarite::iofail
