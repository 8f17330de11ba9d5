#include "hub/records.h"

#include <gtest/gtest.h>

namespace linarite::hub {
namespace {

const WallTime kTime{std::chrono::milliseconds(1767322245123)};

// Every shortened and every lengthened value must be refused, and no byte may be left unread.
template <class Decode>
void expect_whole_or_nothing(const Bytes& value, Decode decode) {
  EXPECT_TRUE(decode(value));
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(decode(ByteView(value).substr(0, size))) << size;
  }
  EXPECT_FALSE(decode(value + "x"));
  Bytes other_version = value;
  other_version[0] = 2;
  EXPECT_FALSE(decode(other_version));
}

TEST(RecordsTest, Identity) {
  const Identity identity{.device_id = "d1",
                          .generation_id = "63",
                          .etag = "e",
                          .status = DeviceStatus::kDisabled,
                          .status_reason = "r",
                          .status_updated = kTime,
                          .authentication = AuthenticationType::kSelfSigned,
                          .primary_key = "a",
                          .secondary_key = "b",
                          .primary_thumbprint = "c",
                          .secondary_thumbprint = "d",
                          .iot_edge = true,
                          .device_scope = "s"};
  const Bytes value = encode_identity(identity);
  EXPECT_EQ(decode_identity(value), identity);
  expect_whole_or_nothing(value, decode_identity);
}

TEST(RecordsTest, Message) {
  const wire::C2dMessage message{.message_id = "m",
                                 .correlation_id = "c",
                                 .user_id = "u",
                                 .to = "t",
                                 .content_type = "ct",
                                 .content_encoding = "ce",
                                 .expiry = kTime,
                                 .ack = wire::Ack::kNegative,
                                 .properties = {{"a", "1"}, {"b", ""}},
                                 .body = std::string("\0x", 2)};
  const MessageHeader header{.device_id = "d1",
                             .enqueued = kTime,
                             .expiry = kTime,
                             .size = static_cast<uint32_t>(message.size()),
                             .ack = wire::Ack::kNegative};
  const Bytes value = encode_message(header, message);
  EXPECT_EQ(decode_message_header(value), header);
  const auto stored = decode_message(value);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->header, header);
  EXPECT_EQ(stored->message, message);
  expect_whole_or_nothing(value, decode_message);
}

TEST(RecordsTest, TheRest) {
  const FeedbackRecord record{"m", kTime, Outcome::kPurged, "d", "g"};
  EXPECT_EQ(decode_feedback(encode_feedback(record)), record);
  expect_whole_or_nothing(encode_feedback(record), decode_feedback);
  const Session session{{{"filter", 1, kTime}}};
  EXPECT_EQ(decode_session(encode_session(session)), session);
  expect_whole_or_nothing(encode_session(session), decode_session);
  const ConnectionTimes times{kTime, kTime};
  EXPECT_EQ(decode_connection_times(encode_connection_times(times)), times);
  expect_whole_or_nothing(encode_connection_times(times), decode_connection_times);
  expect_whole_or_nothing(encode_policy({"p", 3, "a", "b"}), decode_policy);
  const LogBegin begin{.sequence = 1, .offset = 2, .last_offset = 3, .last_enqueued = kTime};
  EXPECT_EQ(decode_log_begin(encode_log_begin(begin)), begin);
  expect_whole_or_nothing(encode_log_begin(begin), decode_log_begin);
  EXPECT_EQ(decode_number(encode_number(7)), 7U);
  expect_whole_or_nothing(encode_number(7), decode_number);
  EXPECT_EQ(key_sequence(record_key(kMessageKey, uint64_t{258})), 258U);
  EXPECT_FALSE(key_sequence("m123"));
}

}  // namespace
}  // namespace linarite::hub
