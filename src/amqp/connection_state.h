// The sessions and links of a Connection. Private to connection*.cc.
#pragma once

#include <list>

#include "amqp/conditions.h"
#include "amqp/connection.h"
#include "amqp/delivery_map.h"
#include "amqp/serial.h"

namespace linarite::amqp {

enum class Connection::Stage : uint8_t {
  kHeader,          // Waits for the first protocol header.
  kSaslMechanisms,  // Client: waits for the server's mechanisms.
  kSaslInit,        // Server: waits for sasl-init.
  kSaslResponse,    // Server: waits for sasl-response.
  kSaslPending,     // Server: the owner owes an outcome or a challenge. Nothing is read.
  kSaslOutcome,     // Client: waits for an outcome or a challenge.
  kAmqpHeader,      // SASL is done; waits for the AMQP header.
  kOpen,            // Waits for the peer's open.
  kOpened,
  kClosing,  // Our close is sent; waits for the peer's.
  kClosed,
};

// A message of several frames that is coming in.
struct Assembly {
  uint32_t delivery_id;
  uint32_t message_format;
  bool settled;
  ReceiverSettleMode rcv_settle_mode;
  Bytes tag;
  Bytes body;
  Instant started;
};

struct Connection::Link {
  enum class State : uint8_t {
    kRequested,  // The peer attached; the owner owes an answer.
    kAttaching,  // We attached; the peer owes an answer.
    kAttached,
    kDetaching,  // We detached; the peer owes an answer. Its frames are dropped.
  };

  LinkId id;
  Session* session;
  std::string name;
  Role role;  // Ours.
  State state;
  uint32_t local_handle;
  std::optional<uint32_t> remote_handle;
  SenderSettleMode snd_settle_mode = SenderSettleMode::kMixed;
  ReceiverSettleMode rcv_settle_mode = ReceiverSettleMode::kFirst;
  // 2.6.7. As receiver: counted from the peer's initial-delivery-count, one step per message.
  uint32_t delivery_count = 0;
  uint32_t credit = 0;
  bool drain = false;
  uint64_t peer_message_size_max = 0;  // As sender; 0 is none.
  uint64_t message_size_max = 0;       // As receiver.
  std::unique_ptr<Assembly> assembly;  // As receiver.
};

// A delivery that both sides still know of.
struct Unsettled {
  LinkId link;
  DeliveryState state;  // What the receiver has stated without settling.
};

// A message on its way out, from `offset` on.
struct Connection::Sending {
  LinkId link;
  uint32_t handle;
  uint32_t delivery_id;
  uint32_t message_format;
  bool settled;
  ByteView tag;
  ByteView payload;
  size_t offset;
};

// The part of a message that found the peer's session window shut. Owns what `sending` views.
struct Connection::Waiting {
  Sending sending;
  Bytes tag;
  Bytes payload;
};

struct Connection::Session {
  enum class State : uint8_t {
    kBeginning,  // Our begin is sent; the peer owes an answer.
    kMapped,
    kEnding,  // Our end is sent; the peer owes an answer. Its frames are dropped.
  };

  SessionId id;
  State state;
  uint16_t local_channel;
  std::optional<uint16_t> remote_channel;
  uint32_t peer_handle_max = UINT32_MAX;

  // 2.5.6. Transfer-ids count frames, not messages.
  uint32_t next_incoming_id = 0;
  uint32_t incoming_window = 0;
  uint32_t first_outgoing_id = 0;
  uint32_t next_outgoing_id = 0;
  uint32_t remote_incoming_window = 0;

  uint32_t next_delivery_id = 0;
  std::optional<uint32_t> last_incoming_delivery_id;
  DeliveryMap<Unsettled> incoming;
  DeliveryMap<Unsettled> outgoing;
  std::list<std::unique_ptr<Waiting>> waiting;

  std::vector<Link*> by_local_handle;
  std::vector<Link*> by_remote_handle;

  Link* at_remote_handle(uint32_t handle) const {
    return handle < by_remote_handle.size() ? by_remote_handle[handle] : nullptr;
  }
};

template <class T>
void Connection::write_frame(uint16_t channel, const T& body) {
  if (stage_ == Stage::kClosed) return;
  flush_disposition();
  const size_t start = begin_frame(output_, kFrameTypeAmqp, channel);
  encode(body, output_);
  end_frame(output_, start);
  if (output_.size() - start > peer_max_frame_size_ && stage_ == Stage::kOpened) {
    // Only what the peer itself sent can make a frame of ours this long: a name, an address.
    output_.resize(start);
    fail_connection(condition::kFrameSizeTooSmall, "the answer does not fit into a frame");
  }
}

template <class T>
void Connection::write_sasl_frame(const T& body) {
  const size_t start = begin_frame(output_, kFrameTypeSasl, 0);
  encode(body, output_);
  end_frame(output_, start);
}

}  // namespace linarite::amqp
