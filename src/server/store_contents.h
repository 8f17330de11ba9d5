// What the hub has in a closed store: read whole, counted, and checked as the hub checks it when it
// opens (hub/partition.cc, hub/event_log.cc).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "hub/key_vault.h"
#include "store/embedded/closed_store.h"

namespace linarite::server {

// A part of a partition's event log, [first, next).
struct EventRange {
  store::PartitionId partition = 0;
  uint64_t first = 0;
  uint64_t next = 0;
};

struct StoreContents {
  uint64_t identities = 0;
  uint64_t disabled = 0;  // Of the identities.
  uint64_t messages = 0;  // Queued for devices.
  uint64_t feedback = 0;
  uint64_t sessions = 0;
  uint64_t policies = 0;
  uint64_t events = 0;
  uint64_t unopened = 0;  // Identities and policies whose master key is not in the vault.
  std::vector<EventRange> event_ranges;  // What is kept, by partition; gaps of a salvage between.
  std::vector<std::string> problems;     // What the hub would refuse; empty: nothing.
};

// kIoError; damage is no error but a problem. Keys that are not in the vault are counted only.
Result<StoreContents> read_contents(store::ClosedStore& store, const hub::KeyVault& vault);

}  // namespace linarite::server
