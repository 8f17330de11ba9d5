#include "amqp/performative.h"

namespace linarite::amqp {
namespace {

Encoder::Compound open_composite(Encoder& encoder, Code code) {
  encoder.descriptor(static_cast<uint64_t>(code));
  return encoder.open_list();
}

void put(Encoder& encoder, const std::optional<std::string>& text) {
  text ? encoder.string(*text) : encoder.absent();
}
void put(Encoder& encoder, std::optional<uint32_t> number) {
  number ? encoder.uint(*number) : encoder.absent();
}
void put(Encoder& encoder, const Value& value) {
  value.is_null() ? encoder.absent() : encoder.value(value);
}
void put_symbol(Encoder& encoder, const std::string& text) {
  text.empty() ? encoder.absent() : encoder.symbol(text);
}
void put_symbols(Encoder& encoder, const std::vector<std::string>& values) {
  values.empty() ? encoder.absent() : encoder.symbols(values);
}
// A boolean whose default is false.
void put_flag(Encoder& encoder, bool value) { value ? encoder.boolean(true) : encoder.absent(); }

// Cuts a description at the start of a character.
std::string_view cut(std::string_view description) {
  if (description.size() <= kErrorDescriptionMax) return description;
  size_t end = kErrorDescriptionMax;
  while (end > 0 && (static_cast<unsigned char>(description[end]) & 0xC0U) == 0x80) --end;
  return description.substr(0, end);
}

void put_error(Encoder& encoder, const Error& error) {
  const auto list = open_composite(encoder, Code::kError);
  encoder.symbol(error.condition);
  error.description.empty() ? encoder.absent() : encoder.string(cut(error.description));
  put(encoder, error.info);
  encoder.close_whole(list);
}

Code state_code(StateKind kind) {
  switch (kind) {
    case StateKind::kReceived:
      return Code::kReceived;
    case StateKind::kRejected:
      return Code::kRejected;
    case StateKind::kReleased:
      return Code::kReleased;
    case StateKind::kModified:
      return Code::kModified;
    default:
      return Code::kAccepted;
  }
}

// A state of an extension cannot be written back and is left out.
void put_state(Encoder& encoder, const DeliveryState& state) {
  if (state.kind == StateKind::kNone || state.kind == StateKind::kOther) return encoder.absent();
  const auto list = open_composite(encoder, state_code(state.kind));
  if (state.kind == StateKind::kReceived) {
    encoder.uint(0);
    encoder.ulong(0);
  } else if (state.kind == StateKind::kRejected && state.error) {
    put_error(encoder, *state.error);
  } else if (state.kind == StateKind::kModified) {
    put_flag(encoder, state.delivery_failed);
    put_flag(encoder, state.undeliverable_here);
    state.message_annotations ? encoder.value(*state.message_annotations) : encoder.absent();
  }
  encoder.close(list);
}

void put(Encoder& encoder, const std::optional<Source>& source) {
  if (!source) return encoder.absent();
  const auto list = open_composite(encoder, Code::kSource);
  put(encoder, source->address);
  source->durable == 0 ? encoder.absent() : encoder.uint(source->durable);
  put_symbol(encoder, source->expiry_policy);
  source->timeout_s == 0 ? encoder.absent() : encoder.uint(source->timeout_s);
  put_flag(encoder, source->dynamic);
  put(encoder, source->dynamic_node_properties);
  put_symbol(encoder, source->distribution_mode);
  put(encoder, source->filter);
  put_state(encoder, DeliveryState{.kind = source->default_outcome});
  put_symbols(encoder, source->outcomes);
  put_symbols(encoder, source->capabilities);
  encoder.close(list);
}

void put(Encoder& encoder, const std::optional<Target>& target) {
  if (!target) return encoder.absent();
  const auto list =
      open_composite(encoder, target->coordinator ? Code::kCoordinator : Code::kTarget);
  if (!target->coordinator) {
    put(encoder, target->address);
    target->durable == 0 ? encoder.absent() : encoder.uint(target->durable);
    put_symbol(encoder, target->expiry_policy);
    target->timeout_s == 0 ? encoder.absent() : encoder.uint(target->timeout_s);
    put_flag(encoder, target->dynamic);
    put(encoder, target->dynamic_node_properties);
  }
  put_symbols(encoder, target->capabilities);
  encoder.close(list);
}

void encode_closing(Code code, const std::optional<Error>& error, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, code);
  error ? put_error(encoder, *error) : encoder.absent();
  encoder.close_whole(list);
}

}  // namespace

// Performatives and errors are written with all their fields, as the original does: the Python
// client of Event Hubs takes fields, and the payload of a transfer, by their places.
void encode(const Open& open, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, Code::kOpen);
  encoder.string(open.container_id);
  put(encoder, open.hostname);
  encoder.uint(open.max_frame_size);
  encoder.ushort(open.channel_max);
  put(encoder, open.idle_time_out_ms);
  put_symbols(encoder, open.outgoing_locales);
  put_symbols(encoder, open.incoming_locales);
  put_symbols(encoder, open.offered_capabilities);
  put_symbols(encoder, open.desired_capabilities);
  put(encoder, open.properties);
  encoder.close_whole(list);
}

