// One end of a WebSocket after its handshake (RFC 6455): frames in, a stream of bytes and frames to
// send out. Messages mean nothing to the protocols above: their bytes are handed on as they come,
// however they are cut into frames.
//
// Only binary data is taken; a text frame ends the connection with 1003. No extension is known.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/random.h"

namespace linarite::http {

// The longest frame a peer may announce. None is ever kept whole.
inline constexpr uint64_t kWebSocketFrameMax = uint64_t{1} << 20U;
inline constexpr size_t kControlPayloadMax = 125;  // RFC 6455, 5.5

// RFC 6455, 7.4.1
enum class WebSocketStatus : uint16_t {
  kNormal = 1000,
  kProtocolError = 1002,
  kUnsupportedData = 1003,
  kTooLarge = 1009,
};

struct WebSocketEvents {
  Bytes payload;       // What the peer sent.
  Bytes output;        // Frames to be sent.
  bool close = false;  // The stream is to be closed after `output` was sent.
  // Set with `close` when the peer said goodbye, not when it broke the protocol.
  bool peer_closed = false;
};

class WebSocket {
 public:
  // RFC 6455, 5.1: what a client sends is masked, what a server sends is not; a frame that is not
  // so ends the connection with 1002. A client draws each frame's key from `keys`, which must not
  // be foreseeable (10.3).
  static WebSocket server() { return WebSocket(nullptr); }
  static WebSocket client(std::shared_ptr<Random> keys) { return WebSocket(std::move(keys)); }

  // Appends to `out`. After `out.close` further calls do nothing.
  void receive(ByteView bytes, WebSocketEvents& out);

  // Appends one binary frame; nothing for no payload.
  void append_binary(ByteView payload, Bytes& out) const;
  // Appends a close frame.
  void append_close(WebSocketStatus status, Bytes& out) const;

  bool closed() const { return closed_; }

 private:
  explicit WebSocket(std::shared_ptr<Random> keys) : keys_(std::move(keys)) {}
  bool is_client() const { return keys_ != nullptr; }
  size_t head_size_wanted() const;
  void append_frame(uint8_t opcode, ByteView payload, Bytes& out) const;
  bool read_head(ByteView& input, WebSocketEvents& out);
  std::optional<WebSocketStatus> judge_head();
  void read_payload(ByteView& input, WebSocketEvents& out);
  void end_frame(WebSocketEvents& out);
  void end_close(WebSocketEvents& out);
  void refuse(WebSocketStatus status, WebSocketEvents& out);

  static constexpr size_t kHeadMax = 14;
  std::shared_ptr<Random> keys_;  // Null at the server's end.
  std::array<char, kHeadMax> head_{};
  size_t head_size_ = 0;        // Bytes of the head that have come.
  bool in_payload_ = false;     // The head is whole.
  bool in_message_ = false;     // A message's last fragment has not come.
  uint8_t opcode_ = 0;          // Of the frame under way.
  uint64_t left_ = 0;           // Of its payload.
  size_t mask_at_ = 0;          // Where in the masking key the next byte is.
  std::array<char, 4> mask_{};  // Zero for what comes from a server.
  Bytes control_;               // The payload of a control frame so far.
  bool closed_ = false;
};

}  // namespace linarite::http
