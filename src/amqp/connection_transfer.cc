// Messages, credit and settlement (AMQP 1.0, part 2, sections 2.5.6, 2.6.7 and 2.6.12 to 2.6.14).
#include <algorithm>
#include <utility>

#include "amqp/connection_state.h"
#include "base/mutation.h"

namespace linarite::amqp {
namespace {

// States without details can share one disposition frame.
bool is_plain(const DeliveryState& state) {
  return state.kind == StateKind::kAccepted || state.kind == StateKind::kReleased;
}

}  // namespace

void Connection::on_transfer(Session& session, const ValueView& list, ByteView payload) {
  Transfer transfer;
  if (!decode(list, transfer))
    return fail_connection(condition::kDecodeError, "malformed transfer");
  if (session.incoming_window == 0) {
    return fail_session(session, condition::kWindowViolation, "transfer beyond the session window");
  }
  ++session.next_incoming_id;
  --session.incoming_window;
  if (session.incoming_window < options_.incoming_window / 2) write_session_flow(session);
  Link* link = session.at_remote_handle(transfer.handle);
  if (link == nullptr) {
    return fail_session(session, condition::kUnattachedHandle, "transfer on an unattached handle");
  }
  if (link->state == Link::State::kDetaching) return;
  if (link->role != Role::kReceiver) {
    return fail_link(*link, condition::kNotAllowed, "transfer against the direction of the link");
  }
  if (link->assembly) return continue_delivery(session, *link, transfer, payload);
  if (!start_delivery(session, *link, transfer)) return;
  if (transfer.aborted) {
    ++link->credit;
    return write_link_flow(*link, false);
  }
  const bool settled =
      transfer.settled.value_or(false) || link->snd_settle_mode == SenderSettleMode::kSettled;
  const ReceiverSettleMode mode = transfer.rcv_settle_mode.value_or(link->rcv_settle_mode);
  if (payload.size() > link->message_size_max) {
    return fail_link(*link, condition::kMessageSizeExceeded, "the message is too large");
  }
  if (!transfer.more) {
    return finish_delivery(session, *link,
                           {link->id, *transfer.delivery_id, settled, mode, transfer.message_format,
                            *transfer.delivery_tag, payload});
  }
  if (!assembly_has_room(*link, payload.size())) return;
  link->assembly = std::make_unique<Assembly>(
      Assembly{*transfer.delivery_id, transfer.message_format, settled, mode,
               Bytes(*transfer.delivery_tag), Bytes(payload), now_});
  ++assembling_links_;
  assembly_bytes_ += payload.size();
}

// 2.7.5: the first frame of a message names its id and tag, and takes one credit. Ids must grow;
// uAMQP leaves gaps after messages of several frames.
bool Connection::start_delivery(Session& session, Link& link, const Transfer& transfer) {
  if (!transfer.delivery_id || !transfer.delivery_tag) {
    fail_link(link, condition::kInvalidField,
              "the first transfer of a message needs an id and a tag");
    return false;
  }
  if (transfer.delivery_tag->size() > kDeliveryTagMax) {
    fail_link(link, condition::kInvalidField, "delivery-tag over 32 bytes");
    return false;
  }
  if (session.last_incoming_delivery_id &&
      !serial_less(*session.last_incoming_delivery_id, *transfer.delivery_id)) {
    fail_session(session, condition::kInvalidField, "delivery-id out of sequence");
    return false;
  }
  if (link.credit == 0 || link.state != Link::State::kAttached) {
    fail_link(link, condition::kTransferLimitExceeded, "transfer without credit");
    return false;
  }
  if (transfer.resume) {
    fail_link(link, condition::kNotImplemented, "deliveries are not resumed");
    return false;
  }
  session.last_incoming_delivery_id = transfer.delivery_id;
  --link.credit;
  ++link.delivery_count;
  return true;
}

void Connection::continue_delivery(Session& session, Link& link, const Transfer& transfer,
                                   ByteView payload) {
  Assembly& assembly = *link.assembly;
  if ((transfer.delivery_id && *transfer.delivery_id != assembly.delivery_id) ||
      (transfer.delivery_tag && *transfer.delivery_tag != assembly.tag)) {
    return fail_link(link, condition::kInvalidField, "a message began inside another one");
  }
  if (transfer.aborted) {
    drop_assembly(link);
    ++link.credit;
    return write_link_flow(link, false);
  }
  if (assembly.body.size() + payload.size() > link.message_size_max) {
    return fail_link(link, condition::kMessageSizeExceeded, "the message is too large");
  }
  if (!assembly_has_room(link, payload.size())) return;
  assembly_bytes_ += payload.size();
  assembly.body += payload;
  assembly.settled = assembly.settled || transfer.settled.value_or(false);
  if (transfer.more) return;
  // The event's views need the body for longer than the link keeps it.
  auto body = std::make_unique<Bytes>(std::exchange(assembly.body, {}));
  const size_t size = body->size();
  assembly_bytes_ -= size;
  *body += assembly.tag;
  const ByteView whole = *body;
  const MessageReceived message{link.id,
                                assembly.delivery_id,
                                assembly.settled,
                                assembly.rcv_settle_mode,
                                assembly.message_format,
                                whole.substr(size),
                                whole.substr(0, size)};
  bodies_.push_back(std::move(body));
  drop_assembly(link);
  finish_delivery(session, link, message);
}

bool Connection::assembly_has_room(Link& link, size_t more) {
  if (assembly_bytes_ + more <= options_.assembly_bytes_max) return true;
  fail_link(link, condition::kResourceLimitExceeded, "too many unfinished messages");
  return false;
}

void Connection::drop_assembly(Link& link) {
  if (!link.assembly) return;
  assembly_bytes_ -= link.assembly->body.size();
  --assembling_links_;
  link.assembly.reset();
}

void Connection::finish_delivery(Session& session, Link& link, const MessageReceived& message) {
  if (!message.settled) {
    if (session.incoming.size() >= options_.unsettled_max ||
        !session.incoming.can_insert(message.delivery_id)) {
      return fail_session(session, condition::kResourceLimitExceeded,
                          "too many unsettled messages");
    }
    session.incoming.insert(message.delivery_id, Unsettled{link.id, {}});
  }
  emit(message);
}

void Connection::on_flow(Session& session, const ValueView& list) {
  Flow flow;
  if (!decode(list, flow)) return fail_connection(condition::kDecodeError, "malformed flow");
  // 2.5.6: without next-incoming-id the peer has not yet seen our begin.
  const bool was_shut = session.remote_incoming_window == 0 || !session.waiting.empty();
  session.remote_incoming_window =
      remaining_window(flow.next_incoming_id.value_or(session.first_outgoing_id),
                       flow.incoming_window, session.next_outgoing_id);
  if (flow.handle) {
    on_link_flow(session, flow);
  } else if (flow.echo) {
    write_session_flow(session);
  }
  if (!session.waiting.empty()) flush_waiting(session);
  if (was_shut && session.remote_incoming_window > 0 && session.waiting.empty()) {
    tell_window_open(session);
  }
}

// Links of the session may have stopped, though nothing of theirs waited.
void Connection::tell_window_open(const Session& session) {
  for (const Link* link : session.by_local_handle) {
    if (link == nullptr || link->role != Role::kSender || link->state != Link::State::kAttached ||
        link->credit == 0) {
      continue;
    }
    emit(CreditChanged{link->id, link->credit, link->drain});
  }
}

void Connection::on_link_flow(Session& session, const Flow& flow) {
  Link* link = session.at_remote_handle(*flow.handle);
  if (link == nullptr) {
    return fail_session(session, condition::kUnattachedHandle, "flow on an unattached handle");
  }
  if (link->state == Link::State::kDetaching) return;
  if (link->role == Role::kSender) {
    // 2.6.7: the receiver's count may be behind ours by what is under way.
    const uint32_t seen = flow.delivery_count.value_or(options_.first_serial);
    const uint32_t credit =
        mutated(Mutation::kCreditOnItsWayTwice)
            ? flow.link_credit.value_or(0)
            : remaining_window(seen, flow.link_credit.value_or(0), link->delivery_count);
    const bool changed = credit != link->credit || flow.drain != link->drain;
    link->credit = credit;
    link->drain = flow.drain;
    if (changed || flow.drain) emit(CreditChanged{link->id, credit, flow.drain});
  } else if (flow.delivery_count) {
    const int32_t advance = serial_distance(*flow.delivery_count, link->delivery_count);
    if (advance > 0) {
      link->delivery_count = *flow.delivery_count;
      link->credit -= std::min(link->credit, static_cast<uint32_t>(advance));
    }
    if (link->drain && link->credit == 0) {
      link->drain = false;
      emit(Drained{link->id});
    }
  }
  if (flow.echo) write_link_flow(*link, false);
}

void Connection::write_session_flow(Session& session) {
  session.incoming_window = options_.incoming_window;
  Flow flow;
  if (session.remote_channel) flow.next_incoming_id = session.next_incoming_id;
  flow.incoming_window = session.incoming_window;
  flow.next_outgoing_id = session.next_outgoing_id;
  flow.outgoing_window = UINT32_MAX;
  write_frame(session.local_channel, flow);
}

void Connection::write_link_flow(Link& link, bool echo) {
  if (link.state != Link::State::kAttached) return;
  Session& session = *link.session;
  session.incoming_window = options_.incoming_window;
  Flow flow;
  flow.next_incoming_id = session.next_incoming_id;
  flow.incoming_window = session.incoming_window;
  flow.next_outgoing_id = session.next_outgoing_id;
  flow.outgoing_window = UINT32_MAX;
  flow.handle = link.local_handle;
  flow.delivery_count = link.delivery_count;
  flow.link_credit = link.credit;
  flow.drain = link.drain;
  flow.echo = echo;
  write_frame(session.local_channel, flow);
}

void Connection::grant_credit(LinkId id, uint32_t credit, bool drain) {
  Link* link = find(id);
  if (link == nullptr || link->role != Role::kReceiver || link->state != Link::State::kAttached ||
      stage_ != Stage::kOpened) {
    return;
  }
  link->credit = credit;
  link->drain = drain;
  write_link_flow(*link, false);
}

uint32_t Connection::credit(LinkId id) const {
  const Link* link = find(id);
  return link != nullptr && link->state == Link::State::kAttached ? link->credit : 0;
}

void Connection::drained(LinkId id) {
  Link* link = find(id);
  if (link == nullptr || link->role != Role::kSender || !link->drain || stage_ != Stage::kOpened)
    return;
  link->delivery_count += link->credit;
  link->credit = 0;
  write_link_flow(*link, false);
  link->drain = false;
}

// The range is cut down to what is really unsettled. A state stated again without settling is not
// told again, so that a frame costs at most one event per unsettled delivery, once.
void Connection::on_disposition(Session& session, const ValueView& list) {
  Disposition disposition;
  if (!decode(list, disposition)) {
    return fail_connection(condition::kDecodeError, "malformed disposition");
  }
  if (disposition.role == Role::kSender) {
    if (!disposition.settled) return;
    session.incoming.visit_range(disposition.first, disposition.last,
                                 [&](uint32_t id, Unsettled& delivery) {
                                   emit(DeliverySettled{delivery.link, id, disposition.state});
                                   return true;
                                 });
    return;
  }
  session.outgoing.visit_range(
      disposition.first, disposition.last, [&](uint32_t id, Unsettled& delivery) {
        const bool news =
            delivery.state.kind == StateKind::kNone && disposition.state.is_terminal();
        if (news) delivery.state = disposition.state;
        if (disposition.settled || news) {
          emit(DeliveryUpdated{delivery.link, id, disposition.settled, delivery.state});
        }
        return disposition.settled;
      });
}

void Connection::settle(LinkId id, uint32_t delivery_id, const DeliveryState& state, bool settled) {
  Link* link = find(id);
  if (link == nullptr || link->state == Link::State::kDetaching || stage_ != Stage::kOpened) return;
  Session& session = *link->session;
  auto& deliveries = link->role == Role::kReceiver ? session.incoming : session.outgoing;
  const Unsettled* delivery = deliveries.find(delivery_id);
  if (delivery == nullptr || delivery->link != id) return;
  if (settled) deliveries.erase(delivery_id);
  add_disposition(session, link->role, delivery_id, state, settled);
}

void Connection::add_disposition(const Session& session, Role role, uint32_t delivery_id,
                                 const DeliveryState& state, bool settled) {
  if (pending_disposition_ && is_plain(state)) {
    Disposition& body = pending_disposition_->body;
    if (pending_disposition_->session == session.id && body.role == role &&
        body.settled == settled && body.state.kind == state.kind && body.last + 1 == delivery_id) {
      body.last = delivery_id;
      return;
    }
  }
  flush_disposition();
  pending_disposition_.emplace(PendingDisposition{
      session.id, Disposition{role, delivery_id, delivery_id, settled, state, false}});
  if (!is_plain(state)) flush_disposition();
}

void Connection::flush_disposition() {
  if (!pending_disposition_) return;
  PendingDisposition pending = std::move(*pending_disposition_);
  pending_disposition_.reset();
  const bool several = pending.body.last != pending.body.first;
  if (mutated(Mutation::kDispositionLosesLast) && several) --pending.body.last;
  const Session* session = find(pending.session);
  if (session == nullptr || session->state != Session::State::kMapped) return;
  write_frame(session->local_channel, pending.body);
}

Result<uint32_t> Connection::send(LinkId id, ByteView tag, ByteView payload, bool settled,
                                  uint32_t message_format) {
  Link* link = find(id);
  if (link == nullptr || link->state != Link::State::kAttached || link->role != Role::kSender ||
      stage_ != Stage::kOpened || tag.size() > kDeliveryTagMax) {
    return fail(ErrorCode::kMalformed, "the link cannot send this");
  }
  if (link->peer_message_size_max != 0 && payload.size() > link->peer_message_size_max) {
    return fail(ErrorCode::kMessageTooLarge, "over the peer's max-message-size");
  }
  Session& session = *link->session;
  const bool must_wait = !session.waiting.empty();
  if (link->credit == 0 || session.outgoing.size() >= options_.unsettled_max ||
      !session.outgoing.can_insert(session.next_delivery_id) ||
      (must_wait && waiting_bytes_ + payload.size() > options_.waiting_bytes_max)) {
    return fail(ErrorCode::kLimitExceeded, "no credit, or too much unsettled");
  }
  if (link->snd_settle_mode != SenderSettleMode::kMixed) {
    settled = link->snd_settle_mode == SenderSettleMode::kSettled;
  }
  --link->credit;
  ++link->delivery_count;
  const uint32_t delivery_id = session.next_delivery_id++;
  if (!settled && !mutated(Mutation::kDeliveryForgotten)) {
    session.outgoing.insert(delivery_id, Unsettled{id, {}});
  }
  Sending sending{id, link->local_handle, delivery_id, message_format, settled, tag, payload, 0};
  if (must_wait || !write_transfers(session, sending)) {
    auto waiting = std::make_unique<Waiting>(Waiting{sending, Bytes(tag), Bytes(payload)});
    waiting->sending.tag = waiting->tag;
    waiting->sending.payload = waiting->payload;
    waiting_bytes_ += payload.size();
    session.waiting.push_back(std::move(waiting));
  }
  return delivery_id;
}

bool Connection::can_send(LinkId id) const {
  const Link* link = find(id);
  if (link == nullptr || link->state != Link::State::kAttached || link->role != Role::kSender ||
      stage_ != Stage::kOpened || link->credit == 0) {
    return false;
  }
  const Session& session = *link->session;
  return session.remote_incoming_window > 0 && session.waiting.empty() &&
         session.outgoing.size() < options_.unsettled_max;
}

// Writes frames until the message is out (true) or the peer's session window is used up (false).
bool Connection::write_transfers(Session& session, Sending& sending) {
  flush_disposition();
  for (;;) {
    if (session.remote_incoming_window == 0 && !mutated(Mutation::kSessionWindowIgnored)) {
      return false;
    }
    --session.remote_incoming_window;
    ++session.next_outgoing_id;
    Transfer transfer;
    transfer.handle = sending.handle;
    if (sending.offset == 0) {
      transfer.delivery_id = sending.delivery_id;
      transfer.delivery_tag = sending.tag;
      transfer.message_format = sending.message_format;
      transfer.settled = sending.settled;
    }
    const ByteView rest = sending.payload.substr(sending.offset);
    const size_t start = begin_frame(output_, kFrameTypeAmqp, session.local_channel);
    encode(transfer, output_);
    if (output_.size() - start + rest.size() <= peer_max_frame_size_) {
      output_ += rest;
      end_frame(output_, start);
      return true;
    }
    output_.resize(start + kFrameHeaderSize);
    transfer.more = true;
    encode(transfer, output_);
    const size_t room = peer_max_frame_size_ - (output_.size() - start);
    output_ += rest.substr(0, room);
    end_frame(output_, start);
    sending.offset += room + (mutated(Mutation::kFrameLosesByte) ? 1 : 0);
  }
}

// Sends what waited.
void Connection::flush_waiting(Session& session) {
  while (!session.waiting.empty() && session.state == Session::State::kMapped) {
    Waiting& waiting = *session.waiting.front();
    if (!write_transfers(session, waiting.sending)) return;
    waiting_bytes_ -= waiting.payload.size();
    session.waiting.pop_front();
  }
}

}  // namespace linarite::amqp
