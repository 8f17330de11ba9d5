#include "amqp/message.h"

#include <array>

namespace linarite::amqp {
namespace {

// Sections may only come in this order (3.2); body sections share one place.
int section_rank(Section section) {
  switch (section) {
    case Section::kData:
    case Section::kSequence:
    case Section::kValue:
      return static_cast<int>(Section::kData);
    default:
      return static_cast<int>(section);
  }
}

bool is_body(Section section) {
  return section == Section::kData || section == Section::kSequence || section == Section::kValue;
}

enum class KeyRule : uint8_t {
  kAnnotations,  // Symbols and ulongs (3.2.10), and strings, which some clients send.
  kStrings,      // Strings with simple values (3.2.5).
};

// Two entries of a map never have equal keys. Most maps have few entries: those are compared
// without allocating.
class KeySet {
 public:
  bool add(const ValueView& view) {
    const ByteView key = view.type == Type::kUlong ? view.encoded : view.bytes;
    if (count_ < few_.size()) {
      for (size_t i = 0; i < count_; ++i) {
        if (few_[i] == key) return false;
      }
      few_[count_++] = key;
      return true;
    }
    if (many_.empty()) many_.assign(few_.begin(), few_.end());
    many_.push_back(key);
    return many_.size() <= kMessageMapEntriesMax;
  }
  bool unique() { return many_.empty() || all_different(many_); }

