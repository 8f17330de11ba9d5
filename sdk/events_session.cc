#include "sdk/events_session.h"

#include <algorithm>
#include <utility>

#include "sdk/event_message.h"
#include "sdk/failure.h"
#include "wire/event_selector.h"

namespace linarite::sdk {
namespace {

constexpr const char* kNotFound = "amqp:not-found";

}  // namespace

EventsSession::EventsSession(const network& network, service_identity identity,
                             event_reader_options options)
    : loop_(network.implementation()->choose_loop()),
      identity_(std::move(identity)),
      options_(std::move(options)),
      log_(options_.log, "events of " + identity_.host_name),
      amqp_(network.implementation(), loop_, identity_, options_, log_),
      receivers_(*loop_) {}

void EventsSession::receive(detail::operation_id id, detail::completion<std::vector<event>> done) {
  if (closed_) return fail_with(std::move(done), errc::closed);
  receivers_.add(id, std::move(done));
  if (!std::exchange(added_, true)) amqp_.add(*this);
  amqp_.want();
  serve();
}

void EventsSession::shut_down() {
  if (std::exchange(closed_, true)) return;
  amqp_.remove(*this);
  amqp_.shut_down();
  receivers_.fail_all(errc::closed);
}

// --- Links.

void EventsSession::on_ready(amqp::Connection&, amqp::SessionId session) {
  session_ = session;
  if (!counted_) {
    // How many there are shows when one is not there. What was read of them is not forgotten.
    if (partitions_.empty()) partitions_.emplace_back();
    return attach(0);
  }
  for (uint32_t number = 0; number < partitions_.size(); ++number) attach(number);
}

std::string EventsSession::selector(const Partition& partition) const {
  using Kind = wire::EventSelector::Kind;
  wire::EventSelector out;
  if (partition.last) {
    out.kind = Kind::kSequence;
    out.number = static_cast<uint64_t>(*partition.last);
  } else if (options_.begin.where == event_position::kind::latest) {
    out.kind = Kind::kLatest;
  } else if (options_.begin.where == event_position::kind::enqueued_after) {
    out.kind = Kind::kEnqueued;
    out.time = options_.begin.time;
  }
  return wire::event_selector_text(out);
}

void EventsSession::attach(uint32_t number) {
  amqp::Connection* const engine = amqp_.engine();
  if (engine == nullptr) return;
  const auto symbol = amqp::Value::symbol(std::string(wire::kSelectorFilter));
  amqp::Attach attach;
  attach.name = "events-" + std::to_string(detail::next_operation_id());
  attach.role = amqp::Role::kReceiver;
  attach.snd_settle_mode = amqp::SenderSettleMode::kSettled;
  attach.source = amqp::Source{
      .address = wire::event_hub_name(identity_.host_name) + "/ConsumerGroups/" +
                 options_.consumer_group + "/Partitions/" + std::to_string(number),
      .filter = amqp::Value::map(
          {symbol,
           amqp::Value::described(symbol, amqp::Value::string(selector(partitions_[number])))})};
  attach.target = amqp::Target{.address = "linarite-cpp"};
  const auto link = engine->attach(session_, std::move(attach));
  if (!link) return amqp_.fail({errc::protocol_error, "AMQP: no receiver can be attached"});
  partitions_[number].link = *link;
  amqp_.flush();
}

std::optional<uint32_t> EventsSession::number_of(amqp::LinkId link) const {
  const auto found = std::ranges::find(partitions_, std::optional(link), &Partition::link);
  if (found == partitions_.end()) return std::nullopt;
  return static_cast<uint32_t>(found - partitions_.begin());
}

void EventsSession::on_event(const amqp::Event& event) {
  if (const auto* link = std::get_if<amqp::LinkAttached>(&event)) {
    attached(*link);
  } else if (const auto* received = std::get_if<amqp::MessageReceived>(&event)) {
    take(*received);
  }
}

// A hub that refuses a link answers without a source, and detaches.
void EventsSession::attached(const amqp::LinkAttached& attached) {
  const auto number = number_of(attached.link);
  if (!number || !attached.attach->source) return;
  ask_for_more();
  if (counted_ || *number + 1 < partitions_.size()) {
    if (!counted_) attach(*number + 1);
    return;
  }
  if (*number + 1 == kPartitionsMax) {
    counted_ = true;
    return;
  }
  partitions_.emplace_back();
  attach(*number + 1);
}

bool EventsSession::on_detached(const amqp::LinkDetached& detached) {
  const auto number = number_of(detached.link);
  const bool missing = detached.error && detached.error->condition == kNotFound;
  if (!number || *number == 0 || counted_ || !missing) return false;
  partitions_.resize(*number);
  counted_ = true;
  return true;
}

void EventsSession::on_lost() {
  for (Partition& partition : partitions_) partition.link.reset();
}

void EventsSession::on_refused(const error& why) { receivers_.fail_all(why); }

// --- Events.

void EventsSession::take(const amqp::MessageReceived& received) {
  const auto number = number_of(received.link);
  if (!number) return;
  if (!received.settled) {
    amqp_.engine()->settle(received.link, received.delivery_id, amqp::DeliveryState::accepted());
  }
  auto read = read_event(received.payload);
  if (!read) {
    return amqp_.fail(
        {errc::protocol_error, "AMQP: an event cannot be read: " + read.error().message});
  }
  read->partition = *number;
  partitions_[*number].last = read->sequence_number;
  waiting_.push_back(*std::move(read));
  serve();
}

void EventsSession::serve() {
  if (waiting_.empty() || receivers_.empty()) return ask_for_more();
  std::vector<event> all(std::make_move_iterator(waiting_.begin()),
                         std::make_move_iterator(waiting_.end()));
  waiting_.clear();
  finish(receivers_.take_first(), error(), std::move(all));
  ask_for_more();
}

void EventsSession::ask_for_more() {
  amqp::Connection* const engine = amqp_.engine();
  if (engine == nullptr || waiting_.size() >= kWaitingMax) return;
  for (const Partition& partition : partitions_) {
    if (partition.link && engine->credit(*partition.link) <= kCredit / 2) {
      engine->grant_credit(*partition.link, kCredit);
    }
  }
  amqp_.flush();
}

}  // namespace linarite::sdk
