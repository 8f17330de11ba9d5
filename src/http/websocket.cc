#include "http/websocket.h"

#include <algorithm>
#include <cstring>

namespace linarite::http {
namespace {

constexpr uint8_t kFin = 0x80;
constexpr uint8_t kReservedBits = 0x70;
constexpr uint8_t kMasked = 0x80;
constexpr uint8_t kLengthBits = 0x7F;
constexpr uint8_t kLength16 = 126;
constexpr uint8_t kLength64 = 127;

// RFC 6455, 5.2
enum Opcode : uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xA,
};

bool is_control(uint8_t opcode) { return (opcode & 0x8U) != 0; }

uint64_t big_endian(const char* bytes, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8U | static_cast<uint8_t>(bytes[i]);
  return value;
}

// RFC 6455, 5.3, eight bytes at a time. `at` is where in the key the first byte is.
void apply_mask(const std::array<char, 4>& mask, size_t at, char* bytes, size_t size) {
  std::array<char, sizeof(uint64_t)> word;
  for (size_t i = 0; i < word.size(); ++i) word[i] = mask[(at + i) % mask.size()];
  uint64_t key;
  std::memcpy(&key, word.data(), sizeof(key));
  size_t done = 0;
  for (; size - done >= sizeof(key); done += sizeof(key)) {
    uint64_t piece;
    std::memcpy(&piece, bytes + done, sizeof(piece));
    piece ^= key;
    std::memcpy(bytes + done, &piece, sizeof(piece));
  }
  for (size_t i = 0; done < size; ++i, ++done) {
    bytes[done] = static_cast<char>(bytes[done] ^ word[i]);
  }
}

// RFC 6455, 7.4: what a peer may give as its reason.
bool is_status(uint64_t status) {
  constexpr uint64_t kNeverSent[] = {1004, 1005, 1006, 1015};
  return (status >= 1000 && status <= 1015 &&
          std::ranges::find(kNeverSent, status) == std::end(kNeverSent)) ||
         (status >= 3000 && status <= 4999);
}

}  // namespace

void WebSocket::append_frame(uint8_t opcode, ByteView payload, Bytes& out) const {
  const uint8_t masked = is_client() ? kMasked : 0;
  const auto append_length = [&](uint8_t mark, size_t count) {
    out.push_back(static_cast<char>(masked | mark));
    for (size_t i = count; i-- > 0;) out.push_back(static_cast<char>(payload.size() >> (8 * i)));
  };
  out.push_back(static_cast<char>(kFin | opcode));
  if (payload.size() < kLength16) {
    append_length(static_cast<uint8_t>(payload.size()), 0);
  } else if (payload.size() <= 0xFFFF) {
    append_length(kLength16, 2);
  } else {
    append_length(kLength64, 8);
  }
  if (!is_client()) {
    out.append(payload);
    return;
  }
  std::array<char, 4> mask;
  keys_->fill(mask.data(), mask.size());
  out.append(mask.data(), mask.size());
  const size_t start = out.size();
  out.append(payload);
  apply_mask(mask, 0, &out[start], payload.size());
}

void WebSocket::append_binary(ByteView payload, Bytes& out) const {
  if (!payload.empty()) append_frame(kBinary, payload, out);
}

void WebSocket::append_close(WebSocketStatus status, Bytes& out) const {
  const auto number = static_cast<uint16_t>(status);
  const char bytes[] = {static_cast<char>(number >> 8U), static_cast<char>(number)};
  append_frame(kClose, {bytes, sizeof(bytes)}, out);
}

void WebSocket::receive(ByteView bytes, WebSocketEvents& out) {
  while (!closed_ && !bytes.empty()) {
    if (in_payload_) {
      read_payload(bytes, out);
    } else if (read_head(bytes, out) && left_ == 0) {
      end_frame(out);
    }
  }
}

// As far as its first two bytes have come.
size_t WebSocket::head_size_wanted() const {
  if (head_size_ < 2) return 2;
  const uint8_t length = static_cast<uint8_t>(head_[1]) & kLengthBits;
  const size_t extended = length == kLength64 ? 8 : length == kLength16 ? 2 : 0;
  return 2 + extended + (is_client() ? 0 : mask_.size());
}

