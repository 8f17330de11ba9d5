#include "load/registry.h"

#include <algorithm>

#include "http/client_connection.h"

namespace linarite::load {
namespace {

constexpr double kLimitS = 600;
// The hub ends handshakes when too many are under way.
constexpr size_t kParallelMax = 64;

struct Progress {
  size_t count;
  size_t next = 0;
  size_t done = 0;
};

// One keep-alive connection that creates one device after the other until there is none left.
class Creator final : public net::StreamHandler {
 public:
  Creator(Session& session, net::Stream& stream, const std::string& token, Progress& progress)
      : session_(session), stream_(stream), token_(token), progress_(progress) {
    create_next();
  }

  void on_bytes(ByteView bytes) override {
    http::ClientEvents events;
    engine_.receive(bytes, events);
    if (events.error) give_up("REST: " + events.error->message);
    if (!events.response) return;
    // 409: an earlier run made it, with the same key.
    if (events.response->status != 200 && events.response->status != 409) {
      give_up(
          fmt::format("PUT of an identity: {} {}", events.response->status, events.response->body));
    }
    ++progress_.done;
    create_next();
  }
  void on_closed(net::CloseReason /*reason*/) override {
    if (engine_.waiting()) give_up("the server closed a REST connection");
  }

 private:
  void create_next() {
    if (progress_.next == progress_.count) {
      stream_.close();
      return;
    }
    const size_t device = progress_.next++;
    const std::string id = Session::device_id(device);
    const std::string key = Session::device_key(device);
    http::Request request;
    request.method = "PUT";
    request.target = "/devices/" + id + "?api-version=2021-04-12";
    request.headers = {{"Host", session_.host_name()},
                       {"Authorization", token_},
                       {"Content-Type", "application/json; charset=utf-8"}};
    request.body = fmt::format(
        R"({{"deviceId":"{}","status":"enabled","authentication":{{"type":"sas","symmetricKey":)"
        R"({{"primaryKey":"{}","secondaryKey":"{}"}}}}}})",
        id, key, key);
    const auto bytes = engine_.send(request, session_.now());
    if (!bytes) give_up("REST: " + bytes.error().message);
    stream_.send(*bytes);
  }

  Session& session_;
  net::Stream& stream_;
  const std::string& token_;
  Progress& progress_;
  http::ClientConnection engine_;
};

}  // namespace

double create_devices(Session& session, size_t count) {
  const double start = session.now_s();
  const std::string token = session.policy_token();
  Progress progress{count};
  session.on_loop([&] {
    for (size_t i = 0; i < std::min({count, session.options().parallel, kParallelMax}); ++i) {
      session.connect(session.options().https_port, [&](net::Stream& stream) {
        return std::make_unique<Creator>(session, stream, token, progress);
      });
    }
  });
  session.run_until([&] { return progress.done == count; }, kLimitS, "creating the identities");
  const double seconds = session.now_s() - start;
  // The connections refer to what ends with this function.
  session.run_until([&] { return session.loop().resident_count() == 0; }, kLimitS,
                    "closing the REST connections");
  return seconds;
}

}  // namespace linarite::load