 private:
  std::array<ByteView, 16> few_;
  size_t count_ = 0;
  std::vector<std::string_view> many_;
};

bool check_map(const ValueView& map, KeyRule rule) {
  if (map.type != Type::kMap) return false;
  MapReader reader(map);
  KeySet keys;
  ValueView key;
  ValueView value;
  while (reader.next(key, value)) {
    const bool key_fits =
        key.type == Type::kString ||
        (rule == KeyRule::kAnnotations && (key.type == Type::kSymbol || key.type == Type::kUlong));
    if (!key_fits || (rule == KeyRule::kStrings && is_compound(value.type))) return false;
    if (!check_value(key) || !check_value(value) || !keys.add(key)) return false;
  }
  return reader.ok() && keys.unique();
}

bool read_header(const ValueView& list, std::optional<Header>& out) {
  FieldReader fields(list);
  Header header;
  header.durable = fields.boolean().value_or(false);
  header.priority = fields.ubyte().value_or(4);
  header.ttl_ms = fields.uint();
  header.first_acquirer = fields.boolean().value_or(false);
  header.delivery_count = fields.uint().value_or(0);
  out = header;
  return fields.done();
}

ValueView read_id(FieldReader& fields) {
  const ValueView id = fields.any();
  switch (id.type) {
    case Type::kNull:
    case Type::kUlong:
    case Type::kUuid:
    case Type::kBinary:
    case Type::kString:
      if (!check_value(id)) fields.refuse();
      break;
    default:
      fields.refuse();
  }
  return id;
}

bool read_properties(const ValueView& list, PropertiesView& out) {
  FieldReader fields(list);
  out.message_id = read_id(fields);
  out.user_id = fields.binary();
  out.to = fields.string();
  out.subject = fields.string();
  out.reply_to = fields.string();
  out.correlation_id = read_id(fields);
  out.content_type = fields.text();
  out.content_encoding = fields.text();
  out.absolute_expiry_time_ms = fields.timestamp();
  out.creation_time_ms = fields.timestamp();
  out.group_id = fields.string();
  out.group_sequence = fields.uint();
  out.reply_to_group_id = fields.string();
  return fields.done();
}

// Takes one body section; `encoded` is all of it, descriptor included.
bool read_body(Section section, const ValueView& value, ByteView encoded, MessageView& out) {
  const BodyKind kind = section == Section::kData       ? BodyKind::kData
                        : section == Section::kSequence ? BodyKind::kSequence
                                                        : BodyKind::kValue;
  if (kind == BodyKind::kData && value.type != Type::kBinary) return false;
  if (kind == BodyKind::kSequence && value.type != Type::kList) return false;
  if (!check_value(value)) return false;
  if (out.body_sections++ == 0) {
    out.body_kind = kind;
    out.body = kind == BodyKind::kData ? value.bytes : value.encoded;
    out.body_encoded = encoded;
    return true;
  }
  if (out.body_kind != kind || kind == BodyKind::kValue) return false;
  out.body_encoded = {out.body_encoded.data(), static_cast<size_t>(encoded.data() + encoded.size() -
                                                                   out.body_encoded.data())};
  return out.body_sections <= kBodySectionsMax;
}

bool read_section(Section section, const ValueView& value, ByteView encoded, MessageView& out) {
  switch (section) {
    case Section::kHeader:
      return read_header(value, out.header);
    case Section::kDeliveryAnnotations:
      out.delivery_annotations = value;
      return check_map(value, KeyRule::kAnnotations);
    case Section::kMessageAnnotations:
      out.message_annotations = value;
      return check_map(value, KeyRule::kAnnotations);
    case Section::kProperties:
      return read_properties(value, out.properties);
    case Section::kApplicationProperties:
      out.application_properties = value;
      return check_map(value, KeyRule::kStrings);
    case Section::kData:
    case Section::kSequence:
    case Section::kValue:
      return read_body(section, value, encoded, out);
    case Section::kFooter:
      out.footer = value;
      return check_map(value, KeyRule::kAnnotations);
  }
  return false;
}

// Calls visit(value) for each body section of a message that read_message() has checked.
template <class Visit>
void for_each_body_section(const MessageView& message, Visit visit) {
  ByteView bytes = message.body_encoded;
  ValueView descriptor;
  ValueView value;
  while (!bytes.empty() && read_described(bytes, descriptor, value)) {
    visit(value);
  }
}

void put(Encoder& encoder, const std::optional<std::string>& text) {
  text ? encoder.string(*text) : encoder.absent();
}
void put_symbol(Encoder& encoder, const std::optional<std::string>& text) {
  text ? encoder.symbol(*text) : encoder.absent();
}
void put_time(Encoder& encoder, const std::optional<int64_t>& time) {
  time ? encoder.timestamp(*time) : encoder.absent();
}
void put(Encoder& encoder, const Value& value) {
  value.is_null() ? encoder.absent() : encoder.value(value);
}

std::optional<std::string> owned(const std::optional<std::string_view>& text) {
  if (!text) return std::nullopt;
  return std::string(*text);
}

Result<Properties> copy_properties(const PropertiesView& view) {
  Properties out;
  if (!view.message_id.is_null()) {
    auto id = decode_value(view.message_id);
    if (!id) return std::unexpected(id.error());
    out.message_id = std::move(*id);
  }
  if (!view.correlation_id.is_null()) {
    auto id = decode_value(view.correlation_id);
    if (!id) return std::unexpected(id.error());
    out.correlation_id = std::move(*id);
  }
  out.user_id = owned(view.user_id);
  out.to = owned(view.to);
  out.subject = owned(view.subject);
  out.reply_to = owned(view.reply_to);
  out.content_type = owned(view.content_type);
  out.content_encoding = owned(view.content_encoding);
  out.absolute_expiry_time_ms = view.absolute_expiry_time_ms;
  out.creation_time_ms = view.creation_time_ms;
  out.group_id = owned(view.group_id);
  out.group_sequence = view.group_sequence;
  out.reply_to_group_id = owned(view.reply_to_group_id);
  return out;
}

}  // namespace

Bytes MessageView::data() const {
  if (body_sections == 1) return Bytes(body);
  Bytes out;
  for_each_body_section(*this, [&out](const ValueView& value) { out.append(value.bytes); });
  return out;
}

Status read_message(ByteView bytes, MessageView& out) {
  out = MessageView{};
  int last_rank = 0;
  bool last_repeats = false;
  while (!bytes.empty()) {
    const ByteView start = bytes;
    ValueView descriptor;
    ValueView value;
    if (!read_described(bytes, descriptor, value)) {
      return fail(ErrorCode::kMalformed, "a message section is not a described value");
    }
    const uint64_t code = descriptor_code(descriptor).value_or(0);
    if (code < static_cast<uint64_t>(Section::kHeader) ||
        code > static_cast<uint64_t>(Section::kFooter)) {
      return fail(ErrorCode::kMalformed, "unknown message section");
    }
    const auto section = static_cast<Section>(code);
    const int rank = section_rank(section);
    if (rank < last_rank || (rank == last_rank && !last_repeats)) {
      return fail(ErrorCode::kMalformed, "message sections are out of order or repeated");
    }
    last_rank = rank;
    last_repeats = is_body(section);
    if (!read_section(section, value, start.substr(0, start.size() - bytes.size()), out)) {
      return fail(ErrorCode::kMalformed, "malformed message section");
    }
  }
  return {};
}

bool Properties::empty() const {
  return message_id.is_null() && !user_id && !to && !subject && !reply_to &&
         correlation_id.is_null() && !content_type && !content_encoding &&
         !absolute_expiry_time_ms && !creation_time_ms && !group_id && !group_sequence &&
         !reply_to_group_id;
}

void write_header(const Header& header, Bytes& out) {
  Encoder encoder(out);
  encoder.descriptor(static_cast<uint64_t>(Section::kHeader));
  const auto list = encoder.open_list();
  header.durable ? encoder.boolean(true) : encoder.absent();
  header.priority != 4 ? encoder.ubyte(header.priority) : encoder.absent();
  header.ttl_ms ? encoder.uint(*header.ttl_ms) : encoder.absent();
  header.first_acquirer ? encoder.boolean(true) : encoder.absent();
  header.delivery_count != 0 ? encoder.uint(header.delivery_count) : encoder.absent();
  encoder.close(list);
}

void write_properties(const Properties& properties, Bytes& out) {
  Encoder encoder(out);
  encoder.descriptor(static_cast<uint64_t>(Section::kProperties));
  const auto list = encoder.open_list();
  put(encoder, properties.message_id);
  properties.user_id ? encoder.binary(*properties.user_id) : encoder.absent();
  put(encoder, properties.to);
  put(encoder, properties.subject);
  put(encoder, properties.reply_to);
  put(encoder, properties.correlation_id);
  put_symbol(encoder, properties.content_type);
  put_symbol(encoder, properties.content_encoding);
  put_time(encoder, properties.absolute_expiry_time_ms);
  put_time(encoder, properties.creation_time_ms);
  put(encoder, properties.group_id);
  properties.group_sequence ? encoder.uint(*properties.group_sequence) : encoder.absent();
  put(encoder, properties.reply_to_group_id);
  encoder.close(list);
}

void write_section(Section section, const Value& value, Bytes& out) {
  Encoder encoder(out);
  encoder.descriptor(static_cast<uint64_t>(section));
  encoder.value(value);
}

void write_data(ByteView data, Bytes& out) {
  Encoder encoder(out);
  encoder.descriptor(static_cast<uint64_t>(Section::kData));
  encoder.binary(data);
}

void write_message(const Message& message, Bytes& out) {
  const auto put_map = [&out](Section section, const Value& map) {
    if (!map.is_null()) write_section(section, map, out);
  };
  if (message.header) write_header(*message.header, out);
  put_map(Section::kDeliveryAnnotations, message.delivery_annotations);
  put_map(Section::kMessageAnnotations, message.message_annotations);
  if (!message.properties.empty()) write_properties(message.properties, out);
  put_map(Section::kApplicationProperties, message.application_properties);
  switch (message.body_kind) {
    case BodyKind::kNone:
      break;
    case BodyKind::kData:
      for (const Bytes& data : message.data) write_data(data, out);
      break;
    case BodyKind::kSequence:
      for (const Value& list : message.sequences) write_section(Section::kSequence, list, out);
      break;
    case BodyKind::kValue:
      write_section(Section::kValue, message.value, out);
      break;
  }
  put_map(Section::kFooter, message.footer);
}

Result<Message> decode_message(ByteView bytes) {
  MessageView view;
  if (auto status = read_message(bytes, view); !status) return std::unexpected(status.error());
  Message out;
  out.header = view.header;
  const std::pair<const ValueView*, Value*> maps[] = {
      {&view.delivery_annotations, &out.delivery_annotations},
      {&view.message_annotations, &out.message_annotations},
      {&view.application_properties, &out.application_properties},
      {&view.footer, &out.footer},
  };
  for (const auto& [from, to] : maps) {
    if (from->is_null()) continue;
    auto map = decode_value(*from);
    if (!map) return std::unexpected(map.error());
    *to = std::move(*map);
  }
  auto properties = copy_properties(view.properties);
  if (!properties) return std::unexpected(properties.error());
  out.properties = std::move(*properties);
  out.body_kind = view.body_kind;
  Status body;
  for_each_body_section(view, [&](const ValueView& section) {
    if (view.body_kind == BodyKind::kData) {
      out.data.emplace_back(section.bytes);
      return;
    }
    auto value = decode_value(section);
    if (!value) {
      body = std::unexpected(value.error());
    } else if (view.body_kind == BodyKind::kSequence) {
      out.sequences.push_back(std::move(*value));
    } else {
      out.value = std::move(*value);
    }
  });
  if (!body) return std::unexpected(body.error());
  return out;
}

}  // namespace linarite::amqp
