#include "hub/records.h"

#include <fmt/format.h>

#include <type_traits>
#include <utility>

namespace linarite::hub {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kSealedVersion = 2;  // Of identities and policies: their keys are sealed.
constexpr size_t kKeyTextMax = 256;    // Base64 of 64 bytes takes 88.
constexpr std::string_view kDeviceKeys = "device keys";
constexpr std::string_view kPolicyKeys = "policy keys";

class Encoder {
 public:
  explicit Encoder(uint8_t version = kVersion) { writer_.number(version); }

  template <std::unsigned_integral T>
  Encoder& number(T value) {
    writer_.number(value);
    return *this;
  }
  Encoder& time(WallTime value) {
    return number(static_cast<uint64_t>(value.time_since_epoch().count()));
  }
  Encoder& text(std::string_view value) {
    number(static_cast<uint32_t>(value.size()));
    writer_.bytes(value);
    return *this;
  }
  Encoder& optional(const std::optional<std::string>& value) {
    number<uint8_t>(value ? 1 : 0);
    return value ? text(*value) : *this;
  }
  Encoder& optional(const std::optional<WallTime>& value) {
    number<uint8_t>(value ? 1 : 0);
    return value ? time(*value) : *this;
  }
  void reserve(size_t size) { out_.reserve(size); }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
  ByteWriter writer_{out_};
};

// Reads fields in order; after the first that is not there everything reads as empty and ok() is
// false.
class Decoder {
 public:
  explicit Decoder(ByteView value, uint8_t version_max = kVersion) : reader_(value) {
    version_ = number<uint8_t>();
    if (version_ < kVersion || version_ > version_max) ok_ = false;
  }
  bool sealed() const { return version_ == kSealedVersion; }

  template <std::unsigned_integral T>
  T number() {
    const auto value = reader_.number<T>();
    if (!value) ok_ = false;
    return value.value_or(T{0});
  }
  // An enumeration whose values are 0 to `last`.
  template <class Enum>
  Enum enumerator(Enum last) {
    const auto value = number<uint8_t>();
    if (value > static_cast<uint8_t>(last)) ok_ = false;
    return ok_ ? static_cast<Enum>(value) : Enum{};
  }
  WallTime time() {
    return WallTime(std::chrono::milliseconds(static_cast<int64_t>(number<uint64_t>())));
  }
  // A text where it lies in the value.
  std::string_view view() {
    const auto size = number<uint32_t>();
    const auto bytes = ok_ ? reader_.take(size) : std::nullopt;
    if (!bytes) ok_ = false;
    return bytes.value_or(ByteView());
  }
  std::string text() { return std::string(view()); }
  bool flag() {
    const auto value = number<uint8_t>();
    if (value > 1) ok_ = false;
    return value == 1;
  }
  std::optional<std::string> optional_text() {
    return flag() ? std::optional(text()) : std::nullopt;
  }
  std::optional<WallTime> optional_time() { return flag() ? std::optional(time()) : std::nullopt; }

  size_t remaining() const { return reader_.remaining(); }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && reader_.empty(); }

 private:
  ByteReader reader_;
  bool ok_ = true;
  uint8_t version_ = 0;
};

std::unexpected<Error> corrupt(std::string_view what) {
  return fail(ErrorCode::kStoreCorrupt, "a stored " + std::string(what) + " can't be read");
}

void encode_header(Encoder& encoder, const MessageHeader& header) {
  encoder.text(header.device_id).time(header.enqueued).time(header.expiry).number(header.size);
  encoder.number(static_cast<uint8_t>(header.ack));
}

bool too_long(const StoredKeys& keys) {
  return keys.primary.size() > kKeyTextMax || keys.secondary.size() > kKeyTextMax;
}

StoredKeys decode_keys(Decoder& decoder) {
  if (decoder.sealed()) return {.primary = {}, .secondary = {}, .sealed = decoder.view()};
  StoredKeys keys;
  keys.primary = decoder.view();
  keys.secondary = decoder.view();
  return keys;
}

Bytes seal_keys(const SealedPlace& place, std::string_view primary, std::string_view secondary,
                const KeyVault& vault) {
  if (primary.empty() && secondary.empty()) return {};
  Encoder plain;
  plain.text(primary).text(secondary);
  Bytes text = plain.take();
  Bytes sealed = vault.seal(place, text);
  wipe(text);
  return sealed;
}

