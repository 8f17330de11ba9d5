// How sessions and links begin and end (AMQP 1.0, part 2, sections 2.5 and 2.6).
#include <algorithm>

#include "amqp/connection_state.h"
#include "base/check.h"

namespace linarite::amqp {
namespace {

constexpr uint64_t kSlotMask = 0xFFFF;

Role opposite(Role role) { return role == Role::kSender ? Role::kReceiver : Role::kSender; }

Error make_error(std::string_view condition, std::string_view description) {
  return {std::string(condition), std::string(description), {}};
}

std::shared_ptr<const Error> shared(std::optional<Error> error) {
  return error ? std::make_shared<const Error>(std::move(*error)) : nullptr;
}

// The lowest free place, at most `last`; the vector grows as needed.
template <class Pointer>
std::optional<size_t> free_place(std::vector<Pointer>& places, size_t last) {
  const auto found = std::find(places.begin(), places.end(), nullptr);
  const auto place = static_cast<size_t>(found - places.begin());
  if (place > last) return std::nullopt;
  if (place == places.size()) places.emplace_back();
  return place;
}

template <class T>
void put_at(std::vector<T*>& places, size_t at, T* value) {
  if (at >= places.size()) places.resize(at + 1);
  places[at] = value;
}

}  // namespace

Connection::Session* Connection::find(SessionId id) const {
  const auto slot = static_cast<uint64_t>(id) & kSlotMask;
  if (slot >= sessions_.size() || !sessions_[slot] || sessions_[slot]->id != id) return nullptr;
  return sessions_[slot].get();
}

Connection::Link* Connection::find(LinkId id) const {
  const auto slot = static_cast<uint64_t>(id) & kSlotMask;
  if (slot >= links_.size() || !links_[slot] || links_[slot]->id != id) return nullptr;
  return links_[slot].get();
}

// Null when every channel that both sides allow is taken.
Connection::Session* Connection::new_session() {
  const size_t last = std::min<size_t>(options_.sessions_max - 1U, peer_channel_max_);
  const auto channel = free_place(sessions_, last);
  if (!channel) return nullptr;
  auto session = std::make_unique<Session>();
  session->id = static_cast<SessionId>((++last_id_ << 16U) | *channel);
  session->local_channel = static_cast<uint16_t>(*channel);
  session->incoming_window = options_.incoming_window;
  session->first_outgoing_id = options_.first_serial + 1;
  session->next_outgoing_id = session->first_outgoing_id;
  session->next_delivery_id = options_.first_serial;
  sessions_[*channel] = std::move(session);
  return sessions_[*channel].get();
}

void Connection::write_begin(Session& session) {
  Begin begin;
  begin.remote_channel = session.remote_channel;
  begin.next_outgoing_id = session.next_outgoing_id;
  begin.incoming_window = session.incoming_window;
  begin.outgoing_window = UINT32_MAX;
  begin.handle_max = options_.handle_max;
  write_frame(session.local_channel, begin);
}

Result<SessionId> Connection::begin_session() {
  if (stage_ != Stage::kOpened) return fail(ErrorCode::kMalformed, "the connection is not open");
  Session* session = new_session();
  if (session == nullptr) return fail(ErrorCode::kLimitExceeded, "no free channel");
  session->state = Session::State::kBeginning;
  const SessionId id = session->id;
  write_begin(*session);
  return id;
}

void Connection::on_begin(uint16_t channel, const ValueView& list) {
  Begin begin;
  if (!decode(list, begin)) return fail_connection(condition::kDecodeError, "malformed begin");
  if (channel < by_remote_channel_.size() && by_remote_channel_[channel] != nullptr) {
    return fail_connection(condition::kNotAllowed, "begin on a channel that is in use");
  }
  Session* session = nullptr;
  const bool answer = begin.remote_channel.has_value();
  if (answer) {
    if (*begin.remote_channel < sessions_.size()) session = sessions_[*begin.remote_channel].get();
    if (session == nullptr || session->remote_channel) {
      return fail_connection(condition::kNotAllowed, "begin answers a session that is not there");
    }
  } else {
    session = new_session();
    if (session == nullptr) {
      return fail_connection(condition::kResourceLimitExceeded, "no free channel for a session");
    }
  }
  session->remote_channel = channel;
  session->next_incoming_id = begin.next_outgoing_id;
  session->remote_incoming_window = begin.incoming_window;
  session->peer_handle_max = begin.handle_max;
  put_at(by_remote_channel_, channel, session);
  if (answer && session->state == Session::State::kEnding) return;  // Ended before it was answered.
  session->state = Session::State::kMapped;
  if (!answer) write_begin(*session);
  emit(SessionBegun{session->id});
}

void Connection::end_session(SessionId id, std::optional<Error> error) {
  Session* session = find(id);
  if (session == nullptr || session->state == Session::State::kEnding || stage_ != Stage::kOpened) {
    return;
  }
  for (const auto& link : links_) {
    if (link && link->session == session) free_link(*link);
  }
  session->state = Session::State::kEnding;
  write_frame(session->local_channel, End{std::move(error)});
}

void Connection::on_end(Session& session, const ValueView& list) {
  End end;
  if (!decode(list, end)) return fail_connection(condition::kDecodeError, "malformed end");
  if (session.state != Session::State::kEnding) {
    const auto error = shared(std::move(end.error));
    lose_links(session, error);
    write_frame(session.local_channel, End{});
    emit(SessionEnded{session.id, error});
  }
  free_session(session);
}

void Connection::fail_session(Session& session, std::string_view condition,
                              std::string_view description) {
  if (session.state == Session::State::kEnding) return;
  const auto error = std::make_shared<const Error>(make_error(condition, description));
  lose_links(session, error);
  session.state = Session::State::kEnding;
  write_frame(session.local_channel, End{*error});
  emit(SessionEnded{session.id, error});
}

void Connection::lose_links(Session& session, const std::shared_ptr<const Error>& error) {
  for (const auto& link : links_) {
    if (!link || link->session != &session) continue;
    if (link->state != Link::State::kDetaching) emit(LinkDetached{link->id, false, error});
    free_link(*link);
  }
}

void Connection::free_session(Session& session) {
  if (pending_disposition_ && pending_disposition_->session == session.id) flush_disposition();
  for (const auto& waiting : session.waiting) waiting_bytes_ -= waiting->payload.size();
  if (session.remote_channel) by_remote_channel_[*session.remote_channel] = nullptr;
  sessions_[session.local_channel].reset();
}

// Null when no link, no slot or no handle is left.
Connection::Link* Connection::new_link(Session& session, const Attach& attach, Role role) {
  if (link_count_ >= options_.links_max + kRefusedLinksMax) return nullptr;
  const auto handle =
      free_place(session.by_local_handle, std::min(session.peer_handle_max, options_.handle_max));
  const auto slot = free_place(links_, kSlotMask);
  if (!handle || !slot) return nullptr;
  auto link = std::make_unique<Link>();
  link->id = static_cast<LinkId>((++last_id_ << 16U) | *slot);
  link->session = &session;
  link->name = attach.name;
  link->role = role;
  link->local_handle = static_cast<uint32_t>(*handle);
  link->snd_settle_mode = attach.snd_settle_mode;
  link->rcv_settle_mode = attach.rcv_settle_mode;
  link->message_size_max = options_.message_size_max;
  if (role == Role::kSender) link->delivery_count = options_.first_serial;
  session.by_local_handle[*handle] = link.get();
  ++link_count_;
  links_[*slot] = std::move(link);
  return links_[*slot].get();
}

Connection::Link* Connection::find_by_name(const Session& session, std::string_view name,
                                           Role role) const {
  for (Link* link : session.by_local_handle) {
    if (link == nullptr || link->role != role || link->name != name) continue;
    // One that is half detached no longer holds its name, unless the peer has yet to answer its
    // attach.
    if (link->state != Link::State::kDetaching || !link->remote_handle) return link;
  }
  return nullptr;
}

Result<LinkId> Connection::attach(SessionId id, Attach attach) {
  Session* session = find(id);
  if (session == nullptr || session->state == Session::State::kEnding || stage_ != Stage::kOpened) {
    return fail(ErrorCode::kMalformed, "no such session");
  }
  if (link_count_ >= options_.links_max) return fail(ErrorCode::kLimitExceeded, "too many links");
  Link* link = new_link(*session, attach, attach.role);
  if (link == nullptr) return fail(ErrorCode::kLimitExceeded, "no handle left");
  link->state = Link::State::kAttaching;
  attach.handle = link->local_handle;
  if (attach.role == Role::kSender) {
    attach.initial_delivery_count = link->delivery_count;
  } else if (attach.max_message_size == 0) {
    attach.max_message_size = options_.message_size_max;
  }
  link->message_size_max = std::min(options_.message_size_max, attach.max_message_size);
  const LinkId link_id = link->id;
  write_frame(session->local_channel, attach);
  return link_id;
}

void Connection::on_attach(Session& session, const ValueView& list) {
  auto attach = std::make_shared<Attach>();
  if (!decode(list, *attach)) return fail_connection(condition::kDecodeError, "malformed attach");
  if (attach->handle > options_.handle_max) {
    return fail_connection(condition::kFramingError, "handle over handle-max");
  }
  if (session.at_remote_handle(attach->handle) != nullptr) {
    return fail_session(session, condition::kHandleInUse, "attach on a handle that is in use");
  }
  const Role role = opposite(attach->role);
  Link* earlier = find_by_name(session, attach->name, role);
  if (earlier != nullptr && !earlier->remote_handle) {
    return on_attach_answer(*earlier, std::move(attach));
  }
  // 2.6.1: a link that is attached again elsewhere is stolen.
  if (earlier != nullptr)
    fail_link(*earlier, condition::kStolen, "a link of this name was attached");
  const bool too_many = link_count_ >= options_.links_max;
  Link* link = new_link(session, *attach, role);
  if (link == nullptr) {
    return fail_session(session, condition::kResourceLimitExceeded, "too many links");
  }
  link->state = Link::State::kRequested;
  link->remote_handle = attach->handle;
  if (role == Role::kReceiver) link->delivery_count = attach->initial_delivery_count.value_or(0);
  link->peer_message_size_max = attach->max_message_size;
  put_at(session.by_remote_handle, attach->handle, link);
  if (too_many)
    return refuse_link(link->id, make_error(condition::kResourceLimitExceeded, "too many links"));
  emit(LinkRequested{link->id, session.id, std::move(attach)});
}

void Connection::on_attach_answer(Link& link, std::shared_ptr<const Attach> attach) {
  link.remote_handle = attach->handle;
  put_at(link.session->by_remote_handle, attach->handle, &link);
  if (link.state == Link::State::kDetaching) return;  // Detached before it was answered.
  link.state = Link::State::kAttached;
  link.snd_settle_mode = attach->snd_settle_mode;
  link.rcv_settle_mode = attach->rcv_settle_mode;
  link.peer_message_size_max = attach->max_message_size;
  if (link.role == Role::kReceiver) {
    link.delivery_count = attach->initial_delivery_count.value_or(0);
  }
  emit(LinkAttached{link.id, std::move(attach)});
}

void Connection::accept_link(LinkId id, const Acceptance& acceptance) {
  Link* link = find(id);
  if (link == nullptr || link->state != Link::State::kRequested || stage_ != Stage::kOpened) return;
  link->state = Link::State::kAttached;
  link->snd_settle_mode = acceptance.snd_settle_mode;
  link->rcv_settle_mode = acceptance.rcv_settle_mode;
  if (acceptance.max_message_size != 0) {
    link->message_size_max = std::min(options_.message_size_max, acceptance.max_message_size);
  }
  Attach attach;
  attach.name = link->name;
  attach.handle = link->local_handle;
  attach.role = link->role;
  attach.snd_settle_mode = acceptance.snd_settle_mode;
  attach.rcv_settle_mode = acceptance.rcv_settle_mode;
  attach.source = acceptance.source;
  attach.target = acceptance.target;
  if (link->role == Role::kSender) attach.initial_delivery_count = link->delivery_count;
  attach.max_message_size = link->message_size_max;
  attach.properties = acceptance.properties;
  attach.offered_capabilities = acceptance.offered_capabilities;
  write_frame(link->session->local_channel, attach);
}

// 2.6.3: an attach without the terminus that the link was for says that there will be none.
void Connection::write_refusal(Link& link) {
  Attach attach;
  attach.name = link.name;
  attach.handle = link.local_handle;
  attach.role = link.role;
  attach.snd_settle_mode = link.snd_settle_mode;
  attach.rcv_settle_mode = link.rcv_settle_mode;
  if (link.role == Role::kSender) attach.initial_delivery_count = link.delivery_count;
  attach.max_message_size = link.message_size_max;
  write_frame(link.session->local_channel, attach);
}

void Connection::refuse_link(LinkId id, Error error) {
  Link* link = find(id);
  if (link == nullptr || link->state != Link::State::kRequested || stage_ != Stage::kOpened) return;
  write_detach(*link, true, std::move(error));
}

void Connection::detach(LinkId id, bool closed, std::optional<Error> error) {
  Link* link = find(id);
  if (link == nullptr || link->state == Link::State::kDetaching || stage_ != Stage::kOpened) return;
  write_detach(*link, closed, std::move(error));
}

// Says goodbye from this side; the link stays until the peer has answered.
void Connection::write_detach(Link& link, bool closed, std::optional<Error> error) {
  if (link.state == Link::State::kRequested) write_refusal(link);
  forget_deliveries(link);
  link.state = Link::State::kDetaching;
  write_frame(link.session->local_channel, Detach{link.local_handle, closed, std::move(error)});
}

void Connection::on_detach(Session& session, const ValueView& list) {
  Detach detach;
  if (!decode(list, detach)) return fail_connection(condition::kDecodeError, "malformed detach");
  Link* link = session.at_remote_handle(detach.handle);
  if (link == nullptr) {
    return fail_session(session, condition::kUnattachedHandle, "detach on an unattached handle");
  }
  if (link->state != Link::State::kDetaching) {
    write_detach(*link, detach.closed, std::nullopt);
    emit(LinkDetached{link->id, detach.closed, shared(std::move(detach.error))});
  }
  free_link(*link);
}

void Connection::fail_link(Link& link, std::string_view condition, std::string_view description) {
  if (link.state == Link::State::kDetaching) return;
  const auto error = std::make_shared<const Error>(make_error(condition, description));
  write_detach(link, true, *error);
  emit(LinkDetached{link.id, true, error});
}

// What is unsettled, half received or half sent on the link ends with it.
void Connection::forget_deliveries(Link& link) {
  drop_assembly(link);
  Session& session = *link.session;
  const auto is_of_link = [&link](uint32_t /*id*/, const Unsettled& delivery) {
    return delivery.link == link.id;
  };
  session.incoming.visit_all(is_of_link);
  session.outgoing.visit_all(is_of_link);
  std::erase_if(session.waiting, [this, &link](const std::unique_ptr<Waiting>& waiting) {
    if (waiting->sending.link != link.id) return false;
    waiting_bytes_ -= waiting->payload.size();
    return true;
  });
}

void Connection::free_link(Link& link) {
  forget_deliveries(link);
  Session& session = *link.session;
  session.by_local_handle[link.local_handle] = nullptr;
  if (link.remote_handle) session.by_remote_handle[*link.remote_handle] = nullptr;
  --link_count_;
  links_[static_cast<uint64_t>(link.id) & kSlotMask].reset();
}

}  // namespace linarite::amqp
