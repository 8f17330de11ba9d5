// The performatives of AMQP 1.0 (part 2, section 2.7), the termini and delivery states they carry
// (part 3, sections 3.4 and 3.5), and the SASL frame bodies (part 5, section 5.3), as plain
// structs.
//
// decode() reads the list that follows the descriptor; it is false for a field of the wrong type, a
// missing mandatory field, or more fields than the standard has. encode() appends descriptor and
// list. Members keep the standard's names and defaults.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "amqp/decoder.h"
#include "amqp/encoder.h"
#include "amqp/value.h"

namespace linarite::amqp {

enum class Code : uint64_t {
  kOpen = 0x10,
  kBegin = 0x11,
  kAttach = 0x12,
  kFlow = 0x13,
  kTransfer = 0x14,
  kDisposition = 0x15,
  kDetach = 0x16,
  kEnd = 0x17,
  kClose = 0x18,
  kError = 0x1D,
  kReceived = 0x23,
  kAccepted = 0x24,
  kRejected = 0x25,
  kReleased = 0x26,
  kModified = 0x27,
  kSource = 0x28,
  kTarget = 0x29,
  kCoordinator = 0x30,
  kSaslMechanisms = 0x40,
  kSaslInit = 0x41,
  kSaslChallenge = 0x42,
  kSaslResponse = 0x43,
  kSaslOutcome = 0x44,
};

enum class Role : uint8_t { kSender = 0, kReceiver = 1 };
enum class SenderSettleMode : uint8_t { kUnsettled = 0, kSettled = 1, kMixed = 2 };
enum class ReceiverSettleMode : uint8_t { kFirst = 0, kSecond = 1 };

// What is written of an error's description at most, so that an error fits any peer's frame.
inline constexpr size_t kErrorDescriptionMax = 320;

// An AMQP error (2.8.14). Distinct from linarite::Error, which never leaves the process.
struct Error {
  std::string condition{};    // See conditions.h.
  std::string description{};  // For people; may be empty.
  Value info{};               // A map with symbol keys, or null.
  bool operator==(const Error&) const = default;
};

enum class StateKind : uint8_t {
  kNone,
  kReceived,
  kAccepted,
  kRejected,
  kReleased,
  kModified,
  kOther
};

// What a delivery has come to (3.4). kOther stands for states of extensions, such as transactions.
struct DeliveryState {
  StateKind kind = StateKind::kNone;
  bool delivery_failed = false;                        // kModified
  bool undeliverable_here = false;                     // kModified
  std::shared_ptr<const Value> message_annotations{};  // kModified; may be null.
  std::shared_ptr<const Error> error{};                // kRejected; may be null.

