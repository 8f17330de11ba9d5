#include "sim/amqp_reader.h"

#include <fmt/format.h>

#include "amqp/message.h"
#include "base/text.h"
#include "sim/amqp_rules.h"

namespace linarite::sim {
namespace {

using amqp::Value;

constexpr uint32_t kCreditMax = 20;
constexpr uint32_t kSmallFrame = 512;
constexpr uint32_t kSmallWindow = 1;  // Of frames: each flow lets one more come, and no other.

// Some have room for little at a time: they get an event in several frames, and wait for more.
std::shared_ptr<const amqp::ConnectionOptions> options_for(const std::string& token,
                                                           ConnectionNumber number) {
  return std::make_shared<const amqp::ConnectionOptions>(amqp::ConnectionOptions{
      .server = false,
      .container_id = "reader",
      .max_frame_size = number % 3 == 0 ? kSmallFrame : amqp::kMaxFrameSize,
      .incoming_window = number % 6 == 0 ? kSmallWindow : amqp::kIncomingWindow,
      .sasl_mechanism = "PLAIN",
      .sasl_initial_response = Bytes(1, '\0') + "service@sas.root.127" + '\0' + token});
}

// Nothing if it is not an event as the endpoint sends them.
std::optional<EventOracle::Sight> sight_of(ByteView payload) {
  const auto message = amqp::decode_message(payload);
  if (!message || message->data.size() != 1) return std::nullopt;
  const Value* sequence = message->message_annotations.find("x-opt-sequence-number");
  const Value* offset = message->message_annotations.find("x-opt-offset");
  const Value* enqueued = message->message_annotations.find("x-opt-enqueued-time");
  const auto number = whole_number<uint64_t>(message->data.front());
  if (sequence == nullptr || offset == nullptr || enqueued == nullptr || !number) {
    return std::nullopt;
  }
  const auto bytes = whole_number<uint64_t>(offset->text().value_or(""));
  if (!bytes) return std::nullopt;
  return EventOracle::Sight{
      .sequence = sequence->bits(),
      .offset = *bytes,
      .enqueued = WallTime(std::chrono::milliseconds(static_cast<int64_t>(enqueued->bits()))),
      .number = *number};
}

}  // namespace

NetworkWorld::AmqpReader::AmqpReader(NetworkWorld& world, Connection& connection,
                                     const std::string& token, Start start)
    : world_(world), connection_(connection), start_(std::move(start)), next_(start_.sequence) {
  engine_.emplace(options_for(token, connection.number()), world.clock_.now());
  flush();
}

void NetworkWorld::AmqpReader::flush() {
  connection_.send(engine_->output());
  engine_->clear_output();
}

void NetworkWorld::AmqpReader::receive(ByteView bytes, Moment /*sent*/) {
  amqp::Events events;
  engine_->receive(bytes, world_.clock_.now(), events);
  handle(events);
}

void NetworkWorld::AmqpReader::tick() {
  const auto deadline = engine_->deadline();
  if (!deadline || *deadline > world_.clock_.now()) return;
  amqp::Events events;
  engine_->tick(world_.clock_.now(), events);
  handle(events);
}

void NetworkWorld::AmqpReader::handle(amqp::Events& events) {
  for (const amqp::Event& event : events) {
    std::visit([this](const auto& e) { on(e); }, event);
  }
  flush();
  if (engine_->closed()) connection_.close();
}

void NetworkWorld::AmqpReader::on(const amqp::Closed& event) {
  attached_ = false;
  if (event.cause != amqp::Closed::Cause::kProtocol) return;
  world_.fail("the gateway broke AMQP: " +
              (event.error ? event.error->description : std::string()));
}

void NetworkWorld::AmqpReader::judge_end(const std::shared_ptr<const amqp::Error>& error) {
  if (const auto rule = broken_rule(error)) world_.fail(*rule);
}

void NetworkWorld::AmqpReader::on(const amqp::Opened& /*event*/) {
  if (const auto begun = engine_->begin_session()) session_ = *begun;
}

void NetworkWorld::AmqpReader::on(const amqp::SessionBegun& /*event*/) {
  using Kind = hub::EventPosition::Kind;
  const std::string offset =
      start_.position.kind == Kind::kStart ? "-1" : std::to_string(start_.position.number);
  amqp::Attach body;
  body.name = fmt::format("reader{}", connection_.number());
  body.role = amqp::Role::kReceiver;
  body.target = amqp::Target{};
  body.source = amqp::Source{};
  body.source->address = fmt::format("{}/ConsumerGroups/$Default/Partitions/{}",
                                     world_.hub_->event_hub_name(), start_.partition);
  body.source->filter =
      Value::map({Value::symbol("apache.org:selector-filter:string"),
                  Value::string("amqp.annotation.x-opt-offset > '" + offset + "'")});
  if (connection_.number() % 2 == 0) body.snd_settle_mode = amqp::SenderSettleMode::kSettled;
  if (start_.epoch) {
    body.properties =
        Value::map({Value::symbol("com.microsoft:epoch"), Value::from_int64(*start_.epoch)});
  }
  if (const auto link = engine_->attach(session_, body)) link_ = *link;
}

// A link that is refused is attached without a source and detached at once.
void NetworkWorld::AmqpReader::on(const amqp::LinkAttached& event) {
  if (event.link != link_ || !event.attach->source) return;
  attached_ = true;
  world_.trace("reading", connection_.number(), start_.partition);
  engine_->grant_credit(*link_, kCreditMax);
  if (start_.idle) connection_.pause_reading(true);
}

void NetworkWorld::AmqpReader::on(const amqp::LinkDetached& event) {
  judge_end(event.error);
  if (event.link != link_) return;
  world_.trace("reader detached", connection_.number(), attached_);
  attached_ = false;
  link_.reset();
  engine_->close(std::nullopt, world_.clock_.now());
}

void NetworkWorld::AmqpReader::on(const amqp::MessageReceived& event) {
  if (event.link != link_) return;
  const auto sight = sight_of(event.payload);
  if (!sight) return world_.fail("an event that cannot be read");
  world_.trace("read", sight->sequence, start_.partition);
  world_.expect(world_.events_.reader_saw(start_.partition, *sight, next_));
  next_ = sight->sequence + 1;
  if (world_.chance(3)) world_.checkpoints_[start_.partition] = sight->sequence;
  if (!event.settled) {
    engine_->settle(event.link, event.delivery_id, amqp::DeliveryState::accepted());
  }
}

void NetworkWorld::AmqpReader::take_more() {
  if (!attached_ || engine_->closed()) return;
  engine_->grant_credit(*link_, kCreditMax);
  flush();
}

void NetworkWorld::AmqpReader::act() {
  if (connection_.client_over() || engine_->closed()) return;
  const uint64_t what = world_.random_.below(100);
  if (what < 80) {
    take_more();
  } else if (what < 82) {
    engine_->close(std::nullopt, world_.clock_.now());
  } else if (what < 84) {
    connection_.close();
  }
  flush();
}

}  // namespace linarite::sim
