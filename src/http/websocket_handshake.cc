#include "http/websocket_handshake.h"

#include <openssl/evp.h>

#include <array>
#include <utility>

#include "base/base64.h"
#include "base/check.h"
#include "base/text.h"
#include "http/client_connection.h"
#include "http/head_parser.h"
#include "http/serializer.h"

namespace linarite::http {
namespace {

constexpr size_t kNonceSize = 16;

std::unexpected<Error> refused(int status) {
  const bool may_pass = status == 408 || status == 429 || status >= 500;
  return fail(may_pass ? ErrorCode::kIoError : ErrorCode::kMalformed,
              "the server refuses the WebSocket with HTTP status " + std::to_string(status) + " (" +
                  std::string(reason_phrase(status)) + ")");
}

}  // namespace

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
  return base64_encode({reinterpret_cast<const char*>(digest.data()), size});
}

ClientHandshake::ClientHandshake(WebSocketOffer offer, Random& random)
    : offer_(std::move(offer)), key_(base64_encode(random.bytes(kNonceSize))) {}

Result<Bytes> ClientHandshake::request() const {
  Request request{.target = offer_.path};
  request.headers.add("Host", offer_.host);
  request.headers.add("Upgrade", "websocket");
  request.headers.add("Connection", "Upgrade");
  request.headers.add("Sec-WebSocket-Key", key_);
  request.headers.add("Sec-WebSocket-Version", kWebSocketVersion);
  request.headers.add("Sec-WebSocket-Protocol", offer_.protocol);
  Bytes out;
  if (auto made = append_request(request, out); !made) return std::unexpected(made.error());
  return out;
}

Result<bool> ClientHandshake::receive(ByteView& input) {
  while (!input.empty()) {
    switch (scanner_.read(input)) {
      case HeadScanner::Verdict::kMore:
        return false;
      case HeadScanner::Verdict::kMalformed:
        return fail(ErrorCode::kMalformed, "the server does not answer in HTTP");
      case HeadScanner::Verdict::kStartLineTooLong:
      case HeadScanner::Verdict::kHeadersTooLarge:
        return fail(ErrorCode::kLimitExceeded,
                    "the answer to the WebSocket handshake is too large");
      case HeadScanner::Verdict::kComplete:
        break;
    }
    const auto open = judge(scanner_.take());
    if (!open || *open) return open;
    if (++interim_count_ > kInterimResponseCountMax) {
      return fail(ErrorCode::kLimitExceeded, "the server sent too many interim responses");
    }
  }
  return false;
}

// RFC 6455, 4.1, the list at the end. False: an interim response, the real one follows.
Result<bool> ClientHandshake::judge(ByteView head) {
  const auto parsed = parse_response_head(head);
  if (!parsed) return fail(ErrorCode::kMalformed, "the server does not answer in HTTP");
  const int status = parsed->response.status;
  if (status >= 100 && status < 200 && status != 101) return false;
  if (status != 101) return refused(status);
  const Headers& headers = parsed->response.headers;
  const auto wrong = [](const char* what) {
    return fail(ErrorCode::kMalformed,
                std::string("the answer to the WebSocket handshake ") + what);
  };
  if (!headers.has_token("Upgrade", "websocket") || !headers.has_token("Connection", "Upgrade")) {
    return wrong("does not say Upgrade: websocket");
  }
  if (headers.count("Sec-WebSocket-Accept") != 1 ||
      headers.find("Sec-WebSocket-Accept") != websocket_accept(key_)) {
    return wrong("has a wrong Sec-WebSocket-Accept");
  }
  if (headers.count("Sec-WebSocket-Extensions") != 0) {
    return wrong("has an extension that nobody asked for");
  }
  // Azure's own answer may be in another case than the question (device protocol, 3.14).
  if (headers.count("Sec-WebSocket-Protocol") != 1 ||
      !equal_ignoring_case(*headers.find("Sec-WebSocket-Protocol"), offer_.protocol)) {
    return wrong("does not choose the sub-protocol that was offered");
  }
  return true;
}

}  // namespace linarite::http