  bool is_terminal() const { return kind >= StateKind::kAccepted && kind <= StateKind::kModified; }
  static DeliveryState accepted() { return {.kind = StateKind::kAccepted}; }
  static DeliveryState released() { return {.kind = StateKind::kReleased}; }
  static DeliveryState rejected(Error error) {
    return {.kind = StateKind::kRejected, .error = std::make_shared<const Error>(std::move(error))};
  }
  static DeliveryState modified(bool delivery_failed, bool undeliverable_here) {
    return {.kind = StateKind::kModified,
            .delivery_failed = delivery_failed,
            .undeliverable_here = undeliverable_here};
  }
};

struct Open {
  std::string container_id{};
  std::optional<std::string> hostname{};
  uint32_t max_frame_size = UINT32_MAX;
  uint16_t channel_max = UINT16_MAX;
  std::optional<uint32_t> idle_time_out_ms{};
  std::vector<std::string> outgoing_locales{};
  std::vector<std::string> incoming_locales{};
  std::vector<std::string> offered_capabilities{};
  std::vector<std::string> desired_capabilities{};
  Value properties{};
};

struct Begin {
  std::optional<uint16_t> remote_channel{};
  uint32_t next_outgoing_id = 0;
  uint32_t incoming_window = 0;
  uint32_t outgoing_window = 0;
  uint32_t handle_max = UINT32_MAX;
  std::vector<std::string> offered_capabilities{};
  std::vector<std::string> desired_capabilities{};
  Value properties{};
};

struct Source {
  std::optional<std::string> address{};
  uint32_t durable = 0;
  std::string expiry_policy{};  // Empty: the standard's default, session-end.
  uint32_t timeout_s = 0;
  bool dynamic = false;
  Value dynamic_node_properties{};
  std::string distribution_mode{};
  Value filter{};
  StateKind default_outcome = StateKind::kNone;
  std::vector<std::string> outcomes{};
  std::vector<std::string> capabilities{};
};

struct Target {
  bool coordinator = false;  // A transaction coordinator; all else is then empty.
  std::optional<std::string> address{};
  uint32_t durable = 0;
  std::string expiry_policy{};
  uint32_t timeout_s = 0;
  bool dynamic = false;
  Value dynamic_node_properties{};
  std::vector<std::string> capabilities{};
};

struct Attach {
  std::string name{};
  uint32_t handle = 0;
  Role role = Role::kSender;  // Of the side that sends this attach.
  SenderSettleMode snd_settle_mode = SenderSettleMode::kMixed;
  ReceiverSettleMode rcv_settle_mode = ReceiverSettleMode::kFirst;
  std::optional<Source> source{};
  std::optional<Target> target{};
  Value unsettled{};
  bool incomplete_unsettled = false;
  std::optional<uint32_t> initial_delivery_count{};  // Mandatory for a sender.
  uint64_t max_message_size = 0;                     // 0: no limit.
  std::vector<std::string> offered_capabilities{};
  std::vector<std::string> desired_capabilities{};
  Value properties{};
};

struct Flow {
  std::optional<uint32_t> next_incoming_id{};
  uint32_t incoming_window = 0;
  uint32_t next_outgoing_id = 0;
  uint32_t outgoing_window = 0;
  std::optional<uint32_t> handle{};
  std::optional<uint32_t> delivery_count{};
  std::optional<uint32_t> link_credit{};
  std::optional<uint32_t> available{};
  bool drain = false;
  bool echo = false;
};

// Views into the frame. The payload follows the performative and is not part of it.
struct Transfer {
  uint32_t handle = 0;
  std::optional<uint32_t> delivery_id{};
  std::optional<ByteView> delivery_tag{};
  uint32_t message_format = 0;
  std::optional<bool> settled{};
  bool more = false;
  std::optional<ReceiverSettleMode> rcv_settle_mode{};
  bool resume = false;
  bool aborted = false;
  bool batchable = false;
};

struct Disposition {
  Role role = Role::kSender;
  uint32_t first = 0;
  uint32_t last = 0;  // Equals first where the field was left out.
  bool settled = false;
  DeliveryState state{};
  bool batchable = false;
};

struct Detach {
  uint32_t handle = 0;
  bool closed = false;
  std::optional<Error> error{};
};

struct End {
  std::optional<Error> error{};
};

struct Close {
  std::optional<Error> error{};
};

enum class SaslCode : uint8_t { kOk = 0, kAuth = 1, kSys = 2, kSysPerm = 3, kSysTemp = 4 };

struct SaslMechanisms {
  std::vector<std::string> mechanisms{};
};
struct SaslInit {
  std::string mechanism{};
  std::optional<Bytes> initial_response{};
  std::optional<std::string> hostname{};
};
struct SaslChallenge {
  Bytes challenge{};
};
struct SaslResponse {
  Bytes response{};
};
struct SaslOutcome {
  SaslCode code = SaslCode::kOk;
  std::optional<Bytes> additional_data{};
};

bool decode(const ValueView& list, Open& out);
bool decode(const ValueView& list, Begin& out);
bool decode(const ValueView& list, Attach& out);
bool decode(const ValueView& list, Flow& out);
bool decode(const ValueView& list, Transfer& out);
bool decode(const ValueView& list, Disposition& out);
bool decode(const ValueView& list, Detach& out);
bool decode(const ValueView& list, End& out);
bool decode(const ValueView& list, Close& out);
bool decode(const ValueView& list, SaslMechanisms& out);
bool decode(const ValueView& list, SaslInit& out);
bool decode(const ValueView& list, SaslChallenge& out);
bool decode(const ValueView& list, SaslResponse& out);
bool decode(const ValueView& list, SaslOutcome& out);

void encode(const Open& open, Bytes& out);
void encode(const Begin& begin, Bytes& out);
void encode(const Attach& attach, Bytes& out);
void encode(const Flow& flow, Bytes& out);
void encode(const Transfer& transfer, Bytes& out);
void encode(const Disposition& disposition, Bytes& out);
void encode(const Detach& detach, Bytes& out);
void encode(const End& end, Bytes& out);
void encode(const Close& close, Bytes& out);
void encode(const SaslMechanisms& mechanisms, Bytes& out);
void encode(const SaslInit& init, Bytes& out);
void encode(const SaslChallenge& challenge, Bytes& out);
void encode(const SaslResponse& response, Bytes& out);
void encode(const SaslOutcome& outcome, Bytes& out);

}  // namespace linarite::amqp
