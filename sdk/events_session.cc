#include "sdk/events_session.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "amqp/conditions.h"
#include "sdk/event_hub_properties.h"
#include "sdk/event_message.h"
#include "sdk/event_position.h"
#include "sdk/failure.h"
#include "wire/event_selector.h"

namespace linarite::sdk {
namespace {

constexpr const char* kEpoch = "com.microsoft:epoch";
constexpr const char* kSequenceNumber = "x-opt-sequence-number";

std::string event_hub_of(const event_hub_identity& identity) {
  return identity.event_hub.empty() ? wire::event_hub_name(identity.host_name) : identity.event_hub;
}

AmqpPeer peer_of(const event_hub_identity& identity) {
  AmqpPeer out{.tls = !identity.plain, .port = identity.port};
  if (!identity.event_hub.empty()) {
    out.audience = "sb://" + identity.host_name + "/" + identity.event_hub;
  }
  return out;
}

error in_partition(uint32_t number, const error& why) {
  return {why.code(), "partition " + std::to_string(number) + ": " + why.message(),
          why.tracking_id()};
}

error no_such_partition(uint32_t number, const std::vector<uint32_t>& there) {
  return {errc::amqp_address_not_found, "the hub has no partition " + std::to_string(number) +
                                            ": it has " + std::to_string(there.size()) + ", from " +
                                            std::to_string(there.front()) + " to " +
                                            std::to_string(there.back())};
}

// With the result of `read`, or why there is none.
template <class Read>
auto answering(
    detail::completion<typename std::invoke_result_t<Read, amqp::Value>::value_type> done,
    Read read) {
  return [done = std::move(done), read](error why, const amqp::Value& body) mutable {
    if (why) return fail_with(std::move(done), std::move(why));
    auto result = read(body);
    if (!result) return fail_with(std::move(done), {errc::protocol_error, result.error().message});
    finish(std::move(done), error(), *std::move(result));
  };
}

}  // namespace

EventsSession::EventsSession(const network& network, event_hub_identity identity,
                             event_reader_options options)
    : loop_(network.implementation()->choose_loop()),
      identity_(std::move(identity)),
      options_(std::move(options)),
      event_hub_(event_hub_of(identity_)),
      log_(options_.log, "events of " + identity_.host_name),
      amqp_(network.implementation(), loop_, identity_, options_, log_, peer_of(identity_)),
      management_(amqp_, event_hub_, options_.operation_timeout),
      ended_(check_options()),
      receivers_(*loop_) {
  amqp_.add(management_);
}

error EventsSession::check_options() const {
  if (options_.owner_level && *options_.owner_level < 0) {
    return {errc::invalid_argument, "the owner level is below 0"};
  }
  error why = check_position(options_.begin);
  for (const auto& [number, position] : options_.begin_in) {
    if (why) break;
    why = check_position(position);
    if (why) why = in_partition(number, why);
  }
  return why;
}

void EventsSession::receive(detail::operation_id id, detail::completion<std::vector<event>> done) {
  if (closed_) return fail_with(std::move(done), errc::closed);
  if (ended_ && waiting_.empty()) return fail_with(std::move(done), ended_);
  receivers_.add(id, std::move(done));
  if (!ended_) {
    if (!std::exchange(added_, true)) amqp_.add(*this);
    amqp_.want();
  }
  serve();
}

void EventsSession::get_properties(detail::operation_id id,
                                   detail::completion<event_hub_properties> done) {
  if (closed_) return fail_with(std::move(done), errc::closed);
  management_.ask(id, std::nullopt, options_.operation_timeout,
                  answering(std::move(done), &read_event_hub_properties));
}

void EventsSession::get_partition_properties(detail::operation_id id, uint32_t partition,
                                             detail::completion<partition_properties> done) {
  if (closed_) return fail_with(std::move(done), errc::closed);
  management_.ask(id, partition, options_.operation_timeout,
                  answering(std::move(done), [partition](const amqp::Value& body) {
                    auto read = read_partition_properties(body);
                    if (read) read->partition = partition;
                    return read;
                  }));
}

void EventsSession::cancel(detail::operation_id id) {
  receivers_.fail(id, errc::operation_aborted);
  management_.fail(id, errc::operation_aborted);
}

void EventsSession::shut_down() {
  if (std::exchange(closed_, true)) return;
  amqp_.remove(*this);
  amqp_.remove(management_);
  amqp_.shut_down();
  management_.fail_all(errc::closed);
  receivers_.fail_all(errc::closed);
}

// --- Where to begin.

void EventsSession::on_ready(amqp::Connection&, amqp::SessionId session) {
  session_ = session;
  begin();
}

void EventsSession::begin() {
  if (ended_ || !session_) return;
  if (partitions_.empty()) return ask_partitions();
  for (Partition& partition : partitions_) begin(partition);
}

void EventsSession::ask_partitions() {
  // One question that was lost with its connection is asked again by itself.
  if (std::exchange(asking_partitions_, true)) return;
  const auto answered = [this](error why, const amqp::Value& body) {
    asking_partitions_ = false;
    if (closed_) return;
    if (!why) {
      const auto hub = read_event_hub_properties(body);
      why = hub ? choose(hub->partitions) : error(errc::protocol_error, hub.error().message);
    }
    if (why) return amqp_.fail(why);
    begin();
  };
  management_.ask(detail::next_operation_id(), std::nullopt, Duration(0), answered);
}

error EventsSession::choose(const std::vector<uint32_t>& there) {
  const auto is_there = [&](uint32_t number) { return std::ranges::binary_search(there, number); };
  for (const auto& [number, position] : options_.begin_in) {
    if (!is_there(number)) return no_such_partition(number, there);
  }
  std::vector<uint32_t> chosen = options_.partitions.empty() ? there : options_.partitions;
  std::ranges::sort(chosen);
  chosen.erase(std::ranges::unique(chosen).begin(), chosen.end());
  for (const uint32_t number : chosen) {
    if (!is_there(number)) return no_such_partition(number, there);
  }
  for (const uint32_t number : chosen) {
    const auto own = options_.begin_in.find(number);
    Partition partition{.number = number,
                        .from = own == options_.begin_in.end() ? options_.begin : own->second};
    if (partition.from.where == event_position::kind::sequence_number) {
      partition.next = partition.from.sequence_number + (partition.from.inclusive ? 0 : 1);
    }
    partitions_.push_back(std::move(partition));
  }
  return {};
}

void EventsSession::begin(Partition& partition) {
  if (partition.from.where == event_position::kind::latest) return ask_end(partition);
  attach(partition);
}

// The end becomes the partition's place, so that a connection that is lost before the first event
// loses none.
void EventsSession::ask_end(Partition& partition) {
  if (std::exchange(partition.asking, true)) return;
  const auto answered = [this, &partition](error why, const amqp::Value& body) {
    partition.asking = false;
    if (closed_ || ended_) return;
    if (!why) {
      const auto log = read_partition_properties(body);
      if (log) {
        partition.from = event_position::from_sequence_number(log->last_sequence_number);
        partition.next = log->last_sequence_number + 1;
      } else {
        why = error(errc::protocol_error, log.error().message);
      }
    }
    if (why) return amqp_.fail(in_partition(partition.number, why));
    attach(partition);
  };
  management_.ask(detail::next_operation_id(), partition.number, Duration(0), answered);
}

// --- Links.

void EventsSession::attach(Partition& partition) {
  amqp::Connection* const engine = amqp_.engine();
  if (engine == nullptr || !session_ || partition.link) return;
  const auto symbol = amqp::Value::symbol(std::string(wire::kSelectorFilter));
  amqp::Attach attach;
  attach.name = "events-" + std::to_string(detail::next_operation_id());
  attach.role = amqp::Role::kReceiver;
  attach.snd_settle_mode = amqp::SenderSettleMode::kSettled;
  attach.source = amqp::Source{
      .address = event_hub_ + "/ConsumerGroups/" + options_.consumer_group + "/Partitions/" +
                 std::to_string(partition.number),
      .filter = amqp::Value::map(
          {symbol,
           amqp::Value::described(symbol, amqp::Value::string(selector_text(partition.from)))})};
  attach.target = amqp::Target{.address = "linarite-cpp"};
  if (options_.owner_level) {
    attach.properties = amqp::Value::map(
        {amqp::Value::symbol(kEpoch), amqp::Value::from_int64(*options_.owner_level)});
  }
  const auto link = engine->attach(*session_, std::move(attach));
  if (!link) return amqp_.fail({errc::protocol_error, "AMQP: no receiver can be attached"});
  partition.link = *link;
  amqp_.flush();
}

EventsSession::Partition* EventsSession::partition_of(amqp::LinkId link) {
  const auto found = std::ranges::find(partitions_, std::optional(link), &Partition::link);
  return found == partitions_.end() ? nullptr : &*found;
}

void EventsSession::on_event(const amqp::Event& event) {
  if (const auto* link = std::get_if<amqp::LinkAttached>(&event)) {
    attached(*link);
  } else if (const auto* received = std::get_if<amqp::MessageReceived>(&event)) {
    take(*received);
  }
}

// A hub that refuses a link answers without a source, and detaches. One that takes a partition away
// at once, from a reader with too low a level, may answer with it.
void EventsSession::attached(const amqp::LinkAttached& attached) {
  Partition* const partition = partition_of(attached.link);
  if (partition == nullptr || !attached.attach->source) return;
  partition->open = partition->was_open = true;
  ask_for_more();
}

bool EventsSession::on_detached(const amqp::LinkDetached& detached) {
  Partition* const partition = partition_of(detached.link);
  if (partition == nullptr) return false;
  const error why = refusal(*partition, detached);
  partition->link.reset();
  partition->open = false;
  if (why == errc::consumer_disconnected) {
    end(why);
  } else {
    amqp_.fail(why);
  }
  return true;
}

error EventsSession::refusal(const Partition& partition, const amqp::LinkDetached& detached) const {
  const std::string condition = detached.error ? detached.error->condition : "";
  error why = endpoint_failure(detached.error.get(), errc::connection_lost);
  if (condition == amqp::condition::kStolen) {
    why = {errc::consumer_disconnected, why.message(), why.tracking_id()};
  } else if (condition == amqp::condition::kResourceLimitExceeded) {
    // Links of a connection that was lost here may live on at the hub for a while.
    const errc code = partition.was_open ? errc::connection_lost : errc::too_many_receivers;
    why = {code, why.message(), why.tracking_id()};
  }
  return in_partition(partition.number, why);
}

// For good. The connection stays, for questions.
void EventsSession::end(const error& why) {
  ended_ = why;
  log_.write(log_level::warning, why.message());
  amqp::Connection* const engine = amqp_.engine();
  for (Partition& partition : partitions_) {
    partition.open = false;
    if (partition.link && engine != nullptr) engine->detach(*partition.link, true, std::nullopt);
    partition.link.reset();
  }
  amqp_.flush();
  receivers_.fail_all(why);
}

void EventsSession::on_lost() {
  session_.reset();
  for (Partition& partition : partitions_) {
    partition.link.reset();
    partition.open = false;
  }
}

void EventsSession::on_refused(const error& why) { receivers_.fail_all(why); }

// --- Events.

void EventsSession::take(const amqp::MessageReceived& received) {
  Partition* const partition = partition_of(received.link);
  if (partition == nullptr) return;
  if (!received.settled) {
    amqp_.engine()->settle(received.link, received.delivery_id, amqp::DeliveryState::accepted());
  }
  auto read = read_event(received.payload);
  if (!read) {
    return amqp_.fail(
        {errc::protocol_error, "AMQP: an event cannot be read: " + read.error().message});
  }
  const bool numbered = std::ranges::any_of(read->annotations, [](const auto& annotation) {
    return annotation.first == kSequenceNumber && annotation.second.index() == 1;
  });
  if (!numbered) {
    return amqp_.fail({errc::protocol_error, "AMQP: an event has no sequence number"});
  }
  follow(*partition, *read);
  waiting_.push_back(*std::move(read));
  waiting_.back().partition = partition->number;
  serve();
  const amqp::Connection* const engine = amqp_.engine();
  if (engine != nullptr && engine->credit(received.link) <= share() / 2) ask_for_more();
}

void EventsSession::follow(Partition& partition, const event& one) {
  if (partition.next && one.sequence_number > *partition.next) {
    log_.write(log_level::warning, "partition " + std::to_string(partition.number) +
                                       ": the events " + std::to_string(*partition.next) + " to " +
                                       std::to_string(one.sequence_number - 1) +
                                       " were gone before they were read; their retention is over");
  }
  partition.next = one.sequence_number + 1;
  partition.from = event_position::from_sequence_number(one.sequence_number);
}

void EventsSession::serve() {
  if (waiting_.empty() || receivers_.empty()) return;
  std::vector<event> all(std::make_move_iterator(waiting_.begin()),
                         std::make_move_iterator(waiting_.end()));
  waiting_.clear();
  finish(receivers_.take_first(), error(), std::move(all));
  if (starved_) ask_for_more();
}

// --- Credit.

// Of one partition, so that all together find room.
uint32_t EventsSession::share() const {
  const size_t each = kWaitingMax / std::max<size_t>(partitions_.size(), 1);
  return static_cast<uint32_t>(std::clamp<size_t>(each, 1, kCredit));
}

void EventsSession::ask_for_more() {
  amqp::Connection* const engine = amqp_.engine();
  if (engine == nullptr || ended_) return;
  size_t taken = waiting_.size();
  for (const Partition& partition : partitions_) {
    if (partition.open) taken += engine->credit(*partition.link);
  }
  starved_ = false;
  for (const Partition& partition : partitions_) {
    if (!partition.open) continue;
    const uint32_t left = engine->credit(*partition.link);
    if (left > share() / 2) continue;
    const size_t room = kWaitingMax - std::min(kWaitingMax, taken);
    const auto more = static_cast<uint32_t>(std::min<size_t>(share() - left, room));
    starved_ = starved_ || left + more < share();
    if (more == 0) continue;
    engine->grant_credit(*partition.link, left + more);
    taken += more;
  }
  amqp_.flush();
}

}  // namespace linarite::sdk
