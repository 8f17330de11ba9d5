// What the store reads from a disk before RocksDB does: any bytes give an answer, and the same one
// twice.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "store/embedded/format.h"
#include "store/embedded/log_inspection.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  using namespace linarite;
  using namespace linarite::store;
  const ByteView bytes(reinterpret_cast<const char*>(input), size);

  if (const auto format = parse_format(bytes)) CHECK(parse_format(format_text(*format)) == *format);
  if (const auto mark = parse_high_water(bytes))
    CHECK(parse_high_water(high_water_text(*mark)) == *mark);
  if (const auto value = unseal(1, "key", bytes)) {
    CHECK(seal_of(1, "key", *value) == bytes.substr(0, kSealSize));
  }

  LogInspector inspector;
  for (size_t at = 0; at < bytes.size(); at += kLogBlockSize) {
    inspector.feed(bytes.substr(at, kLogBlockSize));
  }
  if (inspector.state() != LogState::kSound) CHECK(inspector.damage_offset() <= bytes.size());
  return 0;
}
