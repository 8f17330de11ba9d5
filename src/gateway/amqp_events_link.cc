#include "gateway/amqp_events_link.h"

#include <prometheus/counter.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "amqp/encoder.h"
#include "amqp/message.h"
#include "gateway/amqp_error.h"
#include "hub/event_block.h"
#include "net/stream.h"
#include "wire/event_selector.h"

namespace linarite::gateway {
namespace {

using namespace std::string_view_literals;

// A described map32 of message annotations, up to its size (AMQP 1.0, part 1, 1.6.23).
constexpr std::string_view kAnnotationsStart = "\x00\x53\x72\xd1"sv;
// Annotations that differ from event to event: the symbol and the constructor of its value.
constexpr std::string_view kSequence = "\xa3\x15x-opt-sequence-number\x81"sv;  // long
constexpr std::string_view kOffset = "\xa3\x0cx-opt-offset\xa1"sv;             // str8
constexpr std::string_view kEnqueued = "\xa3\x13x-opt-enqueued-time\x83"sv;    // timestamp
constexpr uint32_t kOwnAnnotations = 3;
constexpr size_t kDecimalSizeMax = 20;
// How many deliveries are settled at once, in one disposition.
constexpr size_t kSettledAtOnce = 256;

struct Decimal {
  explicit Decimal(uint64_t number)
      : size(static_cast<size_t>(std::to_chars(text, text + sizeof(text), number).ptr - text)) {}
  std::string_view view() const { return {text, size}; }
  char text[kDecimalSizeMax];
  size_t size;
};

uint64_t milliseconds_of(WallTime time) {
  return static_cast<uint64_t>(time.time_since_epoch().count());
}

}  // namespace

AmqpEventsLink::~AmqpEventsLink() {
  peer_.hub.unwatch_events(watch_);
  peer_.hub.close_event_receiver(receiver_);
}

// The attach is answered when the hub knows whether there may be one more receiver.
void AmqpEventsLink::on_requested() {
  receiver_ = peer_.hub.open_event_receiver(
      attach_.receiver, peer_.loop, guarded([this](const Error& reason) {
        peer_.detach(id_, event_hub_error(reason, peer_.hub));
      }),
      {peer_.loop, guarded([this](const Result<uint64_t>& start) {
         if (!start) return peer_.answer(id_, event_hub_error(start.error(), peer_.hub));
         next_ = *start;
         peer_.answer(id_, std::nullopt);
       })});
}

void AmqpEventsLink::shape(amqp::Connection::Acceptance& acceptance) const {
  acceptance.source->filter = {};
  if (!attach_.selector.is_null()) {
    acceptance.source->filter = amqp::Value::map(
        {amqp::Value::symbol(std::string(wire::kSelectorFilter)), attach_.selector});
  }
  if (attach_.receiver.epoch) {
    acceptance.properties = amqp::Value::map({amqp::Value::symbol(std::string(kEventsEpoch)),
                                              amqp::Value::from_int64(*attach_.receiver.epoch)});
  }
  if (attach_.runtime_metrics) acceptance.offered_capabilities.emplace_back(kEventsRuntimeMetric);
}

void AmqpEventsLink::on_attached() {
  watch_ = peer_.hub.watch_events(attach_.receiver.partition, peer_.loop, guarded([this] {
                                    more_ = true;
                                    at_end_ = false;
                                    pump();
                                  }));
  pump();
}

void AmqpEventsLink::on_credit(const amqp::CreditChanged& credit) {
  draining_ = credit.drain;
  pump();
}

// In the second mode the receiver waits for our settlement.
void AmqpEventsLink::on_updated(const amqp::DeliveryUpdated& update) {
  if (!update.settled) {
    peer_.engine.settle(id_, update.delivery_id, amqp::DeliveryState::accepted());
  }
  if (std::exchange(wants_settlement_, false)) pump();
}

void AmqpEventsLink::on_writable() {
  if (std::exchange(wants_room_, false)) pump();
}

// An answer of the hub may come from inside the question: the loop then goes on with it.
void AmqpEventsLink::pump() {
  if (watch_ == 0 || std::exchange(pumping_, true)) return;
  for (;;) {
    if (peer_.engine.credit(id_) == 0 || (blocks_.empty() && at_end_)) {
      end_drain();
      break;
    }
    if (blocks_.empty()) {
      if (reading_) break;
      read();
    } else if (!send_burst()) {
      break;
    }
  }
  pumping_ = false;
}

void AmqpEventsLink::read() {
  reading_ = true;
  more_ = false;
  peer_.hub.read_events(
      attach_.receiver.partition, next_,
      {peer_.loop, guarded([this](Result<hub::EventBlocks> blocks) {
         if (!attach_.runtime_metrics) return take(std::move(blocks));
         peer_.hub.event_log_state(
             attach_.receiver.partition,
             {peer_.loop,
              guarded([this, blocks = std::move(blocks)](const hub::EventLogState& state) mutable {
                log_ = state;
                take(std::move(blocks));
              })});
       })});
}

void AmqpEventsLink::take(Result<hub::EventBlocks> blocks) {
  reading_ = false;
  if (!blocks) {
    at_end_ = true;
    return peer_.detach(id_, event_hub_error(blocks.error(), peer_.hub));
  }
  blocks_ = *std::move(blocks);
  std::ranges::reverse(blocks_);
  at_end_ = blocks_.empty() && !more_;
  // Events that were trimmed meanwhile are gone: it goes on at the first one that was kept.
  if (!blocks_.empty()) next_ = std::max(next_, blocks_.back()->first());
  pump();
}

bool AmqpEventsLink::send_burst() {
  size_t count = 0;
  size_t bytes = 0;
  bool ready = true;
  while (ready && !blocks_.empty()) {
    if (bytes >= kEventsBurstBytes || (bytes == 0 && peer_.unsent() > net::Stream::kUnsentHigh)) {
      wants_room_ = true;
      peer_.want_room();
      ready = false;
    } else if (!peer_.engine.can_send(id_)) {
      wants_settlement_ = peer_.engine.credit(id_) != 0;
      ready = !wants_settlement_;
      break;
    } else {
      ready = send_next();
      bytes += payload_.size();
      ++count;
      if (next_ == blocks_.back()->next()) blocks_.pop_back();
    }
  }
  peer_.metrics.events_sent.Increment(static_cast<double>(count));
  return ready;
}

bool AmqpEventsLink::send_next() {
  const hub::EventBlock& block = *blocks_.back();
  encode(block.at(next_ - block.first()));
  char tag[sizeof(next_)];
  for (size_t i = 0; i < sizeof(tag); ++i) tag[i] = static_cast<char>(next_ >> (56 - 8 * i));
  const auto sent = peer_.engine.send(id_, {tag, sizeof(tag)}, payload_);
  if (!sent) {
    peer_.detach(id_, event_hub_error(sent.error(), peer_.hub));
    return false;
  }
  ++next_;
  if (attach_.settled) return true;
  sent_.push_back(*sent);
  if (sent_.size() > kEventsUnsettledMax) settle_oldest();
  return true;
}

// Those that the peer has settled are not known any more, which costs nothing.
void AmqpEventsLink::settle_oldest() {
  for (size_t i = 0; i < kSettledAtOnce; ++i) {
    peer_.engine.settle(id_, sent_.front(), amqp::DeliveryState::accepted());
    sent_.pop_front();
  }
}

void AmqpEventsLink::encode(const hub::Event& event) {
  payload_.clear();
  if (attach_.runtime_metrics) encode_runtime_metrics();
  const Decimal offset(event.offset);
  const size_t own_size =
      kSequence.size() + 8 + kOffset.size() + 1 + offset.size + kEnqueued.size() + 8;
  ByteWriter writer(payload_);
  writer.bytes(kAnnotationsStart);
  writer.number(static_cast<uint32_t>(sizeof(uint32_t) + own_size + event.annotations.size()));
  writer.number(2 * (kOwnAnnotations + event.annotation_count));
  writer.bytes(kSequence);
  writer.number(event.sequence);
  writer.bytes(kOffset);
  writer.number(static_cast<uint8_t>(offset.size));
  writer.bytes(offset.view());
  writer.bytes(kEnqueued);
  writer.number(milliseconds_of(event.enqueued));
  writer.bytes(event.annotations);
  writer.bytes(event.sections);
}

// service-protocol 4.9. There is an event, so the log is not empty.
void AmqpEventsLink::encode_runtime_metrics() {
  amqp::Encoder encoder(payload_);
  encoder.descriptor(static_cast<uint64_t>(amqp::Section::kDeliveryAnnotations));
  const auto map = encoder.open_map();
  encoder.symbol("last_enqueued_sequence_number");
  encoder.int64(static_cast<int64_t>(log_.next_sequence) - 1);
  encoder.symbol("last_enqueued_offset");
  encoder.string(Decimal(log_.last_offset).view());
  encoder.symbol("last_enqueued_time_utc");
  encoder.timestamp(log_.last_enqueued.time_since_epoch().count());
  encoder.symbol("runtime_info_retrieval_time_utc");
  encoder.timestamp(peer_.hub.clock().wall().time_since_epoch().count());
  encoder.close(map);
}

// AMQP 1.0, 2.6.7: all there is was sent, or the credit is used up.
void AmqpEventsLink::end_drain() {
  if (std::exchange(draining_, false)) peer_.engine.drained(id_);
}

}  // namespace linarite::gateway
