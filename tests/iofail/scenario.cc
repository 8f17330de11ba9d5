#include "iofail/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include "hub/event_block.h"
#include "iofail/faults.h"
#include "iofail/world.h"

namespace linarite::iofail {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kDevicesOfRound = 4;
constexpr uint32_t kMessagesOfRound = 6;
constexpr int kFirstRounds = 3;
constexpr int kSecondRounds = 2;
constexpr uint32_t kOldEvents = 32;
constexpr uint32_t kEventsOfWave = 6;

template <size_t kSize>
void copy(std::string_view text, std::array<char, kSize>& to) {
  to = {};
  std::ranges::copy(text.substr(0, kSize - 1), to.begin());
}

class Session {
 public:
  Session(const std::string& folder, WallTime wall) : world_(folder, wall) {
    shared().phase = Phase::kOpening;
  }

  bool open() {
    const Status opened = world_.open();
    if (!opened) {
      promises_.refused_to_open = true;
      failed(opened.error());
      return false;
    }
    shared().phase = Phase::kWorking;
    return true;
  }
  void close() {
    shared().phase = Phase::kClosing;
    promises_.wall_ms = (world_.wall() - WallTime{}).count();
    if (const Status closed = world_.close(); !closed) write_failed(closed.error());
  }
  WallTime wall() const { return world_.wall(); }

  void make_old_events();
  void round();
  void renew_key();
  void read_back();

 private:
  void failed(const Error& error) {
    if (promises_.first_error.front() == '\0') copy(error.message, promises_.first_error);
    if (error.message.empty()) broken("an error without a word");
  }
  void write_failed(const Error& error) {
    write_failed_ = promises_.write_failed = true;
    failed(error);
  }
  void read_failed(const Error& error) {
    promises_.read_failed = true;
    failed(error);
  }
  static void broken(const std::string& text) {
    auto& to = shared().promises.broken;
    if (to.front() == '\0') copy(text, to);
  }
  // An answer to a write.
  bool acknowledged(const Status& status, Told& told) {
    --under_way_;
    if (!status) {
      // A device whose creation failed is not there.
      const bool follows = write_failed_ && status.error().code == ErrorCode::kDeviceNotFound;
      if (!follows) write_failed(status.error());
      return false;
    }
    if (write_failed_) broken("a write was acknowledged after one that failed");
    told = Told::kDone;
    ++promises_.writes_done;
    return true;
  }
  // For a wave of writes: its answers come to acknowledged().
  void ask(Told& told) {
    told = Told::kAsked;
    ++under_way_;
  }
  void wait_for_answers() {
    world_.loop().run_until([this] { return under_way_ == 0; });
  }
  template <class Value>
  static Status status_of(const Result<Value>& result) {
    if (result) return {};
    return std::unexpected(result.error());
  }

  void create_devices(uint32_t first);
  void change_devices(uint32_t first);
  void send_messages(uint32_t first_device);
  void complete_one(uint32_t device);
  void take_feedback();
  void append(uint32_t count, bool may_be_trimmed);
  void let_time_pass(Duration by) {
    world_.clock().advance(by);
    world_.loop().run_until_idle();
  }

  World world_;
  Promises& promises_ = shared().promises;
  bool write_failed_ = false;  // In this session.
  size_t under_way_ = 0;
};

void Session::create_devices(uint32_t first) {
  for (uint32_t i = first; i < first + kDevicesOfRound; ++i) {
    DevicePromise& device = promises_.devices[i];
    ask(device.created);
    world_.hub().create_device(
        {.device_id = device_name(i)},
        {world_.loop(), [this, &device](const Result<hub::DeviceView>& view) {
           if (!acknowledged(status_of(view), device.created)) return;
           copy(view->identity.generation_id, device.generation);
           copy(view->identity.primary_key, device.primary_key);
         }});
  }
  wait_for_answers();
}

// The second is disabled, of the third the messages are purged, the fourth is deleted. The first
// has a session.
void Session::change_devices(uint32_t first) {
  hub::Hub& hub = world_.hub();
  DevicePromise* const devices = &promises_.devices[first];
  ask(devices[1].disabled);
  hub.update_device({.device_id = device_name(first + 1), .status = hub::DeviceStatus::kDisabled},
                    {}, {world_.loop(), [this, devices](const Result<hub::DeviceView>& view) {
                           acknowledged(status_of(view), devices[1].disabled);
                         }});
  devices[2].purged_before = promises_.message_count;
  ask(devices[2].purged);
  hub.purge(device_name(first + 2), {world_.loop(), [this, devices](const Result<uint64_t>& count) {
                                       if (count && *count == 0) {  // Nothing was written.
                                         --under_way_;
                                       } else {
                                         acknowledged(status_of(count), devices[2].purged);
                                       }
                                     }});
  ask(devices[3].deleted);
  hub.delete_device(device_name(first + 3), {}, {world_.loop(), [this, devices](Status status) {
                                                   acknowledged(status, devices[3].deleted);
                                                 }});
  ask(devices[0].session);
  hub.partition_of(device_name(first))
      .save_session(
          device_name(first),
          {.subscriptions = {{.filter = "#", .qos = 1, .since = world_.wall()}}},
          [this, devices](const Status& status) { acknowledged(status, devices[0].session); });
  wait_for_answers();
}

void Session::send_messages(uint32_t first_device) {
  for (uint32_t i = 0; i < kMessagesOfRound; ++i) {
    const uint32_t index = promises_.message_count++;
    MessagePromise& message = promises_.messages[index];
    message.device = first_device + i % 2 * 2;
    wire::C2dMessage content;
    content.message_id = std::to_string(index);
    content.ack = wire::Ack::kFull;
    content.body = message_text(index);
    ask(message.sent);
    world_.hub().send(device_name(message.device), std::move(content),
                      {world_.loop(), [this, &message](const Result<uint64_t>& number) {
                         acknowledged(status_of(number), message.sent);
                       }});
  }
  wait_for_answers();
}

void Session::complete_one(uint32_t device) {
  hub::Partition& partition = world_.hub().partition_of(device_name(device));
  const auto received = partition.receive(device_name(device));
  if (!received) {
    if (received.error().code != ErrorCode::kDeviceNotFound) read_failed(received.error());
    return;
  }
  if (!*received) return;
  const auto index = index_of((*received)->message.body);
  if (!index) return broken("a message with a strange body was received");
  MessagePromise& message = promises_.messages[*index];
  if (message.completed == Told::kDone) broken("a completed message came again");
  ask(message.completed);
  partition.settle(
      device_name(device), (*received)->lock, hub::Partition::Settlement::kComplete,
      [this, &message](const Status& status) { acknowledged(status, message.completed); });
  wait_for_answers();
}

void Session::take_feedback() {
  const auto batch = world_.wait<std::optional<hub::FeedbackBatch>>(
      [&](Reply<std::optional<hub::FeedbackBatch>> reply) {
        world_.hub().receive_feedback(std::move(reply));
      });
  if (!batch) return;
  for (const hub::FeedbackRecord& record : batch->records) {
    MessagePromise& message = promises_.messages[std::stoul(record.original_message_id)];
    if (message.reported == Told::kDone) broken("accepted feedback came again");
    message.reported = Told::kAsked;
  }
  Told told{};
  ask(told);
  world_.hub().settle_feedback(
      batch->token, hub::FeedbackSettlement::kAccept,
      {world_.loop(), [this, &told](Status status) { acknowledged(status, told); }});
  wait_for_answers();
  if (told != Told::kDone) return;
  for (const hub::FeedbackRecord& record : batch->records) {
    promises_.messages[std::stoul(record.original_message_id)].reported = Told::kDone;
  }
}

void Session::append(uint32_t count, bool may_be_trimmed) {
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t index = promises_.event_count++;
    EventPromise& event = promises_.events[index];
    event.partition = index % kPartitions;
    event.may_be_trimmed = may_be_trimmed;
    ask(event.appended);
    world_.hub()
        .partition(event.partition)
        .events()
        .append({.annotations = {}, .annotation_count = 0, .sections = event_text(index)},
                [this, &event](const Status& status) { acknowledged(status, event.appended); });
  }
  wait_for_answers();
}