Result<KeyPair> open_keys(const SealedPlace& place, const StoredKeys& stored,
                          const KeyVault& vault) {
  KeyPair keys;
  keys.primary = stored.primary;
  keys.secondary = stored.secondary;
  if (stored.sealed.empty()) return keys;
  auto plain = vault.open(place, stored.sealed);
  if (!plain) {
    return fail(plain.error().code,
                fmt::format("{} of {}: {}", place.kind, place.name, plain.error().message));
  }
  Decoder in(*plain);
  keys.primary = in.view();
  keys.secondary = in.view();
  const bool whole = in.done();
  wipe(*plain);
  if (!whole) return corrupt("pair of keys");
  return keys;
}

// Of an Identity or of IdentityFields.
template <class Fields>
SealedPlace place_of(const Fields& device) {
  return {.kind = kDeviceKeys, .name = device.device_id, .generation = device.generation_id};
}
SealedPlace place_of(const Policy& policy) {
  return {.kind = kPolicyKeys, .name = policy.name, .generation = {}};
}

// Whether the keys are as the vault would seal them now.
bool sealed_with_current(const StoredKeys& keys, const KeyVault& vault) {
  if (!keys.primary.empty() || !keys.secondary.empty()) return false;
  return keys.sealed.empty() || sealing_key(keys.sealed) == vault.current_key();
}

MessageHeader decode_header(Decoder& decoder) {
  MessageHeader header;
  header.device_id = decoder.text();
  header.enqueued = decoder.time();
  header.expiry = decoder.time();
  header.size = decoder.number<uint32_t>();
  header.ack = decoder.enumerator(wire::Ack::kFull);
  return header;
}

}  // namespace

KeyPair& KeyPair::operator=(KeyPair&& other) noexcept {
  primary.swap(other.primary);  // What was here goes with the other one.
  secondary.swap(other.secondary);
  return *this;
}

KeyPair::~KeyPair() {
  wipe(primary);
  wipe(secondary);
}

Bytes record_key(char kind, std::string_view name) {
  Bytes key;
  key.reserve(1 + name.size());
  key += kind;
  key += name;
  return key;
}

Bytes record_key(char kind, uint64_t sequence) {
  Bytes key(1, kind);
  ByteWriter(key).number(sequence);
  return key;
}

std::optional<uint64_t> key_sequence(std::string_view key) {
  if (key.size() != 1 + sizeof(uint64_t)) return std::nullopt;
  return ByteReader(key.substr(1)).number<uint64_t>();
}

Bytes encode_identity(const Identity& identity, const KeyVault& vault) {
  Encoder out(kSealedVersion);
  out.text(identity.device_id).text(identity.generation_id).text(identity.etag);
  out.number(static_cast<uint8_t>(identity.status)).text(identity.status_reason);
  out.optional(identity.status_updated).number(static_cast<uint8_t>(identity.authentication));
  out.text(seal_keys(place_of(identity), identity.primary_key, identity.secondary_key, vault));
  out.text(identity.primary_thumbprint).text(identity.secondary_thumbprint);
  out.number<uint8_t>(identity.iot_edge ? 1 : 0).text(identity.device_scope);
  return out.take();
}

Result<IdentityFields> identity_fields(ByteView value) {
  Decoder in(value, kSealedVersion);
  IdentityFields fields;
  fields.device_id = in.view();
  fields.generation_id = in.view();
  fields.etag = in.view();
  fields.status = in.enumerator(DeviceStatus::kDisabled);
  fields.status_reason = in.view();
  fields.status_updated = in.optional_time();
  fields.authentication = in.enumerator(AuthenticationType::kNone);
  fields.keys = decode_keys(in);
  fields.primary_thumbprint = in.view();
  fields.secondary_thumbprint = in.view();
  fields.iot_edge = in.flag();
  fields.device_scope = in.view();
  if (!in.done() || too_long(fields.keys)) return corrupt("identity");
  return fields;
}

DeviceStatus identity_status(ByteView value) {
  Decoder in(value, kSealedVersion);
  in.view();  // device_id
  in.view();  // generation_id
  in.view();  // etag
  return in.enumerator(DeviceStatus::kDisabled);
}

Result<KeyPair> open_keys(const IdentityFields& fields, const KeyVault& vault) {
  return open_keys(place_of(fields), fields.keys, vault);
}

