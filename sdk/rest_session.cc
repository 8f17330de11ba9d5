#include "sdk/rest_session.h"

#include <algorithm>
#include <utility>

#include "net/stream.h"
#include "sdk/endpoint.h"
#include "sdk/failure.h"

namespace linarite::sdk {
namespace {

constexpr uint16_t kHttpsPort = 443;
constexpr std::string_view kApiVersion = "api-version=2021-04-12";
constexpr size_t kBodyMax = size_t{8} << 20U;  // 1000 identities are 1 MB.
// A server may close an idle connection just as a request leaves. What must not be repeated goes on
// one that was used this recently, or on a new one.
constexpr std::chrono::seconds kFreshFor{2};

// Only what changes nothing is sent twice by itself: a repeated PUT, POST or DELETE would tell of
// its own first effect.
bool may_repeat(const RestCall& call) { return call.method == "GET"; }

}  // namespace

class RestSession::Link final : public net::StreamHandler {
 public:
  Link(RestSession& session, net::Stream& stream)
      : session_(&session),
        stream_(stream),
        engine_({.body_max = kBodyMax, .response_time = std::chrono::hours(24)}) {}

  bool usable() const { return !engine_.closed(); }
  Status send(const http::Request& request, Instant now) {
    const auto bytes = engine_.send(request, now);
    if (!bytes) return std::unexpected(bytes.error());
    stream_.send(*bytes);
    return {};
  }
  void abandon() {
    session_ = nullptr;
    if (!ended_) stream_.close();
  }
  http::ClientEvents take_events() { return std::exchange(events_, {}); }

  void on_bytes(ByteView bytes) override {
    if (session_ == nullptr) return;
    if (!session_->requests_.empty()) session_->requests_.front().answered = true;
    engine_.receive(bytes, events_);
    session_->on_events();
  }
  void on_closed(net::CloseReason) override {
    RestSession* const session = std::exchange(session_, nullptr);
    ended_ = true;
    if (session == nullptr) return;
    engine_.end_of_stream(events_);
    session->on_events();
    if (session->link_ == this) session->on_link_closed();
  }

