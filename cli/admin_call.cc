#include "cli/admin_call.h"

#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "http/client_connection.h"
#include "net/asio_loop.h"
#include "net/client.h"

namespace linarite::cli {
namespace {

constexpr const char* kLoopback = "127.0.0.1";
// Moving a manual clock far runs everything that became due before it answers.
constexpr auto kAnswerLimit = std::chrono::minutes(1);

struct Call {
  http::ClientConnection engine;
  http::ClientEvents events;
  std::optional<Error> failure;

  bool over() const { return events.response || events.error || failure; }
};

// Lives on the loop, and so no longer than the call.
class Answer final : public net::StreamHandler {
 public:
  explicit Answer(Call& call) : call_(call) {}
  void on_bytes(ByteView bytes) override { call_.engine.receive(bytes, call_.events); }
  void on_closed(net::CloseReason) override { call_.engine.end_of_stream(call_.events); }

 private:
  Call& call_;
};

}  // namespace

Result<http::Response> call_admin(uint16_t port, http::Request request) {
  request.headers.set("Host", kLoopback);
  const SystemClock clock;
  Call call;
  net::AsioLoop loop(clock, net::TimerDrive::kSystem);
  const auto fail_call = [&call](Error why) { call.failure = std::move(why); };
  loop.post([&] {
    loop.run_after(kAnswerLimit, [&] {
      fail_call({ErrorCode::kGenericTimeout, "the hub's admin listener did not answer in time"});
    });
    net::connect(
        loop, {.host = kLoopback, .port = port},
        [&](net::Stream& stream) {
          auto bytes = call.engine.send(request, clock.now());
          if (bytes) stream.send(*bytes);
          if (!bytes) fail_call(std::move(bytes.error()));
          return std::make_unique<Answer>(call);
        },
        fail_call);
  });
  loop.run_until([&] { return call.over(); });
  if (call.events.response) return *std::move(call.events.response);
  return std::unexpected(call.events.error ? *call.events.error : *call.failure);
}

}  // namespace linarite::cli