namespace {

Identity without_keys(const IdentityFields& fields) {
  return {.device_id = std::string(fields.device_id),
          .generation_id = std::string(fields.generation_id),
          .etag = std::string(fields.etag),
          .status = fields.status,
          .status_reason = std::string(fields.status_reason),
          .status_updated = fields.status_updated,
          .authentication = fields.authentication,
          .primary_thumbprint = std::string(fields.primary_thumbprint),
          .secondary_thumbprint = std::string(fields.secondary_thumbprint),
          .iot_edge = fields.iot_edge,
          .device_scope = std::string(fields.device_scope)};
}

Result<Policy> decode_policy_record(ByteView value, StoredKeys& keys) {
  Decoder in(value, kSealedVersion);
  Policy policy;
  policy.name = in.text();
  policy.rights = in.number<Rights>();
  keys = decode_keys(in);
  if (!in.done() || too_long(keys)) return corrupt("policy");
  return policy;
}

// What is decoded, with its keys.
template <class Record>
Result<Record> with_keys(Record record, const StoredKeys& stored, const KeyVault& vault) {
  auto keys = open_keys(place_of(record), stored, vault);
  if (!keys) return std::unexpected(keys.error());
  record.primary_key = std::move(keys->primary);
  record.secondary_key = std::move(keys->secondary);
  return record;
}

}  // namespace

Result<Identity> to_identity(const IdentityFields& fields, const KeyVault& vault) {
  return with_keys(without_keys(fields), fields.keys, vault);
}

Result<Identity> decode_identity(ByteView value, const KeyVault& vault) {
  const auto fields = identity_fields(value);
  if (!fields) return std::unexpected(fields.error());
  return to_identity(*fields, vault);
}

Result<Identity> decode_identity_without_keys(ByteView value) {
  const auto fields = identity_fields(value);
  if (!fields) return std::unexpected(fields.error());
  return without_keys(*fields);
}

Bytes encode_connection_times(const ConnectionTimes& times) {
  return Encoder().time(times.state_updated).time(times.last_activity).take();
}

Result<ConnectionTimes> decode_connection_times(ByteView value) {
  Decoder in(value);
  ConnectionTimes times;
  times.state_updated = in.time();
  times.last_activity = in.time();
  if (!in.done()) return corrupt("connection time");
  return times;
}

Bytes encode_message(const MessageHeader& header, const wire::C2dMessage& message) {
  Encoder out;
  out.reserve(header.size + 128);
  encode_header(out, header);
  out.optional(message.message_id).optional(message.correlation_id).optional(message.user_id);
  out.optional(message.to).optional(message.content_type).optional(message.content_encoding);
  out.optional(message.expiry).number<uint8_t>(message.ack ? 1 : 0);
  out.number(static_cast<uint32_t>(message.properties.size()));
  for (const auto& [name, value] : message.properties) out.text(name).text(value);
  out.text(message.body);
  return out.take();
}

Result<MessageHeader> decode_message_header(ByteView value) {
  Decoder in(value);
  MessageHeader header = decode_header(in);
  if (!in.ok()) return corrupt("message");
  return header;
}

Result<StoredMessage> decode_message(ByteView value) {
  Decoder in(value);
  StoredMessage stored;
  stored.header = decode_header(in);
  wire::C2dMessage& message = stored.message;
  message.message_id = in.optional_text();
  message.correlation_id = in.optional_text();
  message.user_id = in.optional_text();
  message.to = in.optional_text();
  message.content_type = in.optional_text();
  message.content_encoding = in.optional_text();
  message.expiry = in.optional_time();
  if (in.flag()) message.ack = stored.header.ack;
  const auto count = in.number<uint32_t>();
  // Each property takes at least its two lengths: a wrong count can't make us allocate.
  if (!in.ok() || count > in.remaining() / 8) return corrupt("message");
  message.properties.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    std::string name = in.text();
    message.properties.emplace_back(std::move(name), in.text());
  }
  message.body = in.text();
  if (!in.done()) return corrupt("message");
  return stored;
}

Bytes encode_feedback(const FeedbackRecord& record) {
  Encoder out;
  out.text(record.original_message_id).time(record.enqueued);
  out.number(static_cast<uint8_t>(record.outcome));
  out.text(record.device_id).text(record.device_generation_id);
  return out.take();
}

