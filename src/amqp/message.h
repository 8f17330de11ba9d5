// The AMQP 1.0 message format (part 3, section 3.2): reading a message in place, and writing one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "amqp/decoder.h"
#include "amqp/encoder.h"
#include "amqp/value.h"
#include "base/bytes.h"
#include "base/error.h"

namespace linarite::amqp {

// Entries of one map of a message: annotations, application properties, footer.
inline constexpr size_t kMessageMapEntriesMax = 4096;
// Data or sequence sections of one message.
inline constexpr size_t kBodySectionsMax = 1024;

enum class Section : uint64_t {
  kHeader = 0x70,
  kDeliveryAnnotations = 0x71,
  kMessageAnnotations = 0x72,
  kProperties = 0x73,
  kApplicationProperties = 0x74,
  kData = 0x75,
  kSequence = 0x76,
  kValue = 0x77,
  kFooter = 0x78,
};

struct Header {
  bool durable = false;
  uint8_t priority = 4;
  std::optional<uint32_t> ttl_ms{};
  bool first_acquirer = false;
  uint32_t delivery_count = 0;
};

// The properties section in place; strings are valid UTF-8. A message-id or correlation-id keeps
// its type: ulong, uuid, binary or string, null when absent (3.2.11 to 3.2.14).
struct PropertiesView {
  ValueView message_id;
  std::optional<ByteView> user_id{};
  std::optional<std::string_view> to{};
  std::optional<std::string_view> subject{};
  std::optional<std::string_view> reply_to{};
  ValueView correlation_id;
  std::optional<std::string_view> content_type{};  // Symbol; a string is taken too, as uAMQP sends.
  std::optional<std::string_view> content_encoding{};  // The same.
  std::optional<int64_t> absolute_expiry_time_ms{};
  std::optional<int64_t> creation_time_ms{};
  std::optional<std::string_view> group_id{};
  std::optional<uint32_t> group_sequence{};
  std::optional<std::string_view> reply_to_group_id{};
};

enum class BodyKind : uint8_t { kNone, kData, kSequence, kValue };

// A message in place: everything points into the bytes it was read from.
struct MessageView {
  std::optional<Header> header{};
  ValueView delivery_annotations;  // A map, or null. The same for the next two and footer.
  ValueView message_annotations;
  PropertiesView properties;
  ValueView application_properties;  // String keys, values of simple types.
  BodyKind body_kind = BodyKind::kNone;
  // kData: the content of the first section. kValue: the encoded value. kSequence: the first list.
  ByteView body;
  size_t body_sections = 0;
  ByteView body_encoded;  // All body sections as they came.
  ValueView footer;

  // All data sections in one piece.
  Bytes data() const;
};

// Reads and checks a whole message: section order, each section at most once (data and sequence may
// repeat), one kind of body, every value well-formed, map keys of the allowed types and all
// different. A message without a body is taken: clients send it. No allocation for ordinary
// messages. Fails with kMalformed, which a receiver reports as amqp:decode-error.
Status read_message(ByteView bytes, MessageView& out);

// A properties section to be written.
struct Properties {
  Value message_id{};
  std::optional<Bytes> user_id{};
  std::optional<std::string> to{};
  std::optional<std::string> subject{};
  std::optional<std::string> reply_to{};
  Value correlation_id{};
  std::optional<std::string> content_type{};
  std::optional<std::string> content_encoding{};
  std::optional<int64_t> absolute_expiry_time_ms{};
  std::optional<int64_t> creation_time_ms{};
  std::optional<std::string> group_id{};
  std::optional<uint32_t> group_sequence{};
  std::optional<std::string> reply_to_group_id{};

  bool empty() const;
};

// A message to be written, or a copy of one that was read.
struct Message {
  std::optional<Header> header{};
  Value delivery_annotations{};  // A map, or null. The same for the next two and footer.
  Value message_annotations{};
  Properties properties;
  Value application_properties{};
  BodyKind body_kind = BodyKind::kNone;
  std::vector<Bytes> data{};       // kData: one section each.
  std::vector<Value> sequences{};  // kSequence: one list each.
  Value value{};                   // kValue
  Value footer{};
};

// Appends the message; sections that are empty are left out.
void write_message(const Message& message, Bytes& out);
// read_message() and a deep copy.
Result<Message> decode_message(ByteView bytes);

// Single sections, for writers that have no Message.
void write_header(const Header& header, Bytes& out);
void write_properties(const Properties& properties, Bytes& out);
void write_section(Section section, const Value& value, Bytes& out);
void write_data(ByteView data, Bytes& out);

}  // namespace linarite::amqp
