#include "cli/http_client.h"

#include <optional>
#include <utility>

#include "http/client_connection.h"

namespace linarite::cli {

void wait(net::AsioLoop& loop, Duration duration) {
  bool over = false;
  loop.post([&] { loop.run_after(duration, [&] { over = true; }); });
  loop.run_until([&] { return over; });
}

// The connection, shared with its stream's handler and its timer, which may outlive the client.
struct HttpClient::Link {
  net::Stream* stream = nullptr;  // Null before it opens and after it has closed.
  http::ClientConnection engine;
  http::ClientEvents events;
  std::optional<Error> failure;  // Of connecting.
  bool answered = false;         // Bytes have come since the last request.

  bool usable() const { return stream != nullptr && !engine.closed(); }
};

namespace {

template <class Link>
class LinkHandler final : public net::StreamHandler {
 public:
  explicit LinkHandler(std::shared_ptr<Link> link) : link_(std::move(link)) {}
  void on_bytes(ByteView bytes) override {
    link_->answered = true;
    link_->engine.receive(bytes, link_->events);
  }
  void on_closed(net::CloseReason) override {
    link_->stream = nullptr;
    link_->engine.end_of_stream(link_->events);
  }

 private:
  std::shared_ptr<Link> link_;
};

}  // namespace

HttpClient::HttpClient(net::AsioLoop& loop, net::ConnectOptions where, std::string host)
    : loop_(loop), where_(std::move(where)), host_(std::move(host)) {}

HttpClient::~HttpClient() {
  if (link_) drop();
}

void HttpClient::drop() {
  const auto link = std::exchange(link_, nullptr);
  if (link->stream == nullptr) return;
  bool told = false;
  loop_.post([&] {
    if (link->stream != nullptr) link->stream->close();
    told = true;
  });
  loop_.run_until([&] { return told; });
}

Status HttpClient::connect() {
  auto link = std::make_shared<Link>();
  loop_.post([&] {
    net::connect(
        loop_, where_,
        [link](net::Stream& stream) {
          link->stream = &stream;
          return std::make_unique<LinkHandler<Link>>(link);
        },
        [link](Error error) { link->failure = std::move(error); });
  });
  loop_.run_until([&] { return link->stream != nullptr || link->failure; });
  if (link->failure) return std::unexpected(*link->failure);
  link_ = std::move(link);
  return {};
}

Result<http::Response> HttpClient::exchange(const http::Request& request) {
  const auto link = link_;
  link->events = {};
  link->answered = false;
  std::optional<Error> refused;
  TimerId deadline = 0;
  loop_.post([&] {
    const Instant now = loop_.clock().now();
    auto bytes = link->engine.send(request, now);
    if (!bytes) {
      refused = std::move(bytes.error());
      return;
    }
    link->stream->send(*bytes);
    deadline = loop_.run_at(link->engine.next_deadline().value_or(now), [&loop = loop_, link] {
      link->engine.tick(loop.clock().now(), link->events);
    });
  });
  loop_.run_until([&] { return refused || link->events.response || link->events.error; });
  bool cancelled = false;
  loop_.post([&] {
    loop_.cancel(deadline);
    cancelled = true;
  });
  loop_.run_until([&] { return cancelled; });
  if (refused) return std::unexpected(*refused);
  if (link->events.error) {
    Error error = *link->events.error;
    drop();
    return std::unexpected(std::move(error));
  }
  http::Response response = *std::move(link->events.response);
  if (link->events.close) drop();
  return response;
}

Result<http::Response> HttpClient::call(http::Request request) {
  request.headers.set("Host", host_);
  const bool kept = link_ && link_->usable() && request.method != "POST";
  if (!kept) {
    if (link_) drop();
    if (auto status = connect(); !status) return std::unexpected(status.error());
  }
  const auto link = link_;
  auto response = exchange(request);
  if (response || !kept || link->answered) return response;
  if (link_) drop();
  if (auto status = connect(); !status) return std::unexpected(status.error());
  return exchange(request);
}

}  // namespace linarite::cli
