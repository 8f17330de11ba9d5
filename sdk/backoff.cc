#include "sdk/backoff.h"

#include <algorithm>

namespace linarite::sdk {

Duration pause_before_retry(const reconnect_options& options, unsigned failures, Random& random) {
  constexpr unsigned kDoublingsMax = 30;
  constexpr uint64_t kSteps = 1'000'000;
  const Duration maximum = std::max<Duration>(options.maximum, Duration(0));
  Duration pause = std::clamp<Duration>(options.initial, Duration(0), maximum);
  for (unsigned i = 1; i < std::min(failures, kDoublingsMax) && pause < maximum; ++i) pause *= 2;
  pause = std::min(pause, maximum);
  const double share = static_cast<double>(random.below(kSteps)) / kSteps;
  const double kept = 1.0 - std::clamp(options.jitter, 0.0, 1.0) * share;
  return Duration(static_cast<Duration::rep>(static_cast<double>(pause.count()) * kept));
}

}  // namespace linarite::sdk
