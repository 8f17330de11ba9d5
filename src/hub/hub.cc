#include "hub/hub.h"

#include <openssl/crypto.h>
#include <prometheus/counter.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "hub/feedback_dispatcher.h"
#include "hub/keyring.h"
#include "hub/metrics.h"
#include "hub/records.h"
#include "hub/stand_in_policy.h"
#include "wire/event_selector.h"
#include "wire/sas_token.h"

namespace linarite::hub {
namespace {

constexpr store::PartitionId kPolicyPartition = 0;

// The same on every machine and in every version: it decides where a device's data lies (FNV-1a).
uint64_t stable_hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

}  // namespace

struct Hub::State {
  State(HubOptions hub_options, Parts hub_parts)
      : options(std::move(hub_options)),
        parts(std::move(hub_parts)),
        metrics(parts.metrics),
        throttles(options.throttle, parts.metrics),
        hosts(options.host_names.begin(), options.host_names.end()),
        event_hub_name(
            wire::event_hub_name(options.host_names.empty() ? "" : options.host_names.front())) {}

  // Called on the loop of kPolicyPartition.
  void set_policies(std::vector<Policy> all) {
    if (written_policies.empty()) written_policies = all;
    policy_sets.push_back(std::make_unique<const PolicySet>(std::move(all)));
    policies.store(policy_sets.back().get(), std::memory_order_release);
  }
  size_t loop_index(const Loop& loop) const {
    const auto found = std::ranges::find(parts.loops, &loop);
    CHECK(found != parts.loops.end());
    return static_cast<size_t>(found - parts.loops.begin());
  }
  Status open_keyring();
  void seal_keys(Reply<Status> reply);
  Result<std::vector<Policy>> read_policies();
  void open_policies(Reply<Status> reply);
  Result<std::optional<WallTime>> read_created();
  void load_partition(size_t index, const std::shared_ptr<std::atomic<size_t>>& left,
                      const std::shared_ptr<Reply<Status>>& reply);

  const HubOptions options;
  const Parts parts;
  Metrics metrics;
  Throttles throttles;
  const std::vector<std::string_view> hosts;
  const std::string event_hub_name;
  std::atomic<uint64_t> identities{0};  // Counted by the partitions.
  std::vector<std::unique_ptr<Partition>> partitions;
  std::unique_ptr<FeedbackDispatcher> dispatcher;
  EventWatches event_watches{parts.loops};
  EventReceivers event_receivers{parts.loops, parts.store.partition_count(), metrics};
  WallTime created_at;             // Set once, before open() is answered.
  std::optional<Keyring> keyring;  // As it was found; nothing in a new store, and in an old one.
  std::atomic<ReceiverId> last_receiver{0};

