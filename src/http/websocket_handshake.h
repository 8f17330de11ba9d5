// The client's end of the opening handshake of a WebSocket (RFC 6455, 4.1), and what both ends must
// compute alike.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/random.h"
#include "http/head_scanner.h"

namespace linarite::http {

inline constexpr std::string_view kWebSocketVersion = "13";

// RFC 6455, 4.2.2: Sec-WebSocket-Accept for a Sec-WebSocket-Key.
std::string websocket_accept(std::string_view key);

// What a client asks for.
struct WebSocketOffer {
  std::string host;      // As in the field Host: a name, and the port if it is not 443.
  std::string path;      // As on the wire.
  std::string protocol;  // The one sub-protocol; the server must choose it.
};

class ClientHandshake {
 public:
  // The nonce of the key comes from `random`.
  ClientHandshake(WebSocketOffer offer, Random& random);

  // The bytes to send first. kMalformed if host, path or protocol cannot stand in a request.
  Result<Bytes> request() const;
  const WebSocketOffer& offer() const { return offer_; }

  // Takes bytes of the response from the front of `input`. True: the WebSocket is open, and what is
  // left of `input` are its first frames. False: more is to come. A failure is for good; its
  // sentence names what is wrong:
  //  * kIoError: refused with a status that may pass (408, 429 and from 500 on);
  //  * kMalformed: refused with another status, no HTTP, or an answer that fits no such request;
  //  * kLimitExceeded: a head beyond the limits of HeadScanner, or more than
  //    kInterimResponseCountMax interim ones.
  Result<bool> receive(ByteView& input);

 private:
  Result<bool> judge(ByteView head);

  const WebSocketOffer offer_;
  const std::string key_;
  size_t interim_count_ = 0;
  HeadScanner scanner_;
};

}  // namespace linarite::http
