#include "load/events_reader.h"

#include <utility>

#include "amqp/message.h"
#include "load/amqp_client.h"
#include "load/mqtt_client.h"

namespace linarite::load {
namespace {

// service-protocol 4.3: what the official clients grant is 300 to 1000.
constexpr uint32_t kCredit = 1000;
constexpr uint32_t kPartitions = 4;  // The default of a hub.
constexpr double kOpenLimitS = 30;
constexpr std::string_view kFilter = "apache.org:selector-filter:string";

class HubReader final : public EventsReader, private AmqpClient {
 public:
  // Without `on_event` it stalls at the first event.
  HubReader(Session& session, ReadFrom from, OnEvent on_event)
      : AmqpClient(session), from_(from), on_event_(std::move(on_event)) {}

  bool ready() const override { return attached_ == kPartitions; }

 private:
  void on_session(amqp::SessionId session) override {
    for (uint32_t partition = 0; partition < kPartitions; ++partition) attach(session, partition);
  }

  void attach(amqp::SessionId session, uint32_t partition) {
    const char* position = from_ == ReadFrom::kBeginning ? "-1" : "@latest";
    amqp::Attach attach;
    attach.name = fmt::format("reader-{}", partition);
    attach.role = amqp::Role::kReceiver;
    attach.snd_settle_mode = amqp::SenderSettleMode::kSettled;
    attach.source = amqp::Source{
        .address =
            fmt::format("{}/ConsumerGroups/$Default/Partitions/{}", session_entity(), partition),
        .filter = amqp::Value::map(
            {amqp::Value::symbol(std::string(kFilter)),
             amqp::Value::described(amqp::Value::symbol(std::string(kFilter)),
                                    amqp::Value::string(fmt::format(
                                        "amqp.annotation.x-opt-offset > '{}'", position)))})};
    attach.target = amqp::Target{.address = "hub_load"};
    const auto link = engine()->attach(session, std::move(attach));
    if (!link) give_up("AMQP: " + link.error().message);
  }

  const std::string& session_entity() { return session().options().entity; }

  void on_link_event(const amqp::Event& event) override {
    if (const auto* attached = std::get_if<amqp::LinkAttached>(&event)) {
      ++attached_;
      engine()->grant_credit(attached->link, kCredit);
    } else if (const auto* received = std::get_if<amqp::MessageReceived>(&event)) {
      if (!on_event_) return stop_reading();
      amqp::MessageView message;
      if (!amqp::read_message(received->payload, message)) give_up("AMQP: an event is malformed");
      on_event_(message.body);
      if (engine()->credit(received->link) < kCredit / 2) {
        engine()->grant_credit(received->link, kCredit);
      }
    }
  }

  const ReadFrom from_;
  const OnEvent on_event_;
  uint32_t attached_ = 0;
};

class BrokerReader final : public EventsReader, private MqttSink {
 public:
  BrokerReader(Session& session, OnEvent on_event) : on_event_(std::move(on_event)) {
    MqttLogin login{.client_id = "reader",
                    .user_name = "reader",
                    .filter = "devices/+/messages/events/#",
                    .clean_session = true};
    MqttSink& self = *this;
    session.connect(session.options().mqtt_port, [&session, &self, login](net::Stream& stream) {
      return std::make_unique<MqttClient>(session, stream, login, self);
    });
  }

  bool ready() const override { return ready_; }

 private:
  void on_ready(MqttClient& /*client*/) override { ready_ = true; }
  void on_message(MqttClient& /*client*/, const mqtt::Publish& publish) override {
    on_event_(publish.payload);
  }

  const OnEvent on_event_;
  bool ready_ = false;
};

}  // namespace

std::unique_ptr<EventsReader> open_events_reader(Session& session, ReadFrom from,
                                                 EventsReader::OnEvent on_event) {
  std::unique_ptr<EventsReader> reader;
  session.on_loop([&] {
    if (session.options().is_hub()) {
      reader = std::make_unique<HubReader>(session, from, std::move(on_event));
    } else {
      reader = std::make_unique<BrokerReader>(session, std::move(on_event));
    }
  });
  session.run_until([&] { return reader->ready(); }, kOpenLimitS, "opening the reader of events");
  return reader;
}

std::unique_ptr<EventsReader> open_stalled_reader(Session& session) {
  return open_events_reader(session, ReadFrom::kBeginning, nullptr);
}

}  // namespace linarite::load
