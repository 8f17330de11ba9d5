// What the hub writes into the store: keys and the encoding of each record (docs/store-format.md).
//
// A key is one letter for the kind of record and then its name. A value starts with the version of
// its form; numbers are big-endian, a text is its length in 32 bits and its bytes, an optional
// field is a byte 0 or 1 and then the field. Decoding takes the whole value or fails with
// kStoreCorrupt.
//
// The keys of an identity and of a policy are sealed (hub/key_vault.h). Version 1 of these records,
// which older programs wrote, has them plain: it is read, and never written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "hub/feedback.h"
#include "hub/identity.h"
#include "hub/key_vault.h"
#include "hub/policies.h"
#include "hub/session.h"
#include "wire/c2d_message.h"

namespace linarite::hub {

// Kinds of record, in the order they are loaded: messages refer to devices.
inline constexpr char kConnectionKey = 'c';  // + device id: times of the connection state
inline constexpr char kDeviceKey = 'd';      // + device id: identity
inline constexpr char kFeedbackKey = 'f';    // + sequence: feedback record
inline constexpr char kGapKey = 'g';         // the last jump in the event log, after a salvage
inline constexpr char kHubKey = 'h';         // when the hub was made, partition 0 only
inline constexpr char kKeyringKey = 'k';     // what the keys are sealed with, partition 0 only
inline constexpr char kMessageKey = 'm';     // + sequence: queued message
inline constexpr char kCountKey = 'n';       // + sequence: delivery count, absent while 0
inline constexpr char kPolicyKey = 'p';      // + policy name, partition 0 only
inline constexpr char kReservedKey = 'r';    // sequence numbers below it may have been used
inline constexpr char kSessionKey = 's';     // + device id: MQTT session
inline constexpr char kTrimmedKey = 't';     // where the event log begins, absent until trimmed

Bytes record_key(char kind, std::string_view name);
Bytes record_key(char kind, uint64_t sequence);
// The sequence number at the end of a key of kind m, n or f.
std::optional<uint64_t> key_sequence(std::string_view key);

struct ConnectionTimes {
  WallTime state_updated;
  WallTime last_activity;
  bool operator==(const ConnectionTimes&) const = default;
};

// The front of a stored message: what the queue keeps in memory.
struct MessageHeader {
  std::string device_id;
  WallTime enqueued;
  WallTime expiry;    // The sender's or, without one, the queue's default.
  uint32_t size = 0;  // wire::C2dMessage::size()
  wire::Ack ack = wire::Ack::kNone;
  bool operator==(const MessageHeader&) const = default;
};
struct StoredMessage {
  MessageHeader header;
  wire::C2dMessage message;
};

// Where a partition's event log begins.
struct LogBegin {
  uint64_t sequence = 0;
  uint64_t offset = 0;
  uint64_t last_offset = 0;  // Of the last event there was, if none is kept.
  WallTime last_enqueued;
  bool operator==(const LogBegin&) const = default;
};

// What the keys of the store are sealed with. It is there before anything sealed is.
struct Keyring {
  Bytes hub_id;
  MasterKeyId key = 0;
  // All records are sealed with `key`, and no earlier version of them lies in the store's files.
  bool complete = false;
  bool operator==(const Keyring&) const = default;
};

// The keys of an identity or a policy in the open; overwritten when it goes.
struct KeyPair {
  KeyPair() = default;
  ~KeyPair();
  KeyPair(KeyPair&&) noexcept = default;
  KeyPair& operator=(KeyPair&& other) noexcept;
  std::string primary;
  std::string secondary;
};

// How they lie in a record.
struct StoredKeys {
  std::string_view primary;  // Plain, of a record of version 1.
  std::string_view secondary;
  std::string_view sealed;  // Empty: there are none, or they are plain.
};

// Where an identity's fields lie in its record.
struct IdentityFields {
  std::string_view device_id;
  std::string_view generation_id;
  std::string_view etag;
  DeviceStatus status = DeviceStatus::kEnabled;
  std::string_view status_reason;
  std::optional<WallTime> status_updated;
  AuthenticationType authentication = AuthenticationType::kSas;
  StoredKeys keys;
  std::string_view primary_thumbprint;
  std::string_view secondary_thumbprint;
  bool iot_edge = false;
  std::string_view device_scope;
};

Bytes encode_identity(const Identity& identity, const KeyVault& vault);
// Good as long as `value`.
Result<IdentityFields> identity_fields(ByteView value);
// The same of what is asked for most; of what encode_identity() made.
DeviceStatus identity_status(ByteView value);
// The keys are opened here. Also kMasterKeyUnusable: they are sealed with a master key that is not
// in the vault.
Result<KeyPair> open_keys(const IdentityFields& fields, const KeyVault& vault);
Result<Identity> to_identity(const IdentityFields& fields, const KeyVault& vault);
Result<Identity> decode_identity(ByteView value, const KeyVault& vault);
// The identity with empty keys, for when they can't be opened.
Result<Identity> decode_identity_without_keys(ByteView value);
Bytes encode_connection_times(const ConnectionTimes& times);
Result<ConnectionTimes> decode_connection_times(ByteView value);
Bytes encode_message(const MessageHeader& header, const wire::C2dMessage& message);
Result<MessageHeader> decode_message_header(ByteView value);
Result<StoredMessage> decode_message(ByteView value);
Bytes encode_feedback(const FeedbackRecord& record);
Result<FeedbackRecord> decode_feedback(ByteView value);
Bytes encode_policy(const Policy& policy, const KeyVault& vault);
Result<Policy> decode_policy(ByteView value, const KeyVault& vault);
Result<Policy> decode_policy_without_keys(ByteView value);
// The record of an identity or a policy, sealed with the vault's current key; nothing if it is so
// already. `kind` is kDeviceKey or kPolicyKey. Errors of decode_identity().
Result<std::optional<Bytes>> sealed_again(char kind, ByteView value, const KeyVault& vault);
Bytes encode_keyring(const Keyring& keyring);
Result<Keyring> decode_keyring(ByteView value);
Bytes encode_session(const Session& session);
Result<Session> decode_session(ByteView value);
Bytes encode_time(WallTime time);
Result<WallTime> decode_time(ByteView value);
Bytes encode_log_begin(const LogBegin& begin);
Result<LogBegin> decode_log_begin(ByteView value);
Bytes encode_number(uint64_t number);
Result<uint64_t> decode_number(ByteView value);

}  // namespace linarite::hub
