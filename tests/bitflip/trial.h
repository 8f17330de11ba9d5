// One trial: a copy of an image is damaged at one place, opened, and if it is refused, salvaged.
#pragma once

#include <cstdint>
#include <string>

#include "bitflip/image.h"

namespace linarite::bitflip {

struct Trial {
  std::string what;     // "bit 3 of byte 511 of rocksdb/000012.log of the cut image"
  std::string file;     // The kind: "log", "table", "manifest", ...
  std::string outcome;  // One of a few words.
  std::string broken;   // Not empty: the promise that was broken, and how.
};

// In `folder`, which is emptied. The same seed does the same to the same images.
Trial run_trial(const std::vector<Image>& images, const std::string& folder, uint64_t seed);

}  // namespace linarite::bitflip
