#include "timing/measurement.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/check.h"

namespace linarite::timing {
namespace {

constexpr size_t kWarmUp = 2'000;
constexpr size_t kIdentityMax = 64;
constexpr size_t kSecretMax = 512;
constexpr std::array kPercentiles = {50.0, 75.0, 90.0, 95.0, 99.0, 100.0};

struct Sums {
  double count = 0;
  double mean = 0;
  double squares = 0;  // Of the distances from the mean (Welford).
  void add(double value) {
    count += 1;
    const double distance = value - mean;
    mean += distance / count;
    squares += distance * (value - mean);
  }
  double variance() const { return squares / (count - 1); }
};

struct Sample {
  double time;  // In nanoseconds.
  bool second;  // Of the second class.
};

// The fastest first, the first `count` of them.
std::array<Sums, 2> sums_of(const std::vector<Sample>& sorted, size_t count) {
  std::array<Sums, 2> sums;
  for (size_t i = 0; i < count; ++i) sums[sorted[i].second ? 1 : 0].add(sorted[i].time);
  return sums;
}

Outcome judge(std::vector<Sample> samples) {
  std::ranges::sort(samples, {}, &Sample::time);
  Outcome out;
  for (const double percentile : kPercentiles) {
    const double limit =
        samples[static_cast<size_t>(percentile / 100 * static_cast<double>(samples.size() - 1))]
            .time;
    // All of one time are on one side of the limit: their order says nothing.
    const auto end = std::ranges::upper_bound(samples, limit, {}, &Sample::time);
    const auto sums = sums_of(samples, static_cast<size_t>(end - samples.begin()));
    const double error =
        std::sqrt(sums[0].variance() / sums[0].count + sums[1].variance() / sums[1].count);
    const double t = std::abs(sums[0].mean - sums[1].mean) / error;
    if (percentile == kPercentiles.front()) {
      out.difference = sums[0].mean - sums[1].mean;
      out.mean = (sums[0].mean + sums[1].mean) / 2;
    }
    if (t > out.t) out.percentile = percentile;
    out.t = std::max(out.t, t);
  }
  return out;
}

// Either input, by a mask.
template <size_t size>
std::string_view select(std::array<char, size>& place, const std::string& first,
                        const std::string& second, bool take_second) {
  CHECK(first.size() == second.size() && first.size() <= size);
  const unsigned mask = 0U - static_cast<unsigned>(take_second);
  for (size_t i = 0; i < first.size(); ++i) {
    const auto a = static_cast<unsigned char>(first[i]);
    const auto b = static_cast<unsigned char>(second[i]);
    place[i] = static_cast<char>(a ^ ((a ^ b) & mask));
  }
  return {place.data(), first.size()};
}

}  // namespace

void stay_on_this_processor() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
  CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
}

Outcome measure(const Pair& pair, size_t samples, Random& random) {
  std::vector<Sample> all;
  all.reserve(samples);
  std::array<char, kIdentityMax> identity_place{};
  std::array<char, kSecretMax> secret_place{};
  for (size_t i = 0; i < kWarmUp + samples; ++i) {
    const Credential first = pair.classes[0](random);
    const Credential second = pair.classes[1](random);
    const bool which = (random.number() & 1U) != 0;
    const auto identity = select(identity_place, first.identity, second.identity, which);
    const auto secret = select(secret_place, first.secret, second.secret, which);
    const auto begin = std::chrono::steady_clock::now();
    const bool taken = pair.check(identity, secret);
    const auto end = std::chrono::steady_clock::now();
    CHECK(!taken);
    if (i >= kWarmUp) all.push_back({static_cast<double>((end - begin).count()), which});
  }
  return judge(std::move(all));
}

}  // namespace linarite::timing
