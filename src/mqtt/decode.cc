#include <array>

#include "base/text.h"
#include "mqtt/packet.h"

namespace linarite::mqtt {
namespace {

constexpr std::string_view kProtocolName = "MQTT";
constexpr uint8_t kProtocolLevel = 4;

// CONNECT flags (3.1.2.3).
constexpr unsigned kFlagReserved = 0x01;
constexpr unsigned kFlagCleanSession = 0x02;
constexpr unsigned kFlagWill = 0x04;
constexpr unsigned kWillQosShift = 3;
constexpr unsigned kFlagWillRetain = 0x20;
constexpr unsigned kFlagPassword = 0x40;
constexpr unsigned kFlagUserName = 0x80;

std::unexpected<Error> malformed(const char* what) { return fail(ErrorCode::kMalformed, what); }

// What the fixed header of each type may say (2.2.2 and the sections of the packets). A CONNECT may
// be of any protocol, so only its name and level are sure to be there.
struct TypeRule {
  uint8_t flags;
  uint32_t length_min;
  uint32_t length_max;
};

constexpr std::array<TypeRule, 15> kTypeRules = {{
    {0, 0, 0},                    // Reserved; never looked at.
    {0, 3, kRemainingLengthMax},  // CONNECT
    {0, 2, 2},                    // CONNACK
    {0, 3, kRemainingLengthMax},  // PUBLISH; its flags are looked at apart.
    {0, 2, 2},                    // PUBACK
    {0, 2, 2},                    // PUBREC
    {2, 2, 2},                    // PUBREL
    {0, 2, 2},                    // PUBCOMP
    {2, 6, kRemainingLengthMax},  // SUBSCRIBE
    {0, 3, kRemainingLengthMax},  // SUBACK
    {2, 5, kRemainingLengthMax},  // UNSUBSCRIBE
    {0, 2, 2},                    // UNSUBACK
    {0, 0, 0},                    // PINGREQ
    {0, 0, 0},                    // PINGRESP
    {0, 0, 0},                    // DISCONNECT
}};

// A noncharacter is U+FDD0 to U+FDEF, or the last two code points of a plane. `s` is UTF-8.
bool has_noncharacter(ByteView s) {
  const auto byte = [s](size_t i) { return static_cast<unsigned char>(s[i]); };
  for (size_t i = 0; i + 2 < s.size(); ++i) {
    if (byte(i) == 0xEF) {
      if (byte(i + 1) == 0xBF && byte(i + 2) >= 0xBE) return true;
      if (byte(i + 1) == 0xB7 && byte(i + 2) >= 0x90 && byte(i + 2) <= 0xAF) return true;
    } else if (byte(i) >= 0xF0 && i + 3 < s.size()) {
      if ((byte(i + 1) & 0x0FU) == 0x0F && byte(i + 2) == 0xBF && byte(i + 3) >= 0xBE) return true;
    }
  }
  return false;
}

// Reads the fields of one packet. The first failure is remembered and everything read after it is
// empty, so a decoder can read all its fields and look once.
class FieldReader {
 public:
  explicit FieldReader(ByteView body) : reader_(body) {}

  uint8_t byte() { return value_or_short(reader_.number<uint8_t>()); }
  uint16_t number() { return value_or_short(reader_.number<uint16_t>()); }

  uint16_t packet_id() {
    const uint16_t id = number();
    if (id == 0) refuse("packet id 0");
    return id;
  }
  // A length of two bytes, then as many bytes (1.5.3, 3.1.3.5).
  ByteView binary() {
    const auto size = reader_.number<uint16_t>();
    const auto bytes = size ? reader_.take(*size) : std::nullopt;
    return value_or_short(bytes);
  }
  ByteView string() {
    const ByteView bytes = binary();
    if (!is_mqtt_string(bytes)) refuse("string is not allowed UTF-8");
    return bytes;
  }
  // A topic name or filter has at least one character (4.7.3).
  ByteView topic() {
    const ByteView bytes = string();
    if (bytes.empty()) refuse("empty topic");
    return bytes;
  }
  ByteView rest() {
    const ByteView bytes = reader_.rest();
    reader_ = ByteReader({});
    return bytes;
  }

  void refuse(const char* what) {
    if (failure_ == nullptr) failure_ = what;
  }
  bool failed() const { return failure_ != nullptr; }
  bool empty() const { return reader_.empty(); }

