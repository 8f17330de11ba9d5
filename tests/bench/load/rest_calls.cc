#include "load/rest_calls.h"

#include <utility>

#include "http/client_connection.h"
#include "load/latencies.h"
#include "load/usage_window.h"

namespace linarite::load {
namespace {

class Callers {
 public:
  Callers(Session& session, bool writes)
      : session_(session),
        writes_(writes),
        token_(session.options().is_hub() ? session.policy_token() : "") {}

  void start() {
    for (size_t i = 0; i < session_.options().parallel; ++i) {
      session_.connect(session_.options().https_port, [this](net::Stream& stream) {
        return std::make_unique<Caller>(*this, stream);
      });
    }
  }
  uint64_t count() const { return count_; }
  Latencies& latencies() { return latencies_; }

 private:
  // One connection.
  class Caller final : public net::StreamHandler {
   public:
    Caller(Callers& all, net::Stream& stream) : all_(all), stream_(stream) { call(); }

    void on_bytes(ByteView bytes) override {
      http::ClientEvents events;
      engine_.receive(bytes, events);
      if (events.error) give_up("REST: " + events.error->message);
      if (!events.response) return;
      if (events.response->status != 200) {
        give_up(fmt::format("REST: {} {}", events.response->status, events.response->body));
      }
      all_.latencies_.add(all_.session_.now() - begun_);
      ++all_.count_;
      call();
    }
    void on_closed(net::CloseReason /*reason*/) override {
      give_up("the server closed a REST connection");
    }

   private:
    void call() {
      begun_ = all_.session_.now();
      const auto bytes = engine_.send(all_.next_request(), begun_);
      if (!bytes) give_up("REST: " + bytes.error().message);
      stream_.send(*bytes);
    }

    Callers& all_;
    net::Stream& stream_;
    http::ClientConnection engine_;
    Instant begun_;
  };

  http::Request next_request() {
    const size_t device = next_;
    next_ = (next_ + 1) % session_.options().devices;
    const std::string id = Session::device_id(device);
    http::Request out{.method = "GET", .target = "/devices/" + id + "?api-version=2021-04-12"};
    out.headers = {{"Host", session_.host_name()}};
    if (!token_.empty()) out.headers.add("Authorization", token_);
    if (!writes_) return out;
    const std::string key = Session::device_key(device);
    out.method = "PUT";
    out.headers.add("Content-Type", "application/json; charset=utf-8");
    out.headers.add("If-Match", "\"*\"");
    out.body = fmt::format(
        R"({{"deviceId":"{}","status":"enabled","statusReason":"{}","authentication":)"
        R"({{"type":"sas","symmetricKey":{{"primaryKey":"{}","secondaryKey":"{}"}}}}}})",
        id, count_, key, key);
    return out;
  }

  Session& session_;
  const bool writes_;
  const std::string token_;
  size_t next_ = 0;
  uint64_t count_ = 0;
  Latencies latencies_;
};

}  // namespace

void measure_rest_calls(Session& session, bool writes, Report& report) {
  const Options& options = session.options();
  Callers callers(session, writes);
  session.on_loop([&] { callers.start(); });
  session.run_for(options.warm_up_s);
  callers.latencies().clear();
  const uint64_t before = callers.count();
  const Window window(options.server, session.now_s());
  session.run_for(options.seconds);
  window.add_to(report, callers.count() - before, session.now_s());
  callers.latencies().add_to(report, "answered");
}

}  // namespace linarite::load
