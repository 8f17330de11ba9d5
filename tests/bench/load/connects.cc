#include "load/connects.h"

#include <vector>

#include "load/latencies.h"
#include "load/mqtt_client.h"
#include "load/usage_window.h"

namespace linarite::load {
namespace {

class Visitors final : public MqttSink {
 public:
  explicit Visitors(Session& session) : session_(session), begun_(session.options().devices) {
    // Made before the window: a device makes its token once an hour, not at each connect.
    for (size_t i = 0; i < begun_.size(); ++i) logins_.push_back(login(i));
  }

  void start() {
    for (size_t i = 0; i < session_.options().parallel; ++i) visit();
  }
  uint64_t count() const { return count_; }
  Latencies& latencies() { return latencies_; }

  void on_ready(MqttClient& client) override {
    ++count_;
    latencies_.add(session_.now() - begun_[client.number()]);
    client.disconnect();
  }
  void on_disconnected(size_t /*number*/) override { visit(); }

 private:
  MqttLogin login(size_t number) const {
    MqttLogin out = device_login(session_, number);
    out.filter.clear();
    out.clean_session = true;
    return out;
  }

  void visit() {
    const size_t number = next_;
    next_ = (next_ + 1) % begun_.size();
    begun_[number] = session_.now();
    session_.connect_device([this, number](net::Stream& stream) {
      return std::make_unique<MqttClient>(session_, stream, logins_[number], *this);
    });
  }

  Session& session_;
  std::vector<MqttLogin> logins_;
  std::vector<Instant> begun_;
  size_t next_ = 0;
  uint64_t count_ = 0;
  Latencies latencies_;
};

}  // namespace

void measure_connects(Session& session, Report& report) {
  const Options& options = session.options();
  Visitors visitors(session);
  session.on_loop([&] { visitors.start(); });
  session.run_for(options.warm_up_s);
  visitors.latencies().clear();
  const uint64_t before = visitors.count();
  const Window window(options.server, session.now_s());
  session.run_for(options.seconds);
  window.add_to(report, visitors.count() - before, session.now_s());
  visitors.latencies().add_to(report, "connected");
}

}  // namespace linarite::load
