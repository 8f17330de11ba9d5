#include "store/embedded/format.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <optional>

#include "base/check.h"
#include "base/text.h"

namespace linarite::store {
namespace {

constexpr uint16_t kOwnPrefix = 0xFFFF;
static_assert(kPartitionCountMax <= kOwnPrefix);

constexpr std::string_view kFormatName = "linarite-store";
constexpr std::string_view kHighWaterName = "linarite-high-water";
constexpr std::string_view kManifestLabel = "manifest=";
constexpr std::string_view kChecksumLabel = " checksum=";
constexpr size_t kChecksumDigits = 16;

std::string checksum_digits(ByteView line) {
  return fmt::format("{:016x}", static_cast<uint64_t>(XXH3_64bits(line.data(), line.size())));
}

Bytes sealed_line(std::string_view line) {
  return fmt::format("{}{}{}\n", line, kChecksumLabel, checksum_digits(line));
}

// The words of a sealed line after its name; nothing if the line is damaged or has another name.
std::optional<std::vector<std::string_view>> sealed_words(ByteView text, std::string_view name) {
  const size_t tail = kChecksumLabel.size() + kChecksumDigits + 1;
  if (text.size() > kOwnFileSizeMax || text.size() < tail) return std::nullopt;
  const ByteView line = text.substr(0, text.size() - tail);
  if (text != sealed_line(line)) return std::nullopt;
  std::vector<std::string_view> words;
  for (size_t at = 0; at <= line.size();) {
    const size_t space = std::min(line.find(' ', at), line.size());
    words.push_back(line.substr(at, space - at));
    at = space + 1;
  }
  if (words.front() != name) return std::nullopt;
  words.erase(words.begin());
  return words;
}

template <class T>
std::optional<T> number_after(std::string_view word, std::string_view label) {
  if (!word.starts_with(label)) return std::nullopt;
  return whole_number<T>(word.substr(label.size()));
}

}  // namespace

Bytes partition_prefix(PartitionId partition) {
  CHECK(partition <= kPartitionCountMax);  // The prefix after the last partition ends its range.
  Bytes out;
  ByteWriter(out).number(static_cast<uint16_t>(partition));
  return out;
}

Bytes sequence_key(PartitionId partition) {
  CHECK(partition < kPartitionCountMax);
  Bytes out;
  ByteWriter writer(out);
  writer.number(kOwnPrefix);
  writer.number(static_cast<uint16_t>(partition));
  return out;
}

Bytes seal_of(PartitionId partition, ByteView key, ByteView value) {
  const uint64_t place = XXH3_64bits_withSeed(key.data(), key.size(), partition);
  Bytes out;
  ByteWriter(out).number(uint64_t{XXH3_64bits_withSeed(value.data(), value.size(), place)});
  return out;
}

Result<ByteView> unseal(PartitionId partition, ByteView key, ByteView stored) {
  if (stored.size() >= kSealSize) {
    const ByteView value = stored.substr(kSealSize);
    if (stored.substr(0, kSealSize) == seal_of(partition, key, value)) return value;
  }
  return fail(ErrorCode::kStoreCorrupt,
              fmt::format("the record with key {} of partition {} fails its checksum",
                          hex_text(key), partition));
}

Bytes format_text(const Format& format) {
  return sealed_line(fmt::format("{} format={} partitions={}", kFormatName, format.version,
                                 format.partition_count));
}

Result<Format> parse_format(ByteView text) {
  const auto damaged = fail(ErrorCode::kStoreCorrupt, "the file format is damaged");
  const auto words = sealed_words(text, kFormatName);
  if (!words || words->empty()) return damaged;
  const auto version = number_after<uint32_t>(words->at(0), "format=");
  if (!version) return damaged;
  if (*version > kFormatVersion || *version < kFormatVersionWithoutLogs) {
    return fail(
        ErrorCode::kStoreFormat,
        fmt::format("it has format {} and this program reads formats {} to {} only. Use the "
                    "version of Linarite that wrote it, or a newer one",
                    *version, kFormatVersionWithoutLogs, kFormatVersion));
  }
  if (words->size() != 2) return damaged;
  const auto count = number_after<uint32_t>(words->at(1), "partitions=");
  if (!count || *count == 0 || *count > kPartitionCountMax) return damaged;
  return Format{.version = *version, .partition_count = *count};
}

Bytes high_water_text(const HighWater& mark, std::optional<ManifestMark> manifest) {
  std::string line(kHighWaterName);
  for (const uint64_t sequence : mark) line += fmt::format(" {}", sequence);
  if (manifest) line += fmt::format(" {}{}:{}", kManifestLabel, manifest->number, manifest->size);
  return sealed_line(line);
}

Result<HighWater> parse_high_water(ByteView text) {
  const auto damaged = fail(ErrorCode::kStoreCorrupt, "the file high_water is damaged");
  auto words = sealed_words(text, kHighWaterName);
  if (words && !words->empty() && words->back().starts_with(kManifestLabel)) words->pop_back();
  if (!words || words->empty() || words->size() > kPartitionCountMax) return damaged;
  HighWater mark;
  for (const std::string_view word : *words) {
    const auto sequence = whole_number<uint64_t>(word);
    if (!sequence) return damaged;
    mark.push_back(*sequence);
  }
  return mark;
}

std::optional<ManifestMark> parse_manifest_mark(ByteView text) {
  const auto words = sealed_words(text, kHighWaterName);
  if (!words || words->empty() || !words->back().starts_with(kManifestLabel)) return std::nullopt;
  const std::string_view word = words->back().substr(kManifestLabel.size());
  const size_t colon = std::min(word.find(':'), word.size());
  const auto number = whole_number<uint64_t>(word.substr(0, colon));
  const auto size = whole_number<uint64_t>(word.substr(std::min(colon + 1, word.size())));
  if (!number || !size) return std::nullopt;
  return ManifestMark{.number = *number, .size = *size};
}

}  // namespace linarite::store
