// Frames and protocol headers (AMQP 1.0, part 2, sections 2.2 and 2.3).
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace linarite::amqp {

inline constexpr size_t kFrameHeaderSize = 8;
inline constexpr uint8_t kFrameTypeAmqp = 0;
inline constexpr uint8_t kFrameTypeSasl = 1;
// The smallest max-frame-size a peer may ask for (2.7.1).
inline constexpr uint32_t kFrameSizeFloor = 512;
// The largest frame taken before the peer's open has been read. The standard says 512; some clients
// put long user agents into their open.
inline constexpr uint32_t kPreOpenFrameMax = 4096;

inline constexpr size_t kProtocolHeaderSize = 8;
inline constexpr ByteView kAmqpHeader{"AMQP\x00\x01\x00\x00", kProtocolHeaderSize};
inline constexpr ByteView kSaslHeader{"AMQP\x03\x01\x00\x00", kProtocolHeaderSize};

struct FrameHeader {
  uint32_t size;         // Of the whole frame.
  uint32_t data_offset;  // In bytes.
  uint8_t type;
  uint16_t channel;
};

// Reads the first kFrameHeaderSize bytes of a frame. Nothing if the size is under kFrameHeaderSize
// or over `size_max`, or the data offset is under 8 or beyond the frame.
inline std::optional<FrameHeader> read_frame_header(ByteView bytes, uint32_t size_max) {
  ByteReader reader(bytes);
  const auto size = reader.number<uint32_t>();
  const auto words = reader.number<uint8_t>();
  const auto type = reader.number<uint8_t>();
  const auto channel = reader.number<uint16_t>();
  if (!channel || *size < kFrameHeaderSize || *size > size_max) return std::nullopt;
  const uint32_t data_offset = uint32_t{*words} * 4;
  if (data_offset < kFrameHeaderSize || data_offset > *size) return std::nullopt;
  return FrameHeader{*size, data_offset, *type, *channel};
}

// Appends a frame header whose size end_frame() fills in; returns where the frame starts.
inline size_t begin_frame(Bytes& out, uint8_t type, uint16_t channel) {
  const size_t start = out.size();
  const char header[kFrameHeaderSize] = {0,
                                         0,
                                         0,
                                         0,
                                         2,
                                         static_cast<char>(type),
                                         static_cast<char>(channel >> 8U),
                                         static_cast<char>(channel & 0xFFU)};
  out.append(header, kFrameHeaderSize);
  return start;
}

inline void end_frame(Bytes& out, size_t start) {
  const uint32_t size = byte_swapped(static_cast<uint32_t>(out.size() - start));
  std::memcpy(out.data() + start, &size, sizeof(size));
}

}  // namespace linarite::amqp