Result<FeedbackRecord> decode_feedback(ByteView value) {
  Decoder in(value);
  FeedbackRecord record;
  record.original_message_id = in.text();
  record.enqueued = in.time();
  record.outcome = in.enumerator(Outcome::kPurged);
  record.device_id = in.text();
  record.device_generation_id = in.text();
  if (!in.done()) return corrupt("feedback record");
  return record;
}

Bytes encode_policy(const Policy& policy, const KeyVault& vault) {
  Encoder out(kSealedVersion);
  out.text(policy.name).number(policy.rights);
  out.text(seal_keys(place_of(policy), policy.primary_key, policy.secondary_key, vault));
  return out.take();
}

Result<Policy> decode_policy(ByteView value, const KeyVault& vault) {
  StoredKeys keys;
  auto policy = decode_policy_record(value, keys);
  if (!policy) return policy;
  return with_keys(*std::move(policy), keys, vault);
}

Result<Policy> decode_policy_without_keys(ByteView value) {
  StoredKeys ignored;
  return decode_policy_record(value, ignored);
}

Result<std::optional<Bytes>> sealed_again(char kind, ByteView value, const KeyVault& vault) {
  const auto again = [&](auto record, const StoredKeys& keys) -> Result<std::optional<Bytes>> {
    if (sealed_with_current(keys, vault)) return std::nullopt;
    auto whole = with_keys(std::move(record), keys, vault);
    if (!whole) return std::unexpected(whole.error());
    if constexpr (std::is_same_v<decltype(record), Identity>) {
      return encode_identity(*whole, vault);
    } else {
      return encode_policy(*whole, vault);
    }
  };
  if (kind == kDeviceKey) {
    const auto fields = identity_fields(value);
    if (!fields) return std::unexpected(fields.error());
    return again(without_keys(*fields), fields->keys);
  }
  StoredKeys keys;
  auto policy = decode_policy_record(value, keys);
  if (!policy) return std::unexpected(policy.error());
  return again(*std::move(policy), keys);
}

Bytes encode_keyring(const Keyring& keyring) {
  Encoder out;
  out.text(keyring.hub_id).number(keyring.key).number<uint8_t>(keyring.complete ? 1 : 0);
  return out.take();
}

Result<Keyring> decode_keyring(ByteView value) {
  Decoder in(value);
  Keyring keyring;
  keyring.hub_id = in.text();
  keyring.key = in.number<MasterKeyId>();
  keyring.complete = in.flag();
  if (!in.done()) return corrupt("keyring");
  return keyring;
}

Bytes encode_session(const Session& session) {
  Encoder out;
  out.number(static_cast<uint32_t>(session.subscriptions.size()));
  for (const Subscription& s : session.subscriptions)
    out.text(s.filter).number(s.qos).time(s.since);
  return out.take();
}

Result<Session> decode_session(ByteView value) {
  Decoder in(value);
  Session session;
  const auto count = in.number<uint32_t>();
  if (!in.ok() || count > kSessionSubscriptionsMax) return corrupt("session");
  for (uint32_t i = 0; i < count; ++i) {
    Subscription subscription;
    subscription.filter = in.text();
    subscription.qos = in.number<uint8_t>();
    subscription.since = in.time();
    session.subscriptions.push_back(std::move(subscription));
  }
  if (!in.done()) return corrupt("session");
  return session;
}

Bytes encode_time(WallTime time) { return Encoder().time(time).take(); }

Result<WallTime> decode_time(ByteView value) {
  Decoder in(value);
  const WallTime time = in.time();
  if (!in.done()) return corrupt("time");
  return time;
}

Bytes encode_log_begin(const LogBegin& begin) {
  return Encoder()
      .number(begin.sequence)
      .number(begin.offset)
      .number(begin.last_offset)
      .time(begin.last_enqueued)
      .take();
}

Result<LogBegin> decode_log_begin(ByteView value) {
  Decoder in(value);
  LogBegin begin;
  begin.sequence = in.number<uint64_t>();
  begin.offset = in.number<uint64_t>();
  begin.last_offset = in.number<uint64_t>();
  begin.last_enqueued = in.time();
  if (!in.done()) return corrupt("beginning of the event log");
  return begin;
}

Bytes encode_number(uint64_t number) { return Encoder().number(number).take(); }

Result<uint64_t> decode_number(ByteView value) {
  Decoder in(value);
  const auto number = in.number<uint64_t>();
  if (!in.done()) return corrupt("number");
  return number;
}

}  // namespace linarite::hub