// A day later the front of the log is trimmed, with the tables that hold nothing else.
void Session::make_old_events() {
  for (uint32_t i = 0; i < kOldEvents; i += kOldEvents / 4) append(kOldEvents / 4, true);
  let_time_pass(hours(25));
  append(kEventsOfWave, false);
  let_time_pass(seconds(61));
}

void Session::round() {
  const uint32_t first = promises_.device_count;
  promises_.device_count += kDevicesOfRound;
  create_devices(first);
  send_messages(first);
  append(kEventsOfWave, false);
  complete_one(first);
  if (first >= kDevicesOfRound) complete_one(first - kDevicesOfRound);
  change_devices(first);
  append(kEventsOfWave, false);
  if (first % (2 * kDevicesOfRound) == 0) take_feedback();
  let_time_pass(milliseconds(1100));  // The next group is followed by a mark.
}

void Session::renew_key() {
  ask(promises_.key_renewed);
  world_.hub().renew_policy_key("service", hub::Hub::WhichKey::kPrimary,
                                {world_.loop(), [this](const Result<hub::Policy>& policy) {
                                   if (acknowledged(status_of(policy), promises_.key_renewed)) {
                                     copy(policy->primary_key, promises_.policy_key);
                                   }
                                 }});
  wait_for_answers();
}

// As a reader does, from the beginning; then from a time in the middle.
void Session::read_back() {
  for (uint32_t p = 0; p < kPartitions; ++p) {
    hub::EventLog& events = world_.hub().partition(p).events();
    uint64_t next = events.state().first_sequence;
    while (next < events.state().next_sequence) {
      const auto blocks = events.read_on(next);
      if (!blocks) return read_failed(blocks.error());
      if (blocks->empty()) return broken("the log has a hole");
      for (const auto& block : *blocks) {
        for (size_t i = 0; i < block->size(); ++i) {
          const hub::Event event = block->at(i);
          const auto index = index_of(event.sections);
          if (!index) return broken("a reader was given a strange event");
          EventPromise& promise = promises_.events[*index];
          if (promise.seen && promise.sequence != event.sequence) broken("an event has moved");
          promise.seen = true;
          promise.sequence = event.sequence;
        }
        next = block->next();
      }
    }
    const auto found = events.find({.kind = hub::EventPosition::Kind::kEnqueued,
                                    .number = 0,
                                    .time = world_.wall() - seconds(2)});
    if (!found) read_failed(found.error());
  }
}

}  // namespace

void play(const std::string& folder) {
  Promises& promises = shared().promises;
  WallTime wall = kBeginning;
  {
    Session first(folder, wall);
    if (first.open()) {
      first.make_old_events();
      for (int i = 0; i < kFirstRounds; ++i) first.round();
      first.renew_key();
      first.read_back();
      first.close();
    }
    wall = first.wall();
  }
  Session second(folder, wall + seconds(1));
  if (second.open()) {
    second.read_back();
    for (int i = 0; i < kSecondRounds; ++i) second.round();
    second.read_back();
    second.close();
  }
  promises.wall_ms = (second.wall() - WallTime{}).count();
  promises.finished = true;
}

}  // namespace linarite::iofail
