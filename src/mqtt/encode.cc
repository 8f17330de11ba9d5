#include "base/check.h"
#include "mqtt/packet.h"

namespace linarite::mqtt {
namespace {

constexpr size_t kPacketIdSize = 2;

void begin(PacketType type, unsigned flags, size_t remaining_length, Bytes& out) {
  CHECK(remaining_length <= kRemainingLengthMax);
  out.push_back(static_cast<char>((static_cast<unsigned>(type) << 4U) | flags));
  do {
    const size_t low = remaining_length & 0x7FU;
    remaining_length >>= 7U;
    out.push_back(static_cast<char>(remaining_length > 0 ? (low | 0x80U) : low));
  } while (remaining_length > 0);
}

void put_number(uint16_t value, Bytes& out) { ByteWriter(out).number(value); }

size_t field_size(ByteView bytes) { return 2 + bytes.size(); }

void put_field(ByteView bytes, Bytes& out) {
  CHECK(bytes.size() <= kStringSizeMax);
  put_number(static_cast<uint16_t>(bytes.size()), out);
  out.append(bytes);
}

void put_packet_id(uint16_t id, Bytes& out) {
  CHECK(id != 0);
  put_number(id, out);
}

unsigned connect_flags(const Connect& c) {
  unsigned flags = c.clean_session ? 0x02U : 0;
  if (c.will) {
    flags |= 0x04U | (static_cast<unsigned>(c.will->qos) << 3U) | (c.will->retain ? 0x20U : 0);
  }
  if (c.password) flags |= 0x40U;
  if (c.user_name) flags |= 0x80U;
  return flags;
}

template <PacketType type>
void encode_packet_id_only(const PacketIdOnly<type>& packet, Bytes& out) {
  begin(type, type == PacketType::kPubRel ? 2 : 0, kPacketIdSize, out);
  put_packet_id(packet.packet_id, out);
}

}  // namespace

void encode(const Connect& packet, Bytes& out) {
  CHECK(!packet.password || packet.user_name);
  constexpr ByteView kProtocolName = "MQTT";
  size_t length = field_size(kProtocolName) + 1 + 1 + 2 + field_size(packet.client_id);
  if (packet.will) length += field_size(packet.will->topic) + field_size(packet.will->payload);
  if (packet.user_name) length += field_size(*packet.user_name);
  if (packet.password) length += field_size(*packet.password);
  begin(PacketType::kConnect, 0, length, out);
  put_field(kProtocolName, out);
  out.push_back(4);
  out.push_back(static_cast<char>(connect_flags(packet)));
  put_number(packet.keep_alive_seconds, out);
  put_field(packet.client_id, out);
  if (packet.will) {
    put_field(packet.will->topic, out);
    put_field(packet.will->payload, out);
  }
  if (packet.user_name) put_field(*packet.user_name, out);
  if (packet.password) put_field(*packet.password, out);
}

void encode(const UnsupportedConnect& packet, Bytes& out) {
  begin(PacketType::kConnect, 0, field_size(packet.protocol_name) + 1 + packet.rest.size(), out);
  put_field(packet.protocol_name, out);
  out.push_back(static_cast<char>(packet.protocol_level));
  out.append(packet.rest);
}

void encode(const ConnAck& packet, Bytes& out) {
  begin(PacketType::kConnAck, 0, 2, out);
  out.push_back(packet.session_present ? 1 : 0);
  out.push_back(static_cast<char>(packet.return_code));
}

void encode(const Publish& packet, Bytes& out) {
  const bool has_id = packet.qos != Qos::kAtMostOnce;
  const unsigned flags =
      (packet.dup ? 8U : 0) | (static_cast<unsigned>(packet.qos) << 1U) | (packet.retain ? 1U : 0);
  begin(PacketType::kPublish, flags,
        field_size(packet.topic) + (has_id ? kPacketIdSize : 0) + packet.payload.size(), out);
  put_field(packet.topic, out);
  if (has_id) put_packet_id(packet.packet_id, out);
  out.append(packet.payload);
}

void encode(const PubAck& packet, Bytes& out) { encode_packet_id_only(packet, out); }
void encode(const PubRec& packet, Bytes& out) { encode_packet_id_only(packet, out); }
void encode(const PubRel& packet, Bytes& out) { encode_packet_id_only(packet, out); }
void encode(const PubComp& packet, Bytes& out) { encode_packet_id_only(packet, out); }
void encode(const UnsubAck& packet, Bytes& out) { encode_packet_id_only(packet, out); }

void encode(const Subscribe& packet, Bytes& out) {
  CHECK(!packet.subscriptions.empty());
  size_t length = kPacketIdSize;
  for (const Subscription& s : packet.subscriptions) length += field_size(s.filter) + 1;
  begin(PacketType::kSubscribe, 2, length, out);
  put_packet_id(packet.packet_id, out);
  for (const Subscription& s : packet.subscriptions) {
    put_field(s.filter, out);
    out.push_back(static_cast<char>(s.qos));
  }
}

void encode(const SubAck& packet, Bytes& out) {
  CHECK(!packet.codes.empty());
  begin(PacketType::kSubAck, 0, kPacketIdSize + packet.codes.size(), out);
  put_packet_id(packet.packet_id, out);
  out.append(packet.codes);
}

void encode(const Unsubscribe& packet, Bytes& out) {
  CHECK(!packet.filters.empty());
  size_t length = kPacketIdSize;
  for (const ByteView filter : packet.filters) length += field_size(filter);
  begin(PacketType::kUnsubscribe, 2, length, out);
  put_packet_id(packet.packet_id, out);
  for (const ByteView filter : packet.filters) put_field(filter, out);
}

void encode(const PingReq&, Bytes& out) { begin(PacketType::kPingReq, 0, 0, out); }
void encode(const PingResp&, Bytes& out) { begin(PacketType::kPingResp, 0, 0, out); }
void encode(const Disconnect&, Bytes& out) { begin(PacketType::kDisconnect, 0, 0, out); }

void encode(const Packet& packet, Bytes& out) {
  std::visit([&out](const auto& p) { encode(p, out); }, packet);
}

}  // namespace linarite::mqtt
