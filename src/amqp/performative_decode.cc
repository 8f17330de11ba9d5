#include "amqp/performative.h"

namespace linarite::amqp {
namespace {

std::optional<std::string> owned(std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  return std::string(*text);
}

// A described list of one of the standard's types; false if `view` is anything else.
bool described_list(const ValueView& view, uint64_t& code, ValueView& list) {
  ValueView descriptor;
  if (!split_described(view, descriptor, list) || list.type != Type::kList) return false;
  const auto known = descriptor_code(descriptor);
  if (!known) return false;
  code = *known;
  return true;
}

bool is_code(uint64_t code, Code wanted) { return code == static_cast<uint64_t>(wanted); }

// The error field of detach, end, close and rejected; absent when null.
std::optional<Error> read_error(FieldReader& fields) {
  const ValueView view = fields.any();
  if (view.is_null()) return std::nullopt;
  uint64_t code = 0;
  ValueView list;
  if (!described_list(view, code, list) || !is_code(code, Code::kError)) {
    fields.refuse();
    return std::nullopt;
  }
  FieldReader parts(list);
  Error error;
  const auto condition = parts.symbol();
  if (!condition) parts.refuse();
  error.condition = condition.value_or("");
  error.description = parts.string().value_or("");
  error.info = parts.map();
  if (!parts.done()) fields.refuse();
  return error;
}

StateKind state_kind(uint64_t code) {
  switch (static_cast<Code>(code)) {
    case Code::kReceived:
      return StateKind::kReceived;
    case Code::kAccepted:
      return StateKind::kAccepted;
    case Code::kRejected:
      return StateKind::kRejected;
    case Code::kReleased:
      return StateKind::kReleased;
    case Code::kModified:
      return StateKind::kModified;
    default:
      return StateKind::kOther;
  }
}

DeliveryState read_state(FieldReader& fields) {
  DeliveryState state;
  const ValueView view = fields.any();
  if (view.is_null()) return state;
  ValueView descriptor;
  ValueView list;
  if (!split_described(view, descriptor, list) || list.type != Type::kList) {
    fields.refuse();
    return state;
  }
  state.kind = state_kind(descriptor_code(descriptor).value_or(0));
  FieldReader parts(list);
  if (state.kind == StateKind::kReceived) {
    parts.uint();
    parts.ulong();
  } else if (state.kind == StateKind::kRejected) {
    if (auto error = read_error(parts))
      state.error = std::make_shared<const Error>(std::move(*error));
  } else if (state.kind == StateKind::kModified) {
    state.delivery_failed = parts.boolean().value_or(false);
    state.undeliverable_here = parts.boolean().value_or(false);
    Value annotations = parts.map();
    if (!annotations.is_null()) {
      state.message_annotations = std::make_shared<const Value>(std::move(annotations));
    }
  }
  if (state.kind == StateKind::kOther ? !check_value(view) : !parts.done()) fields.refuse();
  return state;
}

// The type of the default outcome of a source.
StateKind read_outcome_kind(FieldReader& fields) {
  const ValueView view = fields.any();
  if (view.is_null()) return StateKind::kNone;
  uint64_t code = 0;
  ValueView list;
  if (!described_list(view, code, list)) {
    fields.refuse();
    return StateKind::kNone;
  }
  if (!check_value(view)) fields.refuse();
  return state_kind(code);
}

std::optional<Source> read_source(FieldReader& fields) {
  const ValueView view = fields.any();
  if (view.is_null()) return std::nullopt;
  uint64_t code = 0;
  ValueView list;
  if (!described_list(view, code, list) || !is_code(code, Code::kSource)) {
    fields.refuse();
    return std::nullopt;
  }
  FieldReader parts(list);
  Source source;
  source.address = owned(parts.string());
  source.durable = parts.uint().value_or(0);
  source.expiry_policy = parts.symbol().value_or("");
  source.timeout_s = parts.uint().value_or(0);
  source.dynamic = parts.boolean().value_or(false);
  source.dynamic_node_properties = parts.map();
  source.distribution_mode = parts.symbol().value_or("");
  source.filter = parts.map();
  source.default_outcome = read_outcome_kind(parts);
  source.outcomes = parts.symbols();
  source.capabilities = parts.symbols();
  if (!parts.done()) fields.refuse();
  return source;
}

std::optional<Target> read_target(FieldReader& fields) {
  const ValueView view = fields.any();
  if (view.is_null()) return std::nullopt;
  uint64_t code = 0;
  ValueView list;
  Target target;
  if (described_list(view, code, list) && is_code(code, Code::kCoordinator)) {
    target.coordinator = true;
    if (!check_value(view)) fields.refuse();
    return target;
  }
  if (list.type != Type::kList || !is_code(code, Code::kTarget)) {
    fields.refuse();
    return std::nullopt;
  }
  FieldReader parts(list);
  target.address = owned(parts.string());
  target.durable = parts.uint().value_or(0);
  target.expiry_policy = parts.symbol().value_or("");
  target.timeout_s = parts.uint().value_or(0);
  target.dynamic = parts.boolean().value_or(false);
  target.dynamic_node_properties = parts.map();
  target.capabilities = parts.symbols();
  if (!parts.done()) fields.refuse();
  return target;
}

template <class T>
T mandatory(FieldReader& fields, std::optional<T> value) {
  if (!value) fields.refuse();
  return value.value_or(T{});
}

Role read_role(FieldReader& fields) {
  return mandatory(fields, fields.boolean()) ? Role::kReceiver : Role::kSender;
}

}  // namespace

bool decode(const ValueView& list, Open& out) {
  FieldReader fields(list);
  out.container_id = std::string(mandatory(fields, fields.string()));
  out.hostname = owned(fields.string());
  out.max_frame_size = fields.uint().value_or(UINT32_MAX);
  out.channel_max = fields.ushort().value_or(UINT16_MAX);
  out.idle_time_out_ms = fields.uint();
  out.outgoing_locales = fields.symbols();
  out.incoming_locales = fields.symbols();
  out.offered_capabilities = fields.symbols();
  out.desired_capabilities = fields.symbols();
  out.properties = fields.map();
  return fields.done();
}

bool decode(const ValueView& list, Begin& out) {
  FieldReader fields(list);
  out.remote_channel = fields.ushort();
  out.next_outgoing_id = mandatory(fields, fields.uint());
  out.incoming_window = mandatory(fields, fields.uint());
  out.outgoing_window = mandatory(fields, fields.uint());
  out.handle_max = fields.uint().value_or(UINT32_MAX);
  out.offered_capabilities = fields.symbols();
  out.desired_capabilities = fields.symbols();
  out.properties = fields.map();
  return fields.done();
}

bool decode(const ValueView& list, Attach& out) {
  FieldReader fields(list);
  out.name = std::string(mandatory(fields, fields.string()));
  out.handle = mandatory(fields, fields.uint());
  out.role = read_role(fields);
  const uint8_t sender_mode =
      fields.ubyte().value_or(static_cast<uint8_t>(SenderSettleMode::kMixed));
  const uint8_t receiver_mode =
      fields.ubyte().value_or(static_cast<uint8_t>(ReceiverSettleMode::kFirst));
  if (sender_mode > 2 || receiver_mode > 1) fields.refuse();
  out.snd_settle_mode = static_cast<SenderSettleMode>(sender_mode);
  out.rcv_settle_mode = static_cast<ReceiverSettleMode>(receiver_mode);
  out.source = read_source(fields);
  out.target = read_target(fields);
  out.unsettled = fields.map();
  out.incomplete_unsettled = fields.boolean().value_or(false);
  out.initial_delivery_count = fields.uint();
  out.max_message_size = fields.ulong().value_or(0);
  out.offered_capabilities = fields.symbols();
  out.desired_capabilities = fields.symbols();
  out.properties = fields.map();
  return fields.done();
}

bool decode(const ValueView& list, Flow& out) {
  FieldReader fields(list);
  out.next_incoming_id = fields.uint();
  out.incoming_window = mandatory(fields, fields.uint());
  out.next_outgoing_id = mandatory(fields, fields.uint());
  out.outgoing_window = mandatory(fields, fields.uint());
  out.handle = fields.uint();
  out.delivery_count = fields.uint();
  out.link_credit = fields.uint();
  out.available = fields.uint();
  out.drain = fields.boolean().value_or(false);
  out.echo = fields.boolean().value_or(false);
  const ValueView properties = fields.any();
  return fields.done() && (properties.is_null() || check_value(properties));
}

bool decode(const ValueView& list, Transfer& out) {
  FieldReader fields(list);
  out.handle = mandatory(fields, fields.uint());
  out.delivery_id = fields.uint();
  out.delivery_tag = fields.binary();
  out.message_format = fields.uint().value_or(0);
  out.settled = fields.boolean();
  out.more = fields.boolean().value_or(false);
  if (const auto mode = fields.ubyte()) {
    if (*mode > 1) return false;
    out.rcv_settle_mode = static_cast<ReceiverSettleMode>(*mode);
  }
  const ValueView state = fields.any();
  if (!state.is_null() && !check_value(state)) return false;
  out.resume = fields.boolean().value_or(false);
  out.aborted = fields.boolean().value_or(false);
  out.batchable = fields.boolean().value_or(false);
  return fields.done();
}

bool decode(const ValueView& list, Disposition& out) {
  FieldReader fields(list);
  out.role = read_role(fields);
  out.first = mandatory(fields, fields.uint());
  out.last = fields.uint().value_or(out.first);
  out.settled = fields.boolean().value_or(false);
  out.state = read_state(fields);
  out.batchable = fields.boolean().value_or(false);
  return fields.done();
}

bool decode(const ValueView& list, Detach& out) {
  FieldReader fields(list);
  out.handle = mandatory(fields, fields.uint());
  out.closed = fields.boolean().value_or(false);
  out.error = read_error(fields);
  return fields.done();
}

bool decode(const ValueView& list, End& out) {
  FieldReader fields(list);
  out.error = read_error(fields);
  return fields.done();
}

bool decode(const ValueView& list, Close& out) {
  FieldReader fields(list);
  out.error = read_error(fields);
  return fields.done();
}

bool decode(const ValueView& list, SaslMechanisms& out) {
  FieldReader fields(list);
  out.mechanisms = fields.symbols();
  return fields.done() && !out.mechanisms.empty();
}

bool decode(const ValueView& list, SaslInit& out) {
  FieldReader fields(list);
  out.mechanism = std::string(mandatory(fields, fields.symbol()));
  if (const auto response = fields.binary()) out.initial_response = Bytes(*response);
  out.hostname = owned(fields.string());
  return fields.done();
}

bool decode(const ValueView& list, SaslChallenge& out) {
  FieldReader fields(list);
  out.challenge = Bytes(mandatory(fields, fields.binary()));
  return fields.done();
}

bool decode(const ValueView& list, SaslResponse& out) {
  FieldReader fields(list);
  out.response = Bytes(mandatory(fields, fields.binary()));
  return fields.done();
}

bool decode(const ValueView& list, SaslOutcome& out) {
  FieldReader fields(list);
  const uint8_t code = mandatory(fields, fields.ubyte());
  if (code > static_cast<uint8_t>(SaslCode::kSysTemp)) fields.refuse();
  out.code = static_cast<SaslCode>(code);
  if (const auto extra = fields.binary()) out.additional_data = Bytes(*extra);
  return fields.done();
}

}  // namespace linarite::amqp