 private:
  RestSession* session_;  // Null once the session wants to hear no more.
  net::Stream& stream_;
  bool ended_ = false;  // The stream may no longer be used.
  http::ClientConnection engine_;
  http::ClientEvents events_;
};

RestSession::RestSession(std::weak_ptr<Network> network, std::shared_ptr<Loop> loop,
                         const service_identity& identity, const service_options& options)
    : network_(std::move(network)),
      loop_(std::move(loop)),
      identity_(identity),
      options_(options),
      tokens_(loop_, TokenSource::credential_of(identity), identity.host_name,
              options.token_life_time) {}

RestSession::~RestSession() = default;

void RestSession::call(uint64_t id, RestCall call, Done done) {
  if (closed_) return done(errc::closed, {});
  Request request{.id = id, .call = std::move(call), .done = std::move(done)};
  if (options_.operation_timeout.count() > 0) {
    request.deadline =
        loop_->run_after(options_.operation_timeout, [this, weak = std::weak_ptr(alive_), id] {
          if (weak.lock()) give_up(id, errc::timed_out, "time ran out");
        });
  }
  requests_.push_back(std::move(request));
  pump();
}

// The next request, if none is under way: a token, a connection, and off.
void RestSession::pump() {
  if (busy_ || requests_.empty()) return;
  busy_ = true;
  const bool keep = token_ && token_->expiry &&
                    *token_->expiry - loop_->clock().wall() > std::chrono::seconds(60);
  if (keep) return connect();
  tokens_.get([this](error why, TokenSource::Token token) {
    if (!busy_) return;
    if (why) return finish_first(std::move(why), {});
    token_ = std::move(token);
    connect();
  });
}

void RestSession::connect() {
  const bool fresh = loop_->clock().now() - last_use_ < kFreshFor;
  if (link_ != nullptr && link_->usable() && (fresh || may_repeat(requests_.front().call))) {
    requests_.front().on_kept = true;
    return send();
  }
  drop_link();
  const auto network = network_.lock();
  if (!network) return;
  if (!target_) {
    auto made = make_endpoint(
        *network, options_,
        {.host = identity_.host_name, .port = options_.endpoint.https_port.value_or(kHttpsPort)});
    if (made.problem) return finish_first(std::move(made.problem), {});
    target_ = std::move(made.connect);
  }
  const auto current = [this, weak = std::weak_ptr(alive_), connection = connection_] {
    return weak.lock() && connection_ == connection && busy_ && link_ == nullptr;
  };
  network->connect(
      *loop_, *target_,
      [this, current](net::Stream& stream) -> std::unique_ptr<net::StreamHandler> {
        if (!current()) return nullptr;
        auto made = std::make_unique<Link>(*this, stream);
        link_ = made.get();
        send();
        return made;
      },
      [this, current](const Error& failure) {
        if (current()) finish_first(connect_failure(failure), {});
      });
}

void RestSession::send() {
  Request& first = requests_.front();
  http::Request request{.method = first.call.method,
                        .target = first.call.path,
                        .headers = first.call.headers,
                        .body = first.call.body};
  request.target += request.target.find('?') == std::string::npos ? '?' : '&';
  request.target += kApiVersion;
  request.headers.set("Host", identity_.host_name);
  request.headers.set("Authorization", token_->text);
  request.headers.set("User-Agent", "linarite-cpp/" LINARITE_VERSION);
  first.answered = false;
  if (const Status sent = link_->send(request, loop_->clock().now()); !sent) {
    return finish_first(error_of(sent.error()), {});
  }
  first.sent = true;
}

void RestSession::on_events() {
  if (link_ == nullptr) return;
  http::ClientEvents events = link_->take_events();
  if (events.response && busy_) {
    last_use_ = loop_->clock().now();
    if (events.close) drop_link();
    error why;
    if (events.response->status / 100 != 2) {
      why = http_failure(*events.response, loop_->clock().wall());
      token_.reset();
    }
    finish_first(std::move(why), std::move(*events.response));
  } else if (events.error) {
    if (events.error->code == ErrorCode::kIoError) {
      on_failure({errc::connection_lost, "the hub closed the HTTPS connection"});
    } else {
      on_failure({errc::protocol_error, "the hub broke HTTP: " + events.error->message});
    }
  } else if (events.close) {
    drop_link();
  }
}

void RestSession::on_link_closed() {
  link_ = nullptr;
  if (busy_) on_failure({errc::connection_lost, "the hub closed the HTTPS connection"});
}

void RestSession::on_failure(error why) {
  drop_link();
  if (!busy_) return;
  Request& first = requests_.front();
  if (first.on_kept && !first.answered && may_repeat(first.call)) {
    first.on_kept = false;
    return connect();
  }
  if (!may_repeat(first.call) && first.sent) {
    why = error(errc::outcome_unknown, first.call.method +
                                           " was sent, and the connection ended "
                                           "before the hub answered: " +
                                           why.message());
  }
  finish_first(std::move(why), {});
}

void RestSession::finish_first(error why, http::Response response) {
  Request first = std::move(requests_.front());
  requests_.pop_front();
  busy_ = false;
  loop_->cancel(first.deadline);
  // The next one in a task of its own: this may be a call of the stream that it will use.
  loop_->post([this, weak = std::weak_ptr(alive_)] {
    if (weak.lock()) pump();
  });
  first.done(std::move(why), std::move(response));
}

void RestSession::give_up(uint64_t id, errc unsent, const std::string& why) {
  const auto found = std::ranges::find(requests_, id, &Request::id);
  if (found == requests_.end()) return;
  const bool under_way = busy_ && found == requests_.begin();
  error result(unsent, why);
  if (found->sent && !may_repeat(found->call)) {
    result = error(errc::outcome_unknown,
                   found->call.method + " was sent, and " + why + " before the hub answered");
  }
  if (under_way) {
    drop_link();
    return finish_first(std::move(result), {});
  }
  Request waiting = std::move(*found);
  requests_.erase(found);
  loop_->cancel(waiting.deadline);
  waiting.done(std::move(result), {});
}

void RestSession::drop_link() {
  ++connection_;
  tokens_.forget();
  if (Link* const link = std::exchange(link_, nullptr)) link->abandon();
}

void RestSession::shut_down() {
  closed_ = true;
  while (!requests_.empty()) {
    give_up(requests_.front().id, errc::closed, "the client was closed");
  }
  drop_link();
}

}  // namespace linarite::sdk
