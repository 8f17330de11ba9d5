// The IoT hub: what gateways, the command line's server side and the simulator call. It spreads
// devices over the partitions and holds what belongs to none of them: policies and feedback
// receivers.
//
// Wiring: construct, open() before the loops run, use, close() on the way down. The hub must
// outlive every gateway connection.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/logging.h"
#include "base/loop.h"
#include "base/random.h"
#include "hub/event_block.h"
#include "hub/event_receivers.h"
#include "hub/event_watches.h"
#include "hub/feedback.h"
#include "hub/identity.h"
#include "hub/key_vault.h"
#include "hub/options.h"
#include "hub/partition.h"
#include "hub/permission.h"
#include "hub/policies.h"
#include "hub/queue_event.h"
#include "hub/throttles.h"
#include "store/store.h"

namespace prometheus {
class Registry;
}

namespace linarite::hub {

class Hub {
 public:
  // What the hub stands on; all must outlive it. Partition i of the store belongs to
  // loops[i % loops.size()].
  struct Parts {
    store::Store& store;
    std::vector<Loop*> loops;
    Random& random;
    Logger& log;
    prometheus::Registry& metrics;
    const KeyVault& vault;  // Seals the keys of devices and policies in the store.
    QueueWatch watch{};     // May be empty.
  };

  Hub(HubOptions options, Parts parts);
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  // Loads everything from the store, each partition on its own loop; on an empty store makes the
  // default policies and notes when, durably. Keys that are not sealed with the vault's current
  // master key are sealed before the reply (hub/keyring.h). Once, with the loops running.
  // kStoreCorrupt names the record that does not fit; kMasterKeyUnusable: the vault is not that of
  // the store. Nothing else may be called before the reply.
  void open(Reply<Status> reply);
  // Writes what waits to be written with more of its kind. Once, when the connections have ended
  // and before the store is closed; what fails was promised to nobody.
  void close(Reply<Status> reply);

  const HubOptions& options() const;
  const Clock& clock() const;
  Random& random() const;

  // --- Any thread.

  Partition& partition_of(std::string_view device_id) const;
  Loop& loop_of(std::string_view device_id) const { return partition_of(device_id).loop(); }
  Partition& partition(uint32_t number) const;
  size_t partition_count() const;
  // The entity under which Event Hubs clients find the hub's events.
  const std::string& event_hub_name() const;
  // When the hub's store was first used. After open().
  WallTime created_at() const;

  // Verifies a token of a shared access policy ("SharedAccessSignature sr=...") for service
  // endpoints. kIotHubUnauthorizedAccess (401002) for anything wrong with it; a token of a device
  // key is wrong.
  Result<Principal> authenticate_policy(std::string_view token) const;
  // The permission table, and whether the principal's policy still has its key.
  Status allow(const Principal& principal, Action action, const Resource& resource) const;
  // The policies as they are now; the set stays as it is, and valid as long as the hub.
  const PolicySet* policies() const;

  // Whether a shared access policy has this raw key (primary or secondary, base64 text); for SASL
  // PLAIN at the Event Hubs form. Constant time.
  bool policy_has_key(std::string_view policy, std::string_view key) const;

  // How often and how much: gateways ask before they do, or tell what was done.
  Throttles& throttles() const;

  // The store's state: the first failure of any partition.
  Status health() const;

  // --- Any loop; each reply comes on the loop named in it, after everything it says is durable.

  void create_device(IdentityWrite write, Reply<Result<DeviceView>> reply);
  void update_device(IdentityWrite write, Condition condition, Reply<Result<DeviceView>> reply);
  void delete_device(std::string device_id, Condition condition, Reply<Status> reply);
  void get_device(std::string device_id, Reply<Result<DeviceView>> reply);
  void list_devices(size_t limit, Reply<Result<std::vector<DeviceView>>> reply);
  void statistics(Reply<Statistics> reply);
  void send(std::string device_id, wire::C2dMessage message, Reply<Result<uint64_t>> reply);
  void purge(std::string device_id, Reply<Result<uint64_t>> reply);

  enum class WhichKey : uint8_t { kPrimary, kSecondary, kSwap };
  // A new random key for a policy, or its two keys exchanged; principals that used a key which the
  // policy no longer has are refused from then on.
  void renew_policy_key(std::string policy, WhichKey which, Reply<Result<Policy>> reply);

  // --- Device-to-cloud events, each partition's log by its number. See EventLog, which has the
  // errors as well. An EventBlock may be read on any loop.

  void event_log_state(uint32_t partition, Reply<EventLogState> reply);
  void find_event(uint32_t partition, EventPosition position, Reply<Result<uint64_t>> reply);
  void read_events(uint32_t partition, uint64_t sequence, Reply<Result<EventBlocks>> reply);
  // `on_more` is called on `loop` after new events became durable; at most one call is under way.
  // Watch and unwatch on that loop, which must be one of the hub's.
  EventWatchId watch_events(uint32_t partition, Loop& loop, std::function<void()> on_more);
  void unwatch_events(EventWatchId watch);
  // The hub's consumer group of this name, whose case does not matter; null if there is none.
  const std::string* consumer_group(std::string_view name) const;
  // A receiver, as long as the rules of EventReceivers allow it; `partition` is one of the hub's.
  // Open and close it on its loop, which must be one of the hub's.
  EventReceiverId open_event_receiver(EventReceiverRequest request, Loop& loop,
                                      std::function<void(Error)> on_displaced,
                                      Reply<Result<uint64_t>> start);
  void close_event_receiver(EventReceiverId receiver);

  // --- Feedback. Receivers compete; each batch goes to one of them.

  using ReceiverId = uint64_t;
  // `on_batch` is called on `loop`, once for each unit of credit at most. Open and close a receiver
  // on its own loop, which must be one of the hub's.
  ReceiverId open_feedback_receiver(Loop& loop, std::function<void(FeedbackBatch)> on_batch);
  // The receiver takes `credit` more batches.
  void add_feedback_credit(ReceiverId receiver, uint32_t credit);
  // Takes unused credit back (AMQP drain); `done` tells how much it was.
  void drain_feedback_credit(ReceiverId receiver, Reply<uint32_t> done);
  // Batches it holds go back at once; `on_batch` is not called again.
  void close_feedback_receiver(ReceiverId receiver);
  // One batch without a receiver (REST); nothing if none waits.
  void receive_feedback(Reply<std::optional<FeedbackBatch>> reply);
  // kDeviceMessageLockLost if the token no longer fits.
  void settle_feedback(FeedbackToken token, FeedbackSettlement how, Reply<Status> reply);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace linarite::hub
