#include "sdk/backoff.h"

#include <algorithm>

namespace linarite::sdk {
namespace {

constexpr std::chrono::seconds kRenewalPauseMin{30};

}  // namespace

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

std::string retry_text(const error& why, Duration pause) {
  const auto pause_ms = std::chrono::duration_cast<std::chrono::milliseconds>(pause).count();
  return why.message() + "; next try in " + std::to_string(pause_ms) + " ms";
}

Duration pause_before_renewal(Duration left, Duration margin) {
  return std::max<Duration>(left > 2 * margin ? left - margin : left / 2, kRenewalPauseMin);
}

}  // namespace linarite::sdk