  // The packet, if every field was there and nothing follows the last one.
  template <class T>
  Result<Packet> finish(T&& packet) {
    if (!reader_.empty()) refuse("bytes after the last field");
    if (failed()) return malformed(failure_);
    return Packet(std::forward<T>(packet));
  }

 private:
  template <class T>
  T value_or_short(std::optional<T> value) {
    if (!value) refuse("a field ends after its packet");
    return failed() ? T{} : *value;
  }

  ByteReader reader_;
  const char* failure_ = nullptr;
};

Qos to_qos(FieldReader& in, unsigned bits) {
  if (bits > 2) in.refuse("QoS 3 or reserved bits");
  return static_cast<Qos>(bits > 2 ? 0 : bits);
}

// 3.1
Result<Packet> decode_connect(ByteView body) {
  FieldReader in(body);
  const ByteView protocol_name = in.string();
  const uint8_t protocol_level = in.byte();
  if (!in.failed() && (protocol_name != kProtocolName || protocol_level != kProtocolLevel)) {
    return in.finish(UnsupportedConnect{protocol_name, protocol_level, in.rest()});
  }
  Connect connect;
  const unsigned flags = in.byte();
  if ((flags & kFlagReserved) != 0) in.refuse("reserved CONNECT flag");
  connect.clean_session = (flags & kFlagCleanSession) != 0;
  connect.keep_alive_seconds = in.number();
  connect.client_id = in.string();
  const Qos will_qos = to_qos(in, (flags >> kWillQosShift) & 3U);
  const bool will_retain = (flags & kFlagWillRetain) != 0;
  if ((flags & kFlagWill) != 0) {
    const ByteView topic = in.topic();
    connect.will = Will{topic, in.binary(), will_qos, will_retain};
  } else if (will_qos != Qos::kAtMostOnce || will_retain) {
    in.refuse("will flags without a will");
  }
  if ((flags & kFlagUserName) != 0) connect.user_name = in.string();
  if ((flags & kFlagPassword) != 0) {
    if (!connect.user_name) in.refuse("password without a user name");
    connect.password = in.binary();
  }
  return in.finish(connect);
}

// 3.2
Result<Packet> decode_connack(ByteView body) {
  FieldReader in(body);
  const uint8_t flags = in.byte();
  const uint8_t code = in.byte();
  if (flags > 1) in.refuse("reserved CONNACK flags");
  if (code > static_cast<uint8_t>(ConnectReturnCode::kNotAuthorized)) {
    in.refuse("reserved CONNACK return code");
  }
  if (flags == 1 && code != 0) in.refuse("session present in a refusal");
  return in.finish(ConnAck{static_cast<ConnectReturnCode>(code), flags == 1});
}

// 3.3
Result<Packet> decode_publish(uint8_t flags, ByteView body) {
  FieldReader in(body);
  Publish publish;
  publish.retain = (flags & 1U) != 0;
  publish.qos = to_qos(in, (flags >> 1U) & 3U);
  publish.dup = (flags & 8U) != 0;
  publish.topic = in.topic();
  if (publish.qos != Qos::kAtMostOnce) {
    publish.packet_id = in.packet_id();
  }
  publish.payload = in.rest();
  return in.finish(publish);
}

template <class T>
Result<Packet> decode_packet_id_only(ByteView body) {
  FieldReader in(body);
  return in.finish(T{in.packet_id()});
}

// 3.8
Result<Packet> decode_subscribe(ByteView body) {
  FieldReader in(body);
  Subscribe subscribe;
  subscribe.packet_id = in.packet_id();
  do {
    if (subscribe.subscriptions.size() == kFiltersPerPacketMax) {
      return fail(ErrorCode::kLimitExceeded, "too many topic filters in one packet");
    }
    const ByteView filter = in.topic();
    subscribe.subscriptions.push_back({filter, to_qos(in, in.byte())});
  } while (!in.empty() && !in.failed());
  return in.finish(std::move(subscribe));
}

// 3.9
Result<Packet> decode_suback(ByteView body) {
  FieldReader in(body);
  const uint16_t packet_id = in.packet_id();
  const ByteView codes = in.rest();
  for (const char code : codes) {
    const auto value = static_cast<uint8_t>(code);
    if (value > 2 && value != kSubscribeRefused) in.refuse("reserved SUBACK code");
  }
  return in.finish(SubAck{packet_id, codes});
}

// 3.10
Result<Packet> decode_unsubscribe(ByteView body) {
  FieldReader in(body);
  Unsubscribe unsubscribe;
  unsubscribe.packet_id = in.packet_id();
  do {
    if (unsubscribe.filters.size() == kFiltersPerPacketMax) {
      return fail(ErrorCode::kLimitExceeded, "too many topic filters in one packet");
    }
    unsubscribe.filters.push_back(in.topic());
  } while (!in.empty() && !in.failed());
  return in.finish(std::move(unsubscribe));
}

Status check_flags(PacketType type, uint8_t flags) {
  if (type != PacketType::kPublish) {
    if (flags != kTypeRules[static_cast<size_t>(type)].flags) return malformed("reserved flags");
    return {};
  }
  const unsigned qos = (flags >> 1U) & 3U;
  if (qos == 3) return malformed("PUBLISH with QoS 3");
  if (qos == 0 && (flags & 8U) != 0) return malformed("QoS 0 PUBLISH with DUP");
  return {};
}

}  // namespace

bool is_mqtt_string(ByteView bytes) {
  if (bytes.size() > kStringSizeMax) return false;
  if (bytes.contains('\0')) return false;
  return ascii_size(bytes) == bytes.size() || (is_utf8(bytes) && !has_noncharacter(bytes));
}

Result<std::optional<FixedHeader>> decode_fixed_header(ByteView bytes,
                                                       uint32_t remaining_length_max) {
  if (bytes.empty()) return std::nullopt;
  const auto first = static_cast<uint8_t>(bytes[0]);
  const auto type_number = static_cast<uint8_t>(first >> 4U);
  const auto flags = static_cast<uint8_t>(first & 0x0FU);
  if (type_number == 0 || type_number == 15) return malformed("reserved packet type");
  const auto type = static_cast<PacketType>(type_number);
  if (Status status = check_flags(type, flags); !status) return std::unexpected(status.error());

  // 2.2.3: seven bits a byte, least significant first, at most four bytes.
  uint32_t length = 0;
  for (uint8_t i = 0; i < 4; ++i) {
    if (bytes.size() < 2U + i) return std::nullopt;
    const auto byte = static_cast<uint8_t>(bytes[1U + i]);
    length |= static_cast<uint32_t>(byte & 0x7FU) << (7U * i);
    if ((byte & 0x80U) != 0) continue;
    if (byte == 0 && i > 0) return malformed("remaining length is not minimal");
    const TypeRule& rule = kTypeRules[type_number];
    if (length < rule.length_min || length > rule.length_max) {
      return malformed("remaining length does not fit the packet type");
    }
    if (length > remaining_length_max) {
      return fail(ErrorCode::kLimitExceeded, "packet is too large");
    }
    return FixedHeader{type, flags, static_cast<uint8_t>(2U + i), length};
  }
  return malformed("remaining length has more than four bytes");
}

Result<Packet> decode_packet(const FixedHeader& header, ByteView body) {
  switch (header.type) {
    case PacketType::kConnect:
      return decode_connect(body);
    case PacketType::kConnAck:
      return decode_connack(body);
    case PacketType::kPublish:
      return decode_publish(header.flags, body);
    case PacketType::kPubAck:
      return decode_packet_id_only<PubAck>(body);
    case PacketType::kPubRec:
      return decode_packet_id_only<PubRec>(body);
    case PacketType::kPubRel:
      return decode_packet_id_only<PubRel>(body);
    case PacketType::kPubComp:
      return decode_packet_id_only<PubComp>(body);
    case PacketType::kSubscribe:
      return decode_subscribe(body);
    case PacketType::kSubAck:
      return decode_suback(body);
    case PacketType::kUnsubscribe:
      return decode_unsubscribe(body);
    case PacketType::kUnsubAck:
      return decode_packet_id_only<UnsubAck>(body);
    case PacketType::kPingReq:
      return FieldReader(body).finish(PingReq{});
    case PacketType::kPingResp:
      return FieldReader(body).finish(PingResp{});
    case PacketType::kDisconnect:
      return FieldReader(body).finish(Disconnect{});
  }
  return malformed("reserved packet type");
}

}  // namespace linarite::mqtt
