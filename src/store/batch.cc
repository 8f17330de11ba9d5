#include "base/check.h"
#include "store/store.h"

namespace linarite::store {

void Batch::put(std::string_view key, std::string_view value) {
  CHECK(value.size() <= kValueSizeMax);
  add(Kind::kPut, key, value);
}

void Batch::erase(std::string_view key) { add(Kind::kErase, key, {}); }

void Batch::append(std::string_view key, std::string_view value) {
  CHECK(value.size() <= kValueSizeMax);
  add(Kind::kAppend, key, value);
}

void Batch::trim_log(std::string_view end) { add(Kind::kTrimLog, end, {}); }

void Batch::merge(const Batch& later) {
  const size_t offset = bytes_.size();
  bytes_.append(later.bytes_);
  for (Place place : later.operations_) {
    place.offset += offset;
    operations_.push_back(place);
  }
}

Batch::Operation Batch::operation(size_t index) const {
  CHECK(index < operations_.size());
  const Place& place = operations_[index];
  const std::string_view bytes(bytes_);
  return {.kind = place.kind,
          .key = bytes.substr(place.offset, place.key_size),
          .value = bytes.substr(place.offset + place.key_size, place.value_size)};
}

void Batch::add(Kind kind, std::string_view key, std::string_view value) {
  CHECK(key.size() <= kKeySizeMax);
  operations_.push_back({.kind = kind,
                         .key_size = static_cast<uint32_t>(key.size()),
                         .value_size = static_cast<uint32_t>(value.size()),
                         .offset = bytes_.size()});
  bytes_.append(key).append(value);
}

}  // namespace linarite::store
