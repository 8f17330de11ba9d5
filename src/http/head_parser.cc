// The only file that sees Boost.Beast. It is used header-only here: that instantiates the message
// parser alone, where Beast's separate compilation would also build its WebSocket and file code.
#undef BOOST_BEAST_SEPARATE_COMPILATION
#include "http/head_parser.h"

#include <boost/beast/http/basic_parser.hpp>

#include "base/text.h"

namespace linarite::http {
namespace {

namespace beast = boost::beast;
using beast::error_code;
using beast::string_view;

std::string_view view(string_view text) { return {text.data(), text.size()}; }

// Collects what Beast reports. Bodies never reach it.
template <bool kIsRequest>
class Parser final : public beast::http::basic_parser<kIsRequest> {
 public:
  std::string method;
  std::string target;
  int status = 0;
  int version = 0;
  Headers headers;

 private:
  void on_request_impl(beast::http::verb, string_view method_text, string_view target_text,
                       int version_number, error_code&) override {
    method = view(method_text);
    target = view(target_text);
    version = version_number;
  }
  void on_response_impl(int code, string_view, int version_number, error_code&) override {
    status = code;
    version = version_number;
  }
  void on_field_impl(beast::http::field, string_view name, string_view value,
                     error_code&) override {
    headers.add(view(name), view(value));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<uint64_t> const&, error_code&) override {}
  size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view body, error_code&) override {
    return body.size();
  }
  void on_finish_impl(error_code&) override {}
};

std::unexpected<Refusal> refuse(int status, std::string reason) {
  return std::unexpected(Refusal{status, std::move(reason)});
}

template <bool kIsRequest>
std::expected<void, Refusal> parse(ByteView head, Parser<kIsRequest>& parser) {
  parser.header_limit(static_cast<uint32_t>(head.size()) + 1);
  parser.body_limit(boost::none);
  error_code error;
  const size_t used = parser.put(boost::asio::const_buffer(head.data(), head.size()), error);
  if (error == beast::http::error::bad_version) return refuse(505, "the HTTP version is not 1.x");
  if (error == beast::http::error::bad_content_length ||
      error == beast::http::error::multiple_content_length ||
      error == beast::http::error::bad_transfer_encoding) {
    return refuse(400, "the length of the body is in doubt");
  }
  if (error || used != head.size() || !parser.is_header_done()) {
    return refuse(400, "the message head is malformed");
  }
  return {};
}

// RFC 9112, 6: two programs that disagree about the end of a message can be played against each
// other, so whatever is not the plain form is refused.
std::expected<Framing, Refusal> framing_of(const Headers& headers, int version) {
  Framing framing;
  const size_t lengths = headers.count("Content-Length");
  const size_t codings = headers.count("Transfer-Encoding");
  if (lengths + codings > 1) return refuse(400, "the length of the body is given twice");
  if (lengths == 1) {
    framing.content_length = whole_number<uint64_t>(*headers.find("Content-Length"));
    if (!framing.content_length) return refuse(400, "Content-Length is not one plain number");
  }
  if (codings == 1) {
    if (version < 11 || !equal_ignoring_case(*headers.find("Transfer-Encoding"), "chunked")) {
      return refuse(400, "the transfer coding is not chunked");
    }
    framing.chunked = true;
  }
  return framing;
}

bool keeps_alive(const Headers& headers, int version) {
  return version == 11 && !headers.has_token("Connection", "close");
}

}  // namespace

std::expected<RequestHead, Refusal> parse_request_head(ByteView head) {
  Parser<true> parser;
  if (auto parsed = parse(head, parser); !parsed) return std::unexpected(parsed.error());
  auto framing = framing_of(parser.headers, parser.version);
  if (!framing) return std::unexpected(framing.error());
  const size_t hosts = parser.headers.count("Host");
  if (hosts > 1 || (hosts == 0 && parser.version == 11)) {
    return refuse(400, "there must be one Host header");
  }
  const bool keep_alive = keeps_alive(parser.headers, parser.version);
  return RequestHead{Request{std::move(parser.method), std::move(parser.target),
                             parser.version - 10, std::move(parser.headers), Bytes()},
                     *framing, keep_alive};
}

std::expected<ResponseHead, Refusal> parse_response_head(ByteView head) {
  Parser<false> parser;
  if (auto parsed = parse(head, parser); !parsed) return std::unexpected(parsed.error());
  auto framing = framing_of(parser.headers, parser.version);
  if (!framing) return std::unexpected(framing.error());
  if (parser.status < 100) return refuse(400, "the status is not valid");
  const bool keep_alive = keeps_alive(parser.headers, parser.version);
  return ResponseHead{Response{parser.status, std::move(parser.headers), Bytes()}, *framing,
                      keep_alive};
}

}  // namespace linarite::http
