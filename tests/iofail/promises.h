// What a scenario was told, and what it only asked for. Without pointers: it lies in memory that
// outlives the process.
#pragma once

#include <array>
#include <cstdint>

namespace linarite::iofail {

enum class Told : uint8_t { kNothing, kAsked, kDone };

inline constexpr uint32_t kPartitions = 2;
inline constexpr uint32_t kDevicesMax = 64;
inline constexpr uint32_t kMessagesMax = 256;
inline constexpr uint32_t kEventsMax = 512;
inline constexpr uint32_t kTextMax = 400;

struct DevicePromise {
  Told created = Told::kNothing;
  Told disabled = Told::kNothing;
  Told deleted = Told::kNothing;
  Told purged = Told::kNothing;
  Told session = Told::kNothing;
  uint32_t purged_before = 0;         // Messages with a smaller number.
  std::array<char, 64> generation{};  // As it was told.
  std::array<char, 64> primary_key{};
};

struct MessagePromise {
  uint32_t device = 0;
  Told sent = Told::kNothing;
  Told completed = Told::kNothing;
  Told reported = Told::kNothing;  // Its feedback was accepted.
};

struct EventPromise {
  uint32_t partition = 0;
  Told appended = Told::kNothing;
  bool may_be_trimmed = false;
  bool seen = false;      // By a reader, under this number.
  uint64_t sequence = 0;  // If seen.
};

struct Promises {
  std::array<DevicePromise, kDevicesMax> devices;
  std::array<MessagePromise, kMessagesMax> messages;
  std::array<EventPromise, kEventsMax> events;
  uint32_t device_count = 0;
  uint32_t message_count = 0;
  uint32_t event_count = 0;
  Told key_renewed = Told::kNothing;
  std::array<char, 64> policy_key{};  // The last one told.
  int64_t wall_ms = 0;                // The time of the scenario.
  uint64_t writes_done = 0;
  // How it went.
  bool refused_to_open = false;
  bool read_failed = false;
  bool write_failed = false;
  bool finished = false;
  std::array<char, kTextMax> first_error{};
  std::array<char, kTextMax> broken{};  // A promise that was broken at once.
};

}  // namespace linarite::iofail