void encode(const Begin& begin, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, Code::kBegin);
  begin.remote_channel ? encoder.ushort(*begin.remote_channel) : encoder.absent();
  encoder.uint(begin.next_outgoing_id);
  encoder.uint(begin.incoming_window);
  encoder.uint(begin.outgoing_window);
  encoder.uint(begin.handle_max);
  put_symbols(encoder, begin.offered_capabilities);
  put_symbols(encoder, begin.desired_capabilities);
  put(encoder, begin.properties);
  encoder.close_whole(list);
}

void encode(const Attach& attach, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, Code::kAttach);
  encoder.string(attach.name);
  encoder.uint(attach.handle);
  encoder.boolean(attach.role == Role::kReceiver);
  encoder.ubyte(static_cast<uint8_t>(attach.snd_settle_mode));
  encoder.ubyte(static_cast<uint8_t>(attach.rcv_settle_mode));
  put(encoder, attach.source);
  put(encoder, attach.target);
  put(encoder, attach.unsettled);
  put_flag(encoder, attach.incomplete_unsettled);
  put(encoder, attach.initial_delivery_count);
  attach.max_message_size == 0 ? encoder.absent() : encoder.ulong(attach.max_message_size);
  put_symbols(encoder, attach.offered_capabilities);
  put_symbols(encoder, attach.desired_capabilities);
  put(encoder, attach.properties);
  encoder.close_whole(list);
}

void encode(const Flow& flow, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, Code::kFlow);
  put(encoder, flow.next_incoming_id);
  encoder.uint(flow.incoming_window);
  encoder.uint(flow.next_outgoing_id);
  encoder.uint(flow.outgoing_window);
  put(encoder, flow.handle);
  put(encoder, flow.delivery_count);
  put(encoder, flow.link_credit);
  put(encoder, flow.available);
  put_flag(encoder, flow.drain);
  put_flag(encoder, flow.echo);
  encoder.close_whole(list);
}

void encode(const Transfer& transfer, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, Code::kTransfer);
  encoder.uint(transfer.handle);
  put(encoder, transfer.delivery_id);
  transfer.delivery_tag ? encoder.binary(*transfer.delivery_tag) : encoder.absent();
  // Continuation frames carry neither id nor format (2.7.5).
  transfer.delivery_id ? encoder.uint(transfer.message_format) : encoder.absent();
  transfer.settled ? encoder.boolean(*transfer.settled) : encoder.absent();
  put_flag(encoder, transfer.more);
  transfer.rcv_settle_mode ? encoder.ubyte(static_cast<uint8_t>(*transfer.rcv_settle_mode))
                           : encoder.absent();
  encoder.absent();  // state
  put_flag(encoder, transfer.resume);
  put_flag(encoder, transfer.aborted);
  put_flag(encoder, transfer.batchable);
  encoder.close_whole(list);
}

void encode(const Disposition& disposition, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, Code::kDisposition);
  encoder.boolean(disposition.role == Role::kReceiver);
  encoder.uint(disposition.first);
  disposition.last == disposition.first ? encoder.absent() : encoder.uint(disposition.last);
  put_flag(encoder, disposition.settled);
  put_state(encoder, disposition.state);
  put_flag(encoder, disposition.batchable);
  encoder.close_whole(list);
}

void encode(const Detach& detach, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, Code::kDetach);
  encoder.uint(detach.handle);
  put_flag(encoder, detach.closed);
  detach.error ? put_error(encoder, *detach.error) : encoder.absent();
  encoder.close_whole(list);
}

void encode(const End& end, Bytes& out) { encode_closing(Code::kEnd, end.error, out); }
void encode(const Close& close, Bytes& out) { encode_closing(Code::kClose, close.error, out); }

void encode(const SaslMechanisms& mechanisms, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, Code::kSaslMechanisms);
  encoder.symbols(mechanisms.mechanisms);
  encoder.close(list);
}

void encode(const SaslInit& init, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, Code::kSaslInit);
  encoder.symbol(init.mechanism);
  init.initial_response ? encoder.binary(*init.initial_response) : encoder.absent();
  put(encoder, init.hostname);
  encoder.close(list);
}

void encode(const SaslChallenge& challenge, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, Code::kSaslChallenge);
  encoder.binary(challenge.challenge);
  encoder.close(list);
}

void encode(const SaslResponse& response, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, Code::kSaslResponse);
  encoder.binary(response.response);
  encoder.close(list);
}

void encode(const SaslOutcome& outcome, Bytes& out) {
  Encoder encoder(out);
  const auto list = open_composite(encoder, Code::kSaslOutcome);
  encoder.ubyte(static_cast<uint8_t>(outcome.code));
  outcome.additional_data ? encoder.binary(*outcome.additional_data) : encoder.absent();
  encoder.close(list);
}

}  // namespace linarite::amqp
