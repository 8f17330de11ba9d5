// What an operator may set about the hub's rules. Defaults are the original's
// (service-protocol 2.5, 3.1; device-protocol 6); each field's bounds are checked by check().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace linarite::hub {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct C2dOptions {
  uint32_t queue_depth_max = 50;             // Pending messages of one device; 1 to 1,000,000.
  uint64_t queue_bytes_max = 256ULL << 20U;  // Bytes of pending messages of one device.
  Duration default_ttl = hours(1);           // 1 minute to 2 days.
  Duration ttl_max = hours(48);
  Duration lock_duration = seconds(60);  // Of a message received without a connection.
  uint32_t delivery_count_max = 10;      // 1 to 100.
  // False: a device that subscribes for the first time gets everything that waits for it. True:
  // what was sent before its first subscription is dead-lettered as Rejected (device-protocol 6.7).
  bool strict_subscription_time = false;
};

struct FeedbackOptions {
  Duration ttl = hours(1);               // 1 minute to 2 days.
  Duration lock_duration = seconds(60);  // 5 to 300 seconds.
  uint32_t delivery_count_max = 10;      // 1 to 100.
  // False: a record leaves as soon as a receiver has credit. True: a batch is closed at 64 records
  // or 15 seconds after the previous one, as the original does.
  bool batched = false;
};

inline constexpr const char* kDefaultConsumerGroup = "$Default";
inline constexpr size_t kConsumerGroupsMax = 20;  // With $Default.
inline constexpr size_t kConsumerGroupNameSizeMax = 50;

// Device-to-cloud events (service-protocol 4.11).
struct EventOptions {
  // Besides $Default, which always exists: letters, digits, '-', '.' and '_', different also
  // without regard to case.
  std::vector<std::string> consumer_groups;
  Duration retention = hours(24);           // 1 to 7 days.
  uint64_t log_bytes_max = 1ULL << 30U;     // Of one partition's retained events; at least 4 MiB.
  uint64_t tail_cache_bytes = 4ULL << 20U;  // Of the last events kept in memory, per partition.
};

// Rates (service-protocol 7.1); 0: no limit. A period's worth may come at once.
struct ThrottleOptions {
  uint32_t address_connects_per_second = 0;
  uint32_t authentication_failures_per_minute = 60;  // Of one address.
  uint32_t connects_per_second = 0;                  // Of all devices together.
  uint32_t device_connects_per_minute = 0;
  uint32_t device_messages_per_second = 0;
  uint64_t device_bytes_per_second = 0;
  uint32_t c2d_sends_per_minute = 0;  // Of all policies together.
  uint32_t policy_c2d_sends_per_minute = 0;
  uint32_t policy_registry_calls_per_minute = 0;
};

struct HubOptions {
  // host_names[0] is the hub's name in connection strings and feedback; the others are aliases that
  // tokens may be made for. Lower case, without ports.
  std::vector<std::string> host_names = {"127.0.0.1", "localhost"};
  C2dOptions c2d;
  FeedbackOptions feedback;
  EventOptions events;
  ThrottleOptions throttle;
  uint32_t device_count_max = 1'000'000;
  // Waiting messages of all devices, and feedback that nobody has taken yet, together: each takes a
  // place in memory, also when it lies on the disk. Beyond it new messages are refused
  // (kServiceUnavailable).
  uint64_t queued_messages_max = 10'000'000;
  // Message bodies kept in memory between enqueue and delivery, per partition; above it they are
  // read from the store again.
  uint64_t message_cache_bytes = 64ULL << 20U;
  // What may wait for the disk, per partition, before new messages and identity writes are refused
  // (kServiceUnavailable). What ends a message is always taken: it is bounded by what is in flight.
  uint64_t commit_backlog_bytes_max = 32ULL << 20U;  // At least 1 MiB.

  // kArgumentInvalid naming the first field that is out of its bounds.
  Status check() const;
};

}  // namespace linarite::hub