  // Readers on any thread hold a plain pointer, so a set that was replaced is kept as long as the
  // hub: policies change when an operator renews a key.
  std::vector<std::unique_ptr<const PolicySet>> policy_sets;
  const PolicySet no_policies;
  // What the store has been given so far, durable or not: a renewal builds upon the one before it,
  // also while that is on its way to the disk. Used on the loop of kPolicyPartition.
  std::vector<Policy> written_policies;
  std::atomic<const PolicySet*> policies{&no_policies};
  // Whether a receiver was closed, for batches that are on their way to it; by loop, each used on
  // its own loop only.
  std::vector<std::unordered_map<ReceiverId, std::shared_ptr<bool>>> closed{parts.loops.size()};
};

Hub::Hub(HubOptions options, Parts parts)
    : state_(std::make_unique<State>(std::move(options), std::move(parts))) {
  State& s = *state_;
  CHECK(!s.parts.loops.empty());
  std::vector<Partition*> partitions;
  for (uint32_t i = 0; i < s.parts.store.partition_count(); ++i) {
    Loop& loop = *s.parts.loops[i % s.parts.loops.size()];
    s.parts.store.attach(i, loop);
    s.partitions.push_back(
        std::make_unique<Partition>(Partition::Parts{.id = i,
                                                     .options = s.options,
                                                     .store = s.parts.store,
                                                     .loop = loop,
                                                     .random = s.parts.random,
                                                     .log = s.parts.log,
                                                     .metrics = s.metrics,
                                                     .identities = s.identities,
                                                     .policies = state_->policies,
                                                     .vault = s.parts.vault,
                                                     .watch = s.parts.watch}));
    partitions.push_back(s.partitions.back().get());
  }
  s.dispatcher = std::make_unique<FeedbackDispatcher>(*s.parts.loops[0], partitions);
  for (size_t i = 0; i < partitions.size(); ++i) {
    partitions[i]->feedback().on_available([dispatcher = s.dispatcher.get(), i] {
      dispatcher->loop().post([dispatcher, i] { dispatcher->available(i); });
    });
  }
}

Hub::~Hub() = default;

void Hub::open(Reply<Status> reply) {
  if (const Status ok = state_->options.check(); !ok) return reply(ok);
  state_->partitions[kPolicyPartition]->loop().post(
      [s = state_.get(), reply = std::move(reply)]() mutable {
        if (Status usable = s->open_keyring(); !usable) return reply(std::move(usable));
        auto left = std::make_shared<std::atomic<size_t>>(s->partitions.size());
        auto shared = std::make_shared<Reply<Status>>(std::move(reply));
        for (size_t i = 0; i < s->partitions.size(); ++i) s->load_partition(i, left, shared);
      });
}

void Hub::close(Reply<Status> reply) {
  auto left = std::make_shared<std::atomic<size_t>>(state_->partitions.size());
  auto shared = std::make_shared<Reply<Status>>(std::move(reply));
  for (const auto& partition : state_->partitions) {
    partition->loop().post([partition = partition.get(), left, shared] {
      partition->write_connection_times([left, shared](const Status&) {
        if (left->fetch_sub(1) == 1) (*shared)({});
      });
    });
  }
}

// Before anything that may be sealed is read: what is wrong with the vault is then said as such.
Status Hub::State::open_keyring() {
  auto found = read_keyring(parts.store);
  if (!found) return std::unexpected(found.error());
  keyring = *std::move(found);
  return check_keyring(keyring, parts.vault);
}

// Unless everything is sealed with the current key already.
void Hub::State::seal_keys(Reply<Status> reply) {
  if (keyring == keyring_of(parts.vault, /*complete=*/true)) return reply({});
  std::vector<Loop*> loops;
  for (const auto& partition : partitions) loops.push_back(&partition->loop());
  seal_again(parts.store, std::move(loops), parts.vault,
             [this, reply = std::move(reply)](Result<SealedAgain> sealed) mutable {
               if (!sealed) return reply(std::unexpected(sealed.error()));
               parts.log.info("keys in the store are sealed with the current master key",
                              {{"key", master_key_name(parts.vault.current_key())},
                               {"records", std::to_string(sealed->records)}});
               if (!sealed->forgotten) {
                 parts.log.warning(
                     "the disk has no room to rewrite the store: what lay in it before may still "
                     "be read there; it is tried again at the next start");
               }
               reply({});
             });
}

// The last partition that is loaded goes on to the policies; the first failure is the answer.
void Hub::State::load_partition(size_t index, const std::shared_ptr<std::atomic<size_t>>& left,
                                const std::shared_ptr<Reply<Status>>& reply) {
  partitions[index]->loop().post([this, index, left, reply] {
    const Status loaded = partitions[index]->load();
    if (!loaded) {
      // Others may still count down: the answer is given once, by whoever sets the count to 0.
      if (left->exchange(0) != 0) (*reply)(loaded);
      return;
    }
    size_t before = left->load();
    while (before != 0 && !left->compare_exchange_weak(before, before - 1)) {
    }
    if (before == 1) {
      partitions[kPolicyPartition]->loop().post(
          [this, reply] { open_policies(std::move(*reply)); });
    }
  });
}

Result<std::vector<Policy>> Hub::State::read_policies() {
  std::vector<Policy> all;
  Status failure;
  const Bytes begin(1, kPolicyKey);
  const Bytes end(1, kPolicyKey + 1);
  const Status scanned =
      parts.store.scan(kPolicyPartition, begin, end, [&](std::string_view, std::string_view value) {
        auto policy = decode_policy(value, parts.vault);
        if (!policy) {
          failure = std::unexpected(policy.error());
          return false;
        }
        all.push_back(*std::move(policy));
        return true;
      });
  if (!failure) return std::unexpected(failure.error());
  if (!scanned) return std::unexpected(scanned.error());
  return all;
}

Result<std::optional<WallTime>> Hub::State::read_created() {
  const auto value = parts.store.get(kPolicyPartition, Bytes(1, kHubKey));
  if (!value) return std::unexpected(value.error());
  if (!*value) return std::nullopt;
  const auto created = decode_time(**value);
  if (!created) return std::unexpected(created.error());
  return *created;
}

void Hub::State::open_policies(Reply<Status> reply) {
  auto all = read_policies();
  if (!all) return reply(std::unexpected(all.error()));
  const auto created = read_created();
  if (!created) return reply(std::unexpected(created.error()));
  const WallTime now = partitions[kPolicyPartition]->loop().clock().wall();
  created_at = created->value_or(now);
  std::vector<Policy> made = *std::move(all);
  store::Batch batch;
  if (made.empty()) {
    made = default_policies(parts.random);
    for (const Policy& policy : made) {
      batch.put(record_key(kPolicyKey, policy.name), encode_policy(policy, parts.vault));
    }
    // Without policies there was nothing: a new store is sealed from the beginning.
    keyring = keyring_of(parts.vault, /*complete=*/true);
    batch.put(Bytes(1, kKeyringKey), encode_keyring(*keyring));
  }
  // A store of an older version does not know when it was made either.
  if (!*created) batch.put(Bytes(1, kHubKey), encode_time(now));
  if (batch.empty()) {
    set_policies(std::move(made));
    return seal_keys(std::move(reply));
  }
  parts.store.commit(kPolicyPartition, std::move(batch),
                     [this, made, reply = std::move(reply)](Status status) mutable {
                       if (!status) return reply(std::move(status));
                       set_policies(std::move(made));
                       seal_keys(std::move(reply));
                     });
}

const HubOptions& Hub::options() const { return state_->options; }
const Clock& Hub::clock() const { return state_->parts.loops[0]->clock(); }
Random& Hub::random() const { return state_->parts.random; }
size_t Hub::partition_count() const { return state_->partitions.size(); }
const std::string& Hub::event_hub_name() const { return state_->event_hub_name; }
WallTime Hub::created_at() const { return state_->created_at; }
Throttles& Hub::throttles() const { return state_->throttles; }
const PolicySet* Hub::policies() const { return state_->policies.load(std::memory_order_acquire); }

Partition& Hub::partition_of(std::string_view device_id) const {
  return *state_->partitions[stable_hash(device_id) % state_->partitions.size()];
}

Partition& Hub::partition(uint32_t number) const {
  CHECK(number < partition_count());
  return *state_->partitions[number];
}

Result<Principal> Hub::authenticate_policy(std::string_view token_text) const {
  const auto refuse = [this](std::string message) {
    state_->metrics.authentication_failures.Increment();
    return fail(ErrorCode::kIotHubUnauthorizedAccess, std::move(message));
  };
  auto token = wire::parse_sas_token(token_text);
  if (!token) return refuse(token.error().message);
  const PolicySet* const set = policies();
  const Policy* policy = token->policy.empty() ? nullptr : set->find(token->policy);
  // Computed for unknown policies too: the time must not tell which exist.
  const Policy& no_policy = stand_in_policy();
  const Policy& looked_at = policy == nullptr ? no_policy : *policy;
  const std::string_view primary = looked_at.primary_key;
  const std::string_view secondary = looked_at.secondary_key;
  const wire::SasKeyMatch decoded = wire::sas_signature_match(*token, primary, secondary);
  const wire::SasKeyMatch text = wire::sas_text_key_match(*token, primary, secondary);
  const wire::SasKeyMatch match = decoded == wire::SasKeyMatch::kNone ? text : decoded;
  if (policy == nullptr || match == wire::SasKeyMatch::kNone)
    return refuse("the token's signature does not match");
  if (!wire::audience_names_host(*token, state_->hosts)) {
    return refuse("the token was made for another hub");
  }
  if (wire::sas_token_expired(*token, clock().wall())) return refuse("the token has expired");
  return Principal{.kind = Principal::Kind::kPolicy,
                   .name = policy->name,
                   .rights = policy->rights,
                   .token = *std::move(token),
                   .key_fingerprint =
                       key_fingerprint(match == wire::SasKeyMatch::kPrimary ? primary : secondary)};
}

Status Hub::allow(const Principal& principal, Action action, const Resource& resource) const {
  if (principal.kind == Principal::Kind::kPolicy) {
    const PolicySet* const set = policies();
    const Policy* policy = set->find(principal.name);
    if (policy == nullptr ||
        (key_fingerprint(policy->primary_key) != principal.key_fingerprint &&
         key_fingerprint(policy->secondary_key) != principal.key_fingerprint)) {
      return fail(ErrorCode::kIotHubUnauthorizedAccess, "the policy's key was renewed");
    }
  }
  return hub::allow(principal, action, resource, state_->hosts, clock().wall());
}

bool Hub::policy_has_key(std::string_view policy_name, std::string_view key) const {
  const PolicySet* const set = policies();
  const Policy* policy = set->find(policy_name);
  const auto same = [&](const std::string& expected) {
    return expected.size() == key.size() &&
           CRYPTO_memcmp(expected.data(), key.data(), key.size()) == 0;
  };
  const Policy& no_policy = stand_in_policy();
  const Policy& looked_at = policy == nullptr ? no_policy : *policy;
  const bool primary = same(looked_at.primary_key);
  const bool secondary = same(looked_at.secondary_key);
  return policy != nullptr && (primary || secondary);
}

Status Hub::health() const {
  for (uint32_t i = 0; i < state_->parts.store.partition_count(); ++i) {
    if (Status state = state_->parts.store.state(i); !state) return state;
  }
  return {};
}

void Hub::create_device(IdentityWrite write, Reply<Result<DeviceView>> reply) {
  Partition& partition = partition_of(write.device_id);
  partition.loop().dispatch(
      [&partition, write = std::move(write), reply = std::move(reply)]() mutable {
        partition.create_device(std::move(write), std::move(reply));
      });
}

void Hub::update_device(IdentityWrite write, Condition condition, Reply<Result<DeviceView>> reply) {
  Partition& partition = partition_of(write.device_id);
  partition.loop().dispatch([&partition, write = std::move(write), condition = std::move(condition),
                             reply = std::move(reply)]() mutable {
    partition.update_device(std::move(write), std::move(condition), std::move(reply));
  });
}

void Hub::delete_device(std::string device_id, Condition condition, Reply<Status> reply) {
  Partition& partition = partition_of(device_id);
  partition.loop().dispatch([&partition, id = std::move(device_id),
                             condition = std::move(condition), reply = std::move(reply)]() mutable {
    partition.delete_device(id, std::move(condition), std::move(reply));
  });
}

void Hub::get_device(std::string device_id, Reply<Result<DeviceView>> reply) {
  Partition& partition = partition_of(device_id);
  partition.loop().dispatch(
      [&partition, id = std::move(device_id), reply = std::move(reply)]() mutable {
        reply(partition.get_device(id));
      });
}

void Hub::send(std::string device_id, wire::C2dMessage message, Reply<Result<uint64_t>> reply) {
  Partition& partition = partition_of(device_id);
  partition.loop().dispatch([&partition, id = std::move(device_id), message = std::move(message),
                             reply = std::move(reply)]() mutable {
    partition.send(std::move(id), std::move(message), std::move(reply));
  });
}

void Hub::purge(std::string device_id, Reply<Result<uint64_t>> reply) {
  Partition& partition = partition_of(device_id);
  partition.loop().dispatch(
      [&partition, id = std::move(device_id), reply = std::move(reply)]() mutable {
        partition.purge(id, std::move(reply));
      });
}

namespace {

// Asks each partition in turn, on its loop, and answers with what was gathered.
template <class Gathered>
void gather(const std::vector<std::unique_ptr<Partition>>& partitions, size_t index,
            Gathered gathered, void (*visit)(const Partition&, Gathered&),
            std::move_only_function<void(Gathered)> done) {
  if (index == partitions.size()) return done(std::move(gathered));
  partitions[index]->loop().post([&partitions, index, gathered = std::move(gathered), visit,
                                  done = std::move(done)]() mutable {
    visit(*partitions[index], gathered);
    gather(partitions, index + 1, std::move(gathered), visit, std::move(done));
  });
}

struct DeviceList {
  size_t limit;
  std::vector<DeviceView> views;
  Status failure;
};

}  // namespace

void Hub::list_devices(size_t limit, Reply<Result<std::vector<DeviceView>>> reply) {
  gather<DeviceList>(
      state_->partitions, 0, {limit, {}, {}},
      [](const Partition& partition, DeviceList& list) {
        auto more = partition.list_devices(list.limit);
        if (more) {
          std::ranges::move(*more, std::back_inserter(list.views));
        } else {
          list.failure = std::unexpected(more.error());
        }
      },
      [reply = std::move(reply)](DeviceList list) mutable {
        if (!list.failure) return reply(std::unexpected(list.failure.error()));
        std::ranges::sort(list.views, {}, [](const DeviceView& view) -> const std::string& {
          return view.identity.device_id;
        });
        if (list.views.size() > list.limit) list.views.resize(list.limit);
        reply(std::move(list.views));
      });
}

void Hub::statistics(Reply<Statistics> reply) {
  gather<Statistics>(
      state_->partitions, 0, {},
      [](const Partition& partition, Statistics& sum) {
        const Statistics more = partition.statistics();
        sum.devices += more.devices;
        sum.enabled += more.enabled;
        sum.disabled += more.disabled;
        sum.connected += more.connected;
      },
      std::move(reply));
}

void Hub::renew_policy_key(std::string name, WhichKey which, Reply<Result<Policy>> reply) {
  Loop& loop = state_->partitions[kPolicyPartition]->loop();
  loop.dispatch([this, name = std::move(name), which, reply = std::move(reply)]() mutable {
    std::vector<Policy>& written = state_->written_policies;
    const auto found = std::ranges::find(written, name, &Policy::name);
    if (found == written.end()) {
      return reply(fail(ErrorCode::kGenericNotFound, "no policy has this name"));
    }
    if (which == WhichKey::kSwap) {
      std::swap(found->primary_key, found->secondary_key);
    } else {
      (which == WhichKey::kPrimary ? found->primary_key : found->secondary_key) =
          generate_key(state_->parts.random);
    }
    Policy policy = *found;
    store::Batch batch;
    batch.put(record_key(kPolicyKey, name), encode_policy(policy, state_->parts.vault));
    state_->parts.store.commit(kPolicyPartition, std::move(batch),
                               [this, policy, reply = std::move(reply)](Status status) mutable {
                                 if (!status) return reply(std::unexpected(status.error()));
                                 // Renewals become durable in their order; each replaces only its
                                 // own policy.
                                 std::vector<Policy> now = policies()->all();
                                 *std::ranges::find(now, policy.name, &Policy::name) = policy;
                                 state_->set_policies(std::move(now));
                                 reply(policy);
                               });
  });
}

void Hub::event_log_state(uint32_t partition, Reply<EventLogState> reply) {
  Partition& from = this->partition(partition);
  from.loop().dispatch(
      [&from, reply = std::move(reply)]() mutable { reply(from.events().state()); });
}

void Hub::find_event(uint32_t partition, EventPosition position, Reply<Result<uint64_t>> reply) {
  Partition& from = this->partition(partition);
  from.loop().dispatch([&from, position, reply = std::move(reply)]() mutable {
    reply(from.events().find(position));
  });
}

void Hub::read_events(uint32_t partition, uint64_t sequence, Reply<Result<EventBlocks>> reply) {
  Partition& from = this->partition(partition);
  from.loop().dispatch([&from, sequence, reply = std::move(reply)]() mutable {
    reply(from.events().read_on(sequence));
  });
}

EventWatchId Hub::watch_events(uint32_t partition, Loop& loop, std::function<void()> on_more) {
  return state_->event_watches.open(this->partition(partition), loop, std::move(on_more));
}

void Hub::unwatch_events(EventWatchId watch) { state_->event_watches.close(watch); }

const std::string* Hub::consumer_group(std::string_view name) const {
  static const std::string kDefault(kDefaultConsumerGroup);
  if (equal_ignoring_case(name, kDefault)) return &kDefault;
  const auto& groups = state_->options.events.consumer_groups;
  const auto found = std::ranges::find_if(
      groups, [name](const std::string& group) { return equal_ignoring_case(group, name); });
  return found == groups.end() ? nullptr : &*found;
}

EventReceiverId Hub::open_event_receiver(EventReceiverRequest request, Loop& loop,
                                         std::function<void(Error)> on_displaced,
                                         Reply<Result<uint64_t>> start) {
  Partition& from = partition(request.partition);
  return state_->event_receivers.open(from, std::move(request), loop, std::move(on_displaced),
                                      std::move(start));
}

void Hub::close_event_receiver(EventReceiverId receiver) {
  state_->event_receivers.close(receiver);
}

// A receiver's id holds the index of its loop, so that closing it finds its entry without a lock.
Hub::ReceiverId Hub::open_feedback_receiver(Loop& loop,
                                            std::function<void(FeedbackBatch)> on_batch) {
  const size_t index = state_->loop_index(loop);
  const ReceiverId id = ++state_->last_receiver * state_->parts.loops.size() + index;
  auto closed = std::make_shared<bool>(false);
  state_->closed[index].emplace(id, closed);
  FeedbackDispatcher* const dispatcher = state_->dispatcher.get();
  dispatcher->loop().post([dispatcher, id, loop = &loop, on_batch = std::move(on_batch),
                           closed = std::move(closed)]() mutable {
    dispatcher->open(id,
                     {.loop = loop, .on_batch = std::move(on_batch), .closed = std::move(closed)});
  });
  return id;
}

void Hub::add_feedback_credit(ReceiverId receiver, uint32_t credit) {
  FeedbackDispatcher* const dispatcher = state_->dispatcher.get();
  dispatcher->loop().post(
      [dispatcher, receiver, credit] { dispatcher->add_credit(receiver, credit); });
}

void Hub::drain_feedback_credit(ReceiverId receiver, Reply<uint32_t> done) {
  FeedbackDispatcher* const dispatcher = state_->dispatcher.get();
  dispatcher->loop().post([dispatcher, receiver, done = std::move(done)]() mutable {
    done(dispatcher->drain_credit(receiver));
  });
}

void Hub::close_feedback_receiver(ReceiverId receiver) {
  auto& closed = state_->closed[receiver % state_->parts.loops.size()];
  const auto found = closed.find(receiver);
  if (found == closed.end()) return;
  *found->second = true;
  closed.erase(found);
  FeedbackDispatcher* const dispatcher = state_->dispatcher.get();
  dispatcher->loop().post([dispatcher, receiver] { dispatcher->close(receiver); });
}

void Hub::receive_feedback(Reply<std::optional<FeedbackBatch>> reply) {
  FeedbackDispatcher* const dispatcher = state_->dispatcher.get();
  dispatcher->loop().post(
      [dispatcher, reply = std::move(reply)]() mutable { dispatcher->take_one(std::move(reply)); });
}

void Hub::settle_feedback(FeedbackToken token, FeedbackSettlement how, Reply<Status> reply) {
  const size_t index = static_cast<size_t>(token[0]) << 8U | token[1];
  if (index >= state_->partitions.size()) {
    return reply(fail(ErrorCode::kDeviceMessageLockLost, "the lock on this feedback has ended"));
  }
  Partition& partition = *state_->partitions[index];
  partition.loop().dispatch([&partition, token, how, reply = std::move(reply)]() mutable {
    partition.feedback().settle(token, how, std::move(reply));
  });
}

}  // namespace linarite::hub
