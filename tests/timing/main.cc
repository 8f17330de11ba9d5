// Whether the time that a refusal takes tells which credential was closer to being right.
//
//   sas_timing [--samples N]      (1000000 for each pair when left out)
//
// How it is measured: timing/measurement.h. Two controls come last. Two classes of the same tokens
// must not be told apart, or the harness sees what is not there; a comparison that stops at the
// first byte that differs must be found, or it does not see what is.
#include <fmt/core.h>

#include <charconv>
#include <cstdio>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "timing/measurement.h"
#include "timing/subject.h"

namespace linarite::timing {
namespace {

using Where = Subject::Where;
using Who = Subject::Who;

std::vector<Pair> pairs(Subject& s) {
  return {
      {.name = "device",
       .first = "unknown device",
       .second = "known device",
       .classes = {s.device_tokens(Who::kUnknown), s.device_tokens(Who::kKnown)},
       .check = s.device()},
      {.name = "device",
       .first = "first byte wrong",
       .second = "last byte wrong",
       .classes = {s.almost_right_device_tokens(Where::kFirst),
                   s.almost_right_device_tokens(Where::kLast)},
       .check = s.device()},
      {.name = "device by policy",
       .first = "unknown policy",
       .second = "known policy",
       .classes = {s.device_tokens(Who::kKnown, "nobody"), s.device_tokens(Who::kKnown, "device")},
       .check = s.device()},
      {.name = "device by policy",
       .first = "unknown device",
       .second = "known device",
       .classes = {s.device_tokens(Who::kUnknown, "device"),
                   s.device_tokens(Who::kKnown, "device")},
       .check = s.device()},
      {.name = "policy",
       .first = "unknown policy",
       .second = "known policy",
       .classes = {s.policy_tokens("nobodys"), s.policy_tokens("service")},
       .check = s.policy()},
      {.name = "policy",
       .first = "first byte wrong",
       .second = "last byte wrong",
       .classes = {s.almost_right_policy_tokens("service", Where::kFirst),
                   s.almost_right_policy_tokens("service", Where::kLast)},
       .check = s.policy()},
      {.name = "raw key",
       .first = "unknown policy",
       .second = "known policy",
       .classes = {s.raw_keys("nobodys"), s.raw_keys("service")},
       .check = s.raw_key()},
      {.name = "raw key",
       .first = "first byte wrong",
       .second = "last byte wrong",
       .classes = {s.almost_right_raw_keys("service", Where::kFirst),
                   s.almost_right_raw_keys("service", Where::kLast)},
       .check = s.raw_key()},
  };
}

// Whether the two classes are told apart.
bool told_apart(const Pair& pair, size_t samples, Random& random) {
  const Outcome outcome = measure(pair, samples, random);
  fmt::print("{:<17} {:<17} against {:<17} |t| {:7.2f} ({:3.0f}%)   {:+8.2f} ns of {:6.0f} ns\n",
             pair.name, pair.first, pair.second, outcome.t, outcome.percentile, outcome.difference,
             outcome.mean);
  std::fflush(stdout);
  return outcome.t >= kThreshold;
}

int run(size_t samples) {
  Subject s;
  SystemRandom random;
  int failed = 0;
  for (const Pair& pair : pairs(s)) failed += told_apart(pair, samples, random) ? 1 : 0;
  const Pair same = {.name = "control",
                     .first = "known device",
                     .second = "known device",
                     .classes = {s.device_tokens(Who::kKnown), s.device_tokens(Who::kKnown)},
                     .check = s.device()};
  if (told_apart(same, samples, random)) {
    fmt::print("the same was told apart: the figures above prove nothing\n");
    ++failed;
  }
  const Pair early = {.name = "control",
                      .first = "first byte wrong",
                      .second = "last byte wrong",
                      .classes = {s.almost_right_device_tokens(Where::kFirst),
                                  s.almost_right_device_tokens(Where::kLast)},
                      .check = s.early_exit()};
  if (!told_apart(early, samples, random)) {
    fmt::print("the control was not found: the figures above prove nothing\n");
    ++failed;
  }
  fmt::print("{}\n", failed == 0 ? "no refusal tells more by its time" : "FAILED");
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace linarite::timing

int main(int argc, char** argv) {
  size_t samples = 1'000'000;
  if (argc == 3 && std::string_view(argv[1]) == "--samples") {
    const std::string_view text = argv[2];
    std::from_chars(text.data(), text.data() + text.size(), samples);
  }
  linarite::timing::stay_on_this_processor();
  return linarite::timing::run(samples);
}
