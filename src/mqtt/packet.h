// MQTT 3.1.1 control packets: what each holds, and plain functions from bytes to packets and back.
//
// Decoding is strict. Whatever the standard calls malformed is refused (reserved flags and types,
// strings that are not UTF-8 or hold U+0000, packet id 0, a body that is not consumed entirely),
// and so are a remaining length written longer than needed and Unicode noncharacters, which a
// receiver may refuse (1.5.3). A packet that decodes therefore encodes to the same bytes again.
//
// One thing is left to the caller: '+' and '#' in topic names and their places in topic filters. An
// Azure device id may contain both, so `devices/a+b/messages/events/` has to pass here; see
// topic_filter.h.
//
// Nothing here allocates from a length the peer declared. Decoded packets hold views of the bytes
// they were decoded from.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace linarite::mqtt {

// Largest string of a packet (1.5.3) and largest remaining length (2.2.3), in bytes.
inline constexpr size_t kStringSizeMax = 65'535;
inline constexpr uint32_t kRemainingLengthMax = 268'435'455;
// Topic filters of one SUBSCRIBE or UNSUBSCRIBE. The standard has no limit; Azure documents 5.
inline constexpr size_t kFiltersPerPacketMax = 64;

enum class PacketType : uint8_t {
  kConnect = 1,
  kConnAck = 2,
  kPublish = 3,
  kPubAck = 4,
  kPubRec = 5,
  kPubRel = 6,
  kPubComp = 7,
  kSubscribe = 8,
  kSubAck = 9,
  kUnsubscribe = 10,
  kUnsubAck = 11,
  kPingReq = 12,
  kPingResp = 13,
  kDisconnect = 14,
};

enum class Qos : uint8_t { kAtMostOnce = 0, kAtLeastOnce = 1, kExactlyOnce = 2 };

// 3.2.2.3
enum class ConnectReturnCode : uint8_t {
  kAccepted = 0,
  kUnacceptableProtocolVersion = 1,
  kIdentifierRejected = 2,
  kServerUnavailable = 3,
  kBadUserNameOrPassword = 4,
  kNotAuthorized = 5,
};

inline constexpr uint8_t kSubscribeRefused = 0x80;  // A SUBACK code (3.9.3).

struct Will {
  ByteView topic;
  ByteView payload;
  Qos qos = Qos::kAtMostOnce;
  bool retain = false;
  bool operator==(const Will&) const = default;
};

// 3.1, with protocol name MQTT and protocol level 4.
struct Connect {
  ByteView client_id;
  std::optional<ByteView> user_name;
  std::optional<ByteView> password;  // Only together with a user name (3.1.2.9).
  std::optional<Will> will;
  uint16_t keep_alive_seconds = 0;
  bool clean_session = false;
  bool operator==(const Connect&) const = default;
};

// A CONNECT with another protocol name or level. The standard leaves open what follows them, so the
// rest is not looked at.
struct UnsupportedConnect {
  ByteView protocol_name;
  uint8_t protocol_level = 0;
  ByteView rest;
  bool operator==(const UnsupportedConnect&) const = default;
};

struct ConnAck {
  ConnectReturnCode return_code = ConnectReturnCode::kAccepted;
  bool session_present = false;
  bool operator==(const ConnAck&) const = default;
};

struct Publish {
  ByteView topic;
  ByteView payload;
  uint16_t packet_id = 0;  // 0 exactly for QoS 0.
  Qos qos = Qos::kAtMostOnce;
  bool dup = false;
  bool retain = false;
  bool operator==(const Publish&) const = default;
};

template <PacketType type>
struct PacketIdOnly {
  uint16_t packet_id = 0;
  bool operator==(const PacketIdOnly&) const = default;
};
using PubAck = PacketIdOnly<PacketType::kPubAck>;
using PubRec = PacketIdOnly<PacketType::kPubRec>;
using PubRel = PacketIdOnly<PacketType::kPubRel>;
using PubComp = PacketIdOnly<PacketType::kPubComp>;
using UnsubAck = PacketIdOnly<PacketType::kUnsubAck>;

struct Subscription {
  ByteView filter;
  Qos qos = Qos::kAtMostOnce;
  bool operator==(const Subscription&) const = default;
};

struct Subscribe {
  uint16_t packet_id = 0;
  std::vector<Subscription> subscriptions;  // 1 to kFiltersPerPacketMax
  bool operator==(const Subscribe&) const = default;
};

struct SubAck {
  uint16_t packet_id = 0;
  ByteView codes;  // One byte for each filter: the granted QoS, or kSubscribeRefused.
  bool operator==(const SubAck&) const = default;
};

struct Unsubscribe {
  uint16_t packet_id = 0;
  std::vector<ByteView> filters;  // 1 to kFiltersPerPacketMax
  bool operator==(const Unsubscribe&) const = default;
};

template <PacketType type>
struct Empty {
  bool operator==(const Empty&) const = default;
};
using PingReq = Empty<PacketType::kPingReq>;
using PingResp = Empty<PacketType::kPingResp>;
using Disconnect = Empty<PacketType::kDisconnect>;

using Packet =
    std::variant<Connect, UnsupportedConnect, ConnAck, Publish, PubAck, PubRec, PubRel, PubComp,
                 Subscribe, SubAck, Unsubscribe, UnsubAck, PingReq, PingResp, Disconnect>;

struct FixedHeader {
  PacketType type;
  uint8_t flags;  // The low four bits of the first byte.
  uint8_t size;   // Of the fixed header itself, 2 to 5 bytes.
  uint32_t remaining_length;
};

// Reads the fixed header (2.2) at the front of `bytes`. Nothing while it is not complete. Fails as
// soon as the bytes cannot become a packet: a reserved type, wrong flags, a length the type cannot
// have (kMalformed), or one above `remaining_length_max` (kLimitExceeded).
Result<std::optional<FixedHeader>> decode_fixed_header(ByteView bytes,
                                                       uint32_t remaining_length_max);

// Reads the packet after its fixed header. `body` has exactly header.remaining_length bytes.
// kMalformed, or kLimitExceeded for more than kFiltersPerPacketMax filters.
Result<Packet> decode_packet(const FixedHeader& header, ByteView body);

// Each appends one whole packet. That strings fit kStringSizeMax, packets kRemainingLengthMax, ids
// are not 0 and lists not empty is the caller's duty (CHECK).
void encode(const Connect& packet, Bytes& out);
void encode(const UnsupportedConnect& packet, Bytes& out);
void encode(const ConnAck& packet, Bytes& out);
void encode(const Publish& packet, Bytes& out);
void encode(const PubAck& packet, Bytes& out);
void encode(const PubRec& packet, Bytes& out);
void encode(const PubRel& packet, Bytes& out);
void encode(const PubComp& packet, Bytes& out);
void encode(const Subscribe& packet, Bytes& out);
void encode(const SubAck& packet, Bytes& out);
void encode(const Unsubscribe& packet, Bytes& out);
void encode(const UnsubAck& packet, Bytes& out);
void encode(const PingReq& packet, Bytes& out);
void encode(const PingResp& packet, Bytes& out);
void encode(const Disconnect& packet, Bytes& out);
void encode(const Packet& packet, Bytes& out);

// Whether `bytes` may be an MQTT string: at most kStringSizeMax bytes of UTF-8 without U+0000 and
// without noncharacters.
bool is_mqtt_string(ByteView bytes);

}  // namespace linarite::mqtt
