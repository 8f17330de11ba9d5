// This program's own operator new: counts what is allocated by all threads, RocksDB's among them,
// and fails one allocation as shared().failing_allocation says.
#pragma once

namespace linarite::iofail {

// From now on, in this process.
void watch_allocations(bool on);

}  // namespace linarite::iofail
