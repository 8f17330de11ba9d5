#include "mqtt/packet.h"

#include <gtest/gtest.h>

namespace linarite::mqtt {
namespace {

using namespace std::string_literals;

// The packet that `bytes` is, whole and alone; an error otherwise.
Result<Packet> decode(ByteView bytes) {
  const auto header = decode_fixed_header(bytes, kRemainingLengthMax);
  if (!header) return std::unexpected(header.error());
  if (!*header) return fail(ErrorCode::kMalformed, "incomplete");
  if (bytes.size() != (*header)->size + size_t{(*header)->remaining_length}) {
    return fail(ErrorCode::kMalformed, "incomplete");
  }
  return decode_packet(**header, bytes.substr((*header)->size));
}

// `packet` encodes to `bytes`, and these decode to it again.
void expect_both_ways(const Packet& packet, const Bytes& bytes) {
  Bytes out;
  encode(packet, out);
  EXPECT_EQ(out, bytes);
  const auto decoded = decode(bytes);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  EXPECT_TRUE(*decoded == packet);
}

std::string refusal(ByteView bytes) {
  const auto decoded = decode(bytes);
  return decoded ? "accepted" : decoded.error().message;
}

TEST(Packet, ConnectWithEverything) {
  Connect connect;
  connect.client_id = "dev1";
  connect.user_name = "hub/dev1";
  connect.will = Will{"w/t", "bye", Qos::kAtLeastOnce, true};
  connect.keep_alive_seconds = 300;
  const Bytes password = "s\0t"s;
  connect.password = password;
  expect_both_ways(connect,
                   "\x10\x29\0\4MQTT\4\xEC\x01\x2C\0\4dev1\0\3w/t\0\3bye\0\x08hub/dev1\0\3s\0t"s);
}

TEST(Packet, ConnectWithNothing) {
  Connect connect;
  connect.clean_session = true;
  expect_both_ways(connect, "\x10\x0C\0\4MQTT\4\x02\0\0\0\0"s);
}

TEST(Packet, ConnectOfAnotherProtocolIsToldApart) {
  expect_both_ways(UnsupportedConnect{"MQIsdp", 3, "\2\0\0\0\0"s},
                   "\x10\x0E\0\6MQIsdp\3\2\0\0\0\0"s);
  expect_both_ways(UnsupportedConnect{"MQTT", 5, ""}, "\x10\7\0\4MQTT\5"s);
  expect_both_ways(UnsupportedConnect{"mqtt", 4, ""}, "\x10\7\0\4mqtt\4"s);
}

TEST(Packet, ConnectRefusals) {
  EXPECT_EQ(refusal("\x10\x0C\0\4MQTT\4\x03\0\0\0\0"s), "reserved CONNECT flag");
  EXPECT_EQ(refusal("\x10\x0C\0\4MQTT\4\x08\0\0\0\0"s), "will flags without a will");
  EXPECT_EQ(refusal("\x10\x0C\0\4MQTT\4\x20\0\0\0\0"s), "will flags without a will");
  EXPECT_EQ(refusal("\x10\x12\0\4MQTT\4\x1C\0\0\0\0\0\1w\0\1p"s), "QoS 3 or reserved bits");
  EXPECT_EQ(refusal("\x10\x10\0\4MQTT\4\x04\0\0\0\0\0\0\0\0"s), "empty topic");
  EXPECT_EQ(refusal("\x10\x0F\0\4MQTT\4\x40\0\0\0\0\0\1p"s), "password without a user name");
  EXPECT_EQ(refusal("\x10\x0D\0\4MQTT\4\x02\0\0\0\0x"s), "bytes after the last field");
  EXPECT_EQ(refusal("\x10\x0C\0\4MQTT\4\x02\0\0\0\1"s), "a field ends after its packet");
  EXPECT_EQ(refusal("\x10\x0C\0\4MQTT\4\x82\0\0\0\0"s), "a field ends after its packet");
  EXPECT_EQ(refusal("\x10\x0F\0\4MQTT\4\2\0\0\0\3a\0b"s), "string is not allowed UTF-8");
  EXPECT_EQ(refusal("\x10\3\0\1M"s), "a field ends after its packet");
  EXPECT_EQ(refusal("\x11\x0C\0\4MQTT\4\x02\0\0\0\0"s), "reserved flags");
}

TEST(Packet, ConnAck) {
  expect_both_ways(ConnAck{ConnectReturnCode::kAccepted, true}, "\x20\2\1\0"s);
  expect_both_ways(ConnAck{ConnectReturnCode::kNotAuthorized, false}, "\x20\2\0\5"s);
  EXPECT_EQ(refusal("\x20\2\2\0"s), "reserved CONNACK flags");
  EXPECT_EQ(refusal("\x20\2\0\6"s), "reserved CONNACK return code");
  EXPECT_EQ(refusal("\x20\2\1\5"s), "session present in a refusal");
  EXPECT_EQ(refusal("\x20\3\0\0\0"s), "remaining length does not fit the packet type");
}

TEST(Packet, Publish) {
  expect_both_ways(Publish{"a/b", "hello"}, "\x30\x0A\0\3a/bhello"s);
  expect_both_ways(Publish{"a", "", 0x0102, Qos::kAtLeastOnce, true, true}, "\x3B\5\0\1a\1\2"s);
  expect_both_ways(Publish{"a", "", 7, Qos::kExactlyOnce, false, false}, "\x34\5\0\1a\0\7"s);
  // Device ids hold wildcards; the topics of such a device have to pass.
  expect_both_ways(Publish{"devices/a+b#/x", ""},
                   "\x30\x10\0\x0E"
                   "devices/a+b#/x"s);
}

TEST(Packet, PublishRefusals) {
  EXPECT_EQ(refusal("\x36\5\0\1a\0\7"s), "PUBLISH with QoS 3");
  EXPECT_EQ(refusal("\x38\3\0\1a"s), "QoS 0 PUBLISH with DUP");
  EXPECT_EQ(refusal("\x32\5\0\1a\0\0"s), "packet id 0");
  EXPECT_EQ(refusal("\x32\4\0\1a\1"s), "a field ends after its packet");
  EXPECT_EQ(refusal("\x32\3\0\1a"s), "a field ends after its packet");
  EXPECT_EQ(refusal("\x30\3\0\2a"s), "a field ends after its packet");
  EXPECT_EQ(refusal("\x30\4\xFF\xFF"
                    "ab"s),
            "a field ends after its packet");
  EXPECT_EQ(refusal("\x30\3\0\0x"s), "empty topic");
  EXPECT_EQ(refusal("\x30\2\0\0"s), "remaining length does not fit the packet type");
}

TEST(Packet, StringsAreStrictUtf8) {
  const auto topic = [](const Bytes& text) {
    Bytes out;
    encode(Publish{text, ""}, out);
    return refusal(out);
  };
  EXPECT_EQ(topic("gr\xC3\xBC\xC3\x9F/\xE2\x82\xAC/\xF0\x9F\x98\x80"), "accepted");
  EXPECT_EQ(topic("\xEF\xBB\xBF"), "accepted");  // U+FEFF (1.5.3)
  EXPECT_EQ(topic("\xEF\xBF\xBD"), "accepted");  // U+FFFD
  EXPECT_EQ(topic("tab\there"), "accepted");
  const Bytes bad[] = {
      "a\0b"s,              // U+0000
      "\xED\xA0\x80"s,      // A surrogate.
      "\xC0\xAF"s,          // An overlong '/'.
      "\xE0\x80\xAF"s,      // And a longer one.
      "\xF4\x90\x80\x80"s,  // Above U+10FFFF.
      "\x80"s,              // A continuation alone.
      "a\xC3"s,             // Cut off.
      "\xEF\xBF\xBF"s,      // U+FFFF
      "\xEF\xB7\x90"s,      // U+FDD0
      "\xF0\x9F\xBF\xBE"s,  // U+1FFFE
  };
  for (const Bytes& text : bad) EXPECT_EQ(topic(text), "string is not allowed UTF-8");
  EXPECT_FALSE(is_mqtt_string(Bytes(kStringSizeMax + 1, 'a')));
}

TEST(Packet, Acknowledgements) {
  expect_both_ways(PubAck{0xFFFF}, "\x40\2\xFF\xFF"s);
  expect_both_ways(PubRec{1}, "\x50\2\0\1"s);
  expect_both_ways(PubRel{1}, "\x62\2\0\1"s);
  expect_both_ways(PubComp{1}, "\x70\2\0\1"s);
  expect_both_ways(UnsubAck{258}, "\xB0\2\1\2"s);
  for (const char* type : {"\x40", "\x50", "\x62", "\x70", "\xB0"}) {
    EXPECT_EQ(refusal(type + "\2\0\0"s), "packet id 0");
    EXPECT_EQ(refusal(type + "\1\1"s), "remaining length does not fit the packet type");
    EXPECT_EQ(refusal(type + "\3\0\1\0"s), "remaining length does not fit the packet type");
  }
  EXPECT_EQ(refusal("\x41\2\0\1"s), "reserved flags");
  EXPECT_EQ(refusal("\x60\2\0\1"s), "reserved flags");
}

TEST(Packet, Subscribe) {
  expect_both_ways(Subscribe{10, {{"a/b", Qos::kAtLeastOnce}, {"#", Qos::kExactlyOnce}}},
                   "\x82\x0C\0\x0A\0\3a/b\1\0\1#\2"s);
  EXPECT_EQ(refusal("\x80\6\0\1\0\1a\0"s), "reserved flags");
  EXPECT_EQ(refusal("\x82\6\0\0\0\1a\0"s), "packet id 0");
  EXPECT_EQ(refusal("\x82\6\0\1\0\1a\3"s), "QoS 3 or reserved bits");
  EXPECT_EQ(refusal("\x82\6\0\1\0\1a\x80"s), "QoS 3 or reserved bits");
  EXPECT_EQ(refusal("\x82\6\0\1\0\0\0\0"s), "empty topic");
  EXPECT_EQ(refusal("\x82\7\0\1\0\1a\0\0"s), "a field ends after its packet");
  EXPECT_EQ(refusal("\x82\2\0\1"s), "remaining length does not fit the packet type");
}

TEST(Packet, SubAck) {
  expect_both_ways(SubAck{1, "\0\1\2\x80"s}, "\x90\6\0\1\0\1\2\x80"s);
  EXPECT_EQ(refusal("\x90\3\0\1\3"s), "reserved SUBACK code");
  EXPECT_EQ(refusal("\x90\3\0\0\0"s), "packet id 0");
  EXPECT_EQ(refusal("\x90\2\0\1"s), "remaining length does not fit the packet type");
}

TEST(Packet, Unsubscribe) {
  expect_both_ways(Unsubscribe{11, {"a/b", "c"}}, "\xA2\x0A\0\x0B\0\3a/b\0\1c"s);
  EXPECT_EQ(refusal("\xA0\5\0\1\0\1a"s), "reserved flags");
  EXPECT_EQ(refusal("\xA2\5\0\0\0\1a"s), "packet id 0");
  EXPECT_EQ(refusal("\xA2\5\0\1\0\2a"s), "a field ends after its packet");
  EXPECT_EQ(refusal("\xA2\2\0\1"s), "remaining length does not fit the packet type");
}

TEST(Packet, FiltersOfOnePacketAreCounted) {
  Subscribe subscribe{1, {}};
  Unsubscribe unsubscribe{1, {}};
  for (size_t i = 0; i < kFiltersPerPacketMax; ++i) {
    subscribe.subscriptions.push_back({"a", Qos::kAtMostOnce});
    unsubscribe.filters.push_back("a");
  }
  Bytes most;
  encode(subscribe, most);
  EXPECT_EQ(refusal(most), "accepted");
  subscribe.subscriptions.push_back({"a", Qos::kAtMostOnce});
  unsubscribe.filters.push_back("a");
  Bytes too_many;
  encode(subscribe, too_many);
  EXPECT_EQ(refusal(too_many), "too many topic filters in one packet");
  too_many.clear();
  encode(unsubscribe, too_many);
  EXPECT_EQ(refusal(too_many), "too many topic filters in one packet");
}

TEST(Packet, EmptyOnes) {
  expect_both_ways(PingReq{}, "\xC0\0"s);
  expect_both_ways(PingResp{}, "\xD0\0"s);
  expect_both_ways(Disconnect{}, "\xE0\0"s);
  for (const char* type : {"\xC0", "\xD0", "\xE0"}) {
    EXPECT_EQ(refusal(type + "\1x"s), "remaining length does not fit the packet type");
  }
  EXPECT_EQ(refusal("\xC1\0"s), "reserved flags");
  EXPECT_EQ(refusal("\xEF\0"s), "reserved flags");
}

TEST(FixedHeader, ReservedTypesAreRefusedAtTheFirstByte) {
  EXPECT_EQ(decode_fixed_header("\x00"s, 100).error().message, "reserved packet type");
  EXPECT_EQ(decode_fixed_header("\xF0"s, 100).error().message, "reserved packet type");
  EXPECT_EQ(decode_fixed_header("\x83"s, 100).error().message, "reserved flags");
}

TEST(FixedHeader, WaitsForTheWholeLength) {
  EXPECT_FALSE(decode_fixed_header("", 100)->has_value());
  EXPECT_FALSE(decode_fixed_header("\x30"s, 100)->has_value());
  EXPECT_FALSE(decode_fixed_header("\x30\x80"s, 100)->has_value());
  EXPECT_FALSE(decode_fixed_header("\x30\x80\x80\x80"s, 100)->has_value());
}

TEST(FixedHeader, LengthsAtTheEdges) {
  const auto length = [](const Bytes& bytes) {
    const auto header = decode_fixed_header("\x30" + bytes, kRemainingLengthMax);
    return header ? header->value().remaining_length : 0;
  };
  EXPECT_EQ(length("\x7F"s), 127U);
  EXPECT_EQ(length("\x80\x01"s), 128U);
  EXPECT_EQ(length("\xFF\x7F"s), 16'383U);
  EXPECT_EQ(length("\x80\x80\x01"s), 16'384U);
  EXPECT_EQ(length("\x80\x80\x80\x01"s), 2'097'152U);
  EXPECT_EQ(length("\xFF\xFF\xFF\x7F"s), kRemainingLengthMax);
}

TEST(FixedHeader, RefusesLongAndOverlongLengths) {
  const auto error = [](const Bytes& bytes) {
    return decode_fixed_header("\x30" + bytes, 1000).error();
  };
  EXPECT_EQ(error("\x80\x80\x80\x80"s).message, "remaining length has more than four bytes");
  EXPECT_EQ(error("\x85\x00"s).message, "remaining length is not minimal");
  EXPECT_EQ(error("\xE9\x07"s).code, ErrorCode::kLimitExceeded);  // 1001
  EXPECT_EQ(error("\xFF\xFF\xFF\x7F"s).code, ErrorCode::kLimitExceeded);
  EXPECT_EQ(decode_fixed_header("\x30\xE8\x07"s, 1000)->value().remaining_length, 1000U);
}

// Every way to cut a packet short, or to lie about its length, is refused.
TEST(Packet, EveryTruncationIsRefused) {
  Connect connect;
  connect.client_id = "dev1";
  connect.user_name = "u";
  connect.password = "p";
  connect.will = Will{"w", "x", Qos::kAtMostOnce, false};
  const Packet packets[] = {connect, Publish{"a/b", "", 7, Qos::kAtLeastOnce}, PubAck{1},
                            Subscribe{1, {{"a", Qos::kAtMostOnce}}}, Unsubscribe{1, {"a/b"}}};
  for (const Packet& packet : packets) {
    Bytes whole;
    encode(packet, whole);
    for (size_t size = 0; size + 3 <= whole.size(); ++size) {
      Bytes cut = whole.substr(0, 2 + size);
      cut[1] = static_cast<char>(size);
      EXPECT_NE(refusal(cut), "accepted") << size;
    }
  }
}

}  // namespace
}  // namespace linarite::mqtt
