// A cloud-to-device message as every part of the program sees it: what the back end sent (over AMQP
// or HTTP), what the queue stores, what the device receives. A plain value; it knows no protocol.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace linarite::wire {

inline constexpr size_t kC2dMessageSizeMax = 65536;   // C2dMessage::size(), service-protocol 2.2
inline constexpr size_t kMessageIdSizeMax = 128;      // message and correlation id, in bytes
inline constexpr size_t kPropertyCountMax = 1000;     // application properties of one message
inline constexpr size_t kPropertyNameSizeMax = 1024;  // bytes

// Which outcomes the sender wants feedback about. The values are stored: never renumber.
enum class Ack : uint8_t { kNone = 0, kPositive = 1, kNegative = 2, kFull = 3 };

// The words senders use, in any case: none, positive, positiveonly, negative, negativeonly, full.
std::optional<Ack> parse_ack(std::string_view word);
// none, positive, negative or full; devices accept nothing else (device-protocol 1.11).
std::string_view ack_word(Ack ack);

struct C2dMessage {
  // Present only if the sender set them. Text, except user_id, which is any bytes.
  std::optional<std::string> message_id;
  std::optional<std::string> correlation_id;
  std::optional<std::string> user_id;
  std::optional<std::string> to;  // as sent, not normalised
  std::optional<std::string> content_type;
  std::optional<std::string> content_encoding;
  std::optional<WallTime> expiry;  // the sender's own; the queue's default is not written here
  std::optional<Ack> ack;
  // Application properties in the sender's order.
  std::vector<std::pair<std::string, std::string>> properties;
  std::string body;

  // What the 64 KB limit counts: the body and the names and values of all properties, each system
  // property under its AMQP name (amqp-core 3.2.4), a time as 8 bytes.
  size_t size() const;

  bool operator==(const C2dMessage&) const = default;
};

// Whether a message may be queued: 413001 when size() is above kC2dMessageSizeMax, 400004 when an
// id is too long, there are too many properties, a name is empty or too long, or text is not UTF-8.
Status check_c2d_message(const C2dMessage& message);

}  // namespace linarite::wire
