#include "hub/keyring.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

namespace linarite::hub {
namespace {

constexpr store::PartitionId kKeyringPartition = 0;

Bytes keyring_key() { return Bytes(1, kKeyringKey); }

// One run of seal_again(); kept alive by the task or the commit that it waits for.
class Sealing : public std::enable_shared_from_this<Sealing> {
 public:
  using Done = std::move_only_function<void(Result<SealedAgain>)>;
  Sealing(store::Store& store, std::vector<Loop*> loops, const KeyVault& vault, Done done)
      : store_(store), loops_(std::move(loops)), vault_(vault), done_(std::move(done)) {}

  void begin() {
    note(/*complete=*/false, [self = shared_from_this()] { self->enter_partition(); });
  }

 private:
  void finish(Result<SealedAgain> result) {
    loops_[kKeyringPartition]->post(
        [self = shared_from_this(), result = std::move(result)]() mutable {
          self->done_(std::move(result));
        });
  }
  void note(bool complete, Task then);
  void commit(store::PartitionId partition, store::Batch batch, Task then);
  void enter_partition();
  void next_batch();
  Result<store::Batch> collect();
  void leave_records();

  store::Store& store_;
  const std::vector<Loop*> loops_;
  const KeyVault& vault_;
  Done done_;
  store::PartitionId partition_ = 0;
  char kind_ = kDeviceKey;
  Bytes next_;  // Of the kind's keys those from here on are still to be looked at.
  SealedAgain result_;
};

void Sealing::commit(store::PartitionId partition, store::Batch batch, Task then) {
  store_.commit(partition, std::move(batch),
                [self = shared_from_this(), then = std::move(then)](Status status) mutable {
                  if (!status) return self->finish(std::unexpected(status.error()));
                  then();
                });
}

void Sealing::note(bool complete, Task then) {
  loops_[kKeyringPartition]->post(
      [self = shared_from_this(), complete, then = std::move(then)]() mutable {
        store::Batch batch;
        batch.put(keyring_key(), encode_keyring(keyring_of(self->vault_, complete)));
        self->commit(kKeyringPartition, std::move(batch), std::move(then));
      });
}

void Sealing::enter_partition() {
  if (partition_ == loops_.size()) return leave_records();
  kind_ = kDeviceKey;
  next_ = Bytes(1, kind_);
  loops_[partition_]->post([self = shared_from_this()] { self->next_batch(); });
}

// One batch after the other; then the policies, then the next partition.
void Sealing::next_batch() {
  auto batch = collect();
  if (!batch) return finish(std::unexpected(batch.error()));
  if (!batch->empty()) {
    result_.records += batch->size();
    return commit(partition_, *std::move(batch),
                  [self = shared_from_this()] { self->next_batch(); });
  }
  if (kind_ == kDeviceKey) {
    kind_ = kPolicyKey;
    next_ = Bytes(1, kind_);
    return next_batch();
  }
  ++partition_;
  enter_partition();
}

// The next records of the kind that are to be written; empty: there are no more.
Result<store::Batch> Sealing::collect() {
  store::Batch batch;
  Status failure;
  const Bytes end(1, static_cast<char>(kind_ + 1));
  const Bytes begin = std::exchange(next_, end);
  const Status scanned =
      store_.scan(partition_, begin, end, [&](std::string_view key, std::string_view value) {
        const auto again = sealed_again(kind_, value, vault_);
        if (!again) {
          failure = std::unexpected(again.error());
          return false;
        }
        if (*again) batch.put(key, **again);
        if (batch.byte_count() < kSealBatchBytes) return true;
        next_ = Bytes(key) + '\0';
        return false;
      });
  if (!failure) return std::unexpected(failure.error());
  if (!scanned) return std::unexpected(scanned.error());
  return batch;
}

// Without room for it the keyring stays incomplete, and the next opening tries again.
void Sealing::leave_records() {
  const Status forgotten = store_.forget_replaced();
  if (!forgotten && forgotten.error().code == ErrorCode::kServiceUnavailable) {
    result_.forgotten = false;
    return finish(result_);
  }
  if (!forgotten) return finish(std::unexpected(forgotten.error()));
  note(/*complete=*/true, [self = shared_from_this()] { self->finish(self->result_); });
}

}  // namespace

Result<std::optional<Keyring>> read_keyring(store::Store& store) {
  const auto value = store.get(kKeyringPartition, keyring_key());
  if (!value) return std::unexpected(value.error());
  if (!*value) return std::nullopt;
  auto keyring = decode_keyring(**value);
  if (!keyring) return std::unexpected(keyring.error());
  return *std::move(keyring);
}

Status check_keyring(const std::optional<Keyring>& keyring, const KeyVault& vault) {
  if (!keyring) return {};
  if (keyring->hub_id != vault.hub_id()) {
    return fail(ErrorCode::kMasterKeyUnusable, "the master keys are those of another hub");
  }
  if (vault.has_key(keyring->key)) return {};
  return fail(ErrorCode::kMasterKeyUnusable,
              fmt::format("the store is sealed with the master key {}, which is not among the "
                          "master keys: they are of another time than the store",
                          master_key_name(keyring->key)));
}

Keyring keyring_of(const KeyVault& vault, bool complete) {
  return {.hub_id = vault.hub_id(), .key = vault.current_key(), .complete = complete};
}

void seal_again(store::Store& store, std::vector<Loop*> loops, const KeyVault& vault,
                std::move_only_function<void(Result<SealedAgain>)> done) {
  std::make_shared<Sealing>(store, std::move(loops), vault, std::move(done))->begin();
}

}  // namespace linarite::hub