// True once the head is whole and good.
bool WebSocket::read_head(ByteView& input, WebSocketEvents& out) {
  while (!input.empty() && head_size_ < head_size_wanted()) {
    head_[head_size_++] = input.front();
    input.remove_prefix(1);
    // What is wrong with the first two bytes is said before more is waited for.
    if (head_size_ != 2) continue;
    if (const auto status = judge_head()) {
      refuse(*status, out);
      return false;
    }
  }
  if (head_size_ < head_size_wanted()) return false;
  const uint8_t length = static_cast<uint8_t>(head_[1]) & kLengthBits;
  const size_t extended = head_size_ - 2 - (is_client() ? 0 : mask_.size());
  left_ = extended == 0 ? length : big_endian(&head_[2], extended);
  if (!is_client()) std::copy_n(&head_[2 + extended], mask_.size(), mask_.begin());
  const bool too_wide = (extended == 2 && left_ < kLength16) || (extended == 8 && left_ <= 0xFFFF);
  if (too_wide || left_ >> 63U != 0) {
    refuse(WebSocketStatus::kProtocolError, out);
    return false;
  }
  if (left_ > kWebSocketFrameMax) {
    refuse(WebSocketStatus::kTooLarge, out);
    return false;
  }
  if (!is_control(opcode_)) in_message_ = (static_cast<uint8_t>(head_[0]) & kFin) == 0;
  mask_at_ = 0;
  head_size_ = 0;
  in_payload_ = true;
  return true;
}

// What the first two bytes tell.
std::optional<WebSocketStatus> WebSocket::judge_head() {
  const auto first = static_cast<uint8_t>(head_[0]);
  const auto second = static_cast<uint8_t>(head_[1]);
  opcode_ = first & 0x0FU;
  const bool masked = (second & kMasked) != 0;
  if ((first & kReservedBits) != 0 || masked == is_client()) {
    return WebSocketStatus::kProtocolError;
  }
  switch (opcode_) {
    case kContinuation:
      if (!in_message_) return WebSocketStatus::kProtocolError;
      return std::nullopt;
    case kText:
      return WebSocketStatus::kUnsupportedData;
    case kBinary:
      if (in_message_) return WebSocketStatus::kProtocolError;
      return std::nullopt;
    case kClose:
    case kPing:
    case kPong:
      if ((first & kFin) == 0 || (second & kLengthBits) > kControlPayloadMax) {
        return WebSocketStatus::kProtocolError;
      }
      return std::nullopt;
    default:
      return WebSocketStatus::kProtocolError;
  }
}

void WebSocket::read_payload(ByteView& input, WebSocketEvents& out) {
  const size_t count = std::min<uint64_t>(left_, input.size());
  Bytes& target = is_control(opcode_) ? control_ : out.payload;
  const size_t start = target.size();
  target.append(input.substr(0, count));
  if (!is_client()) {
    apply_mask(mask_, mask_at_, &target[start], count);
    mask_at_ = (mask_at_ + count) % mask_.size();
  }
  input.remove_prefix(count);
  left_ -= count;
  if (left_ == 0) end_frame(out);
}

void WebSocket::end_frame(WebSocketEvents& out) {
  in_payload_ = false;
  if (!is_control(opcode_)) return;
  if (opcode_ == kPing) append_frame(kPong, control_, out.output);
  if (opcode_ == kClose) end_close(out);
  control_.clear();
}

void WebSocket::end_close(WebSocketEvents& out) {
  const bool good =
      control_.empty() || (control_.size() >= 2 && is_status(big_endian(control_.data(), 2)));
  if (!good) return refuse(WebSocketStatus::kProtocolError, out);
  // The same status back (RFC 6455, 5.5.1).
  append_frame(kClose, ByteView(control_).substr(0, 2), out.output);
  closed_ = true;
  out.close = true;
  out.peer_closed = true;
}

void WebSocket::refuse(WebSocketStatus status, WebSocketEvents& out) {
  append_close(status, out.output);
  closed_ = true;
  out.close = true;
}

}  // namespace linarite::http
