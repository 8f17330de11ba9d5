#include "load/sender.h"

#include <algorithm>

#include "load/amqp_sender.h"
#include "load/mqtt_sender.h"

namespace linarite::load {
namespace {

constexpr double kOpenLimitS = 30;

}  // namespace

std::vector<std::unique_ptr<Sender>> open_senders(Session& session, SenderSink& sink) {
  std::vector<std::unique_ptr<Sender>> out;
  session.on_loop([&] {
    if (!session.options().is_hub()) {
      out.push_back(std::make_unique<MqttSender>(session, sink));
      return;
    }
    for (size_t i = 0; i < session.options().senders; ++i) {
      out.push_back(std::make_unique<AmqpSender>(session, sink));
    }
  });
  const auto all_ready = [&] {
    return std::ranges::all_of(out, [](auto& s) { return s->ready(); });
  };
  session.run_until(all_ready, kOpenLimitS, "connecting the back ends");
  return out;
}

}  // namespace linarite::load
