// Whether the time that a refusal takes tells which credential was closer to being right, after
// dudect (Reparaz, Balasch, Verbauwhede: Dude, is my code constant time?, 2017).
//
//   sas_timing [--samples N]      (1000000 for each pair when left out)
//
// Each pair has two classes of credentials. Which class is next is drawn at random; the input is
// copied to the same place of memory before the clock starts. Welch's t over the times of the two
// classes says whether their means differ: above 4.5 they do. It is computed over all times and
// over those below some percentiles, as the slow ones (interrupts) hide small differences; the
// largest value counts. Last comes the control, a comparison that stops at the first byte that
// differs, which must be found.
#include <fmt/core.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/base64.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "base/random.h"
#include "hub/hub.h"
#include "store/memory/memory_store.h"
#include "wire/sas_token.h"

namespace linarite {
namespace {

constexpr double kThreshold = 4.5;
constexpr size_t kInputs = 16;      // Different credentials of each class: all in the cache.
constexpr size_t kDevices = 1'000;  // That the hub has.
constexpr size_t kWarmUp = 2'000;
constexpr std::array kPercentiles = {50.0, 75.0, 90.0, 95.0, 99.0, 100.0};

// ---- The statistic

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

struct Outcome {
  double t = 0;           // The largest, of all percentiles,
  double percentile = 0;  // and which it was.
  double difference = 0;  // Of the means of the lower half, in nanoseconds.
  double mean = 0;        // Of the lower half, of both classes.
};

using Times = std::array<std::vector<double>, 2>;

Outcome judge(const Times& times) {
  std::vector<double> all(times[0]);
  all.insert(all.end(), times[1].begin(), times[1].end());
  std::ranges::sort(all);
  Outcome out;
  for (const double percentile : kPercentiles) {
    const auto last = static_cast<size_t>(percentile / 100 * static_cast<double>(all.size() - 1));
    std::array<Sums, 2> sums;
    for (size_t i = 0; i < 2; ++i) {
      for (const double time : times[i]) {
        if (time <= all[last]) sums[i].add(time);
      }
    }
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

// ---- The measurement

struct Credential {
  std::string identity;  // A device id, or a policy.
  std::string secret;    // A token, or a key.
};
using Credentials = std::vector<Credential>;
using Check = std::function<bool(std::string_view identity, std::string_view secret)>;

struct Pair {
  const char* name;
  const char* first;
  const char* second;
  std::array<Credentials, 2> classes;
  Check check;
};

// The same place for every input, so that nothing but its bytes differs.
struct Place {
  std::array<char, 256> identity{};
  std::array<char, 1024> secret{};
};

Times measure(const Pair& pair, size_t samples, Random& random) {
  Times times;
  Place place;
  for (size_t i = 0; i < kWarmUp + samples; ++i) {
    const uint64_t drawn = random.number();
    const size_t which = drawn & 1U;
    const Credential& input = pair.classes[which][(drawn >> 8U) % kInputs];
    const std::string_view identity(place.identity.data(), input.identity.size());
    const std::string_view secret(place.secret.data(), input.secret.size());
    std::ranges::copy(input.identity, place.identity.begin());
    std::ranges::copy(input.secret, place.secret.begin());
    const auto begin = std::chrono::steady_clock::now();
    const bool taken = pair.check(identity, secret);
    const auto end = std::chrono::steady_clock::now();
    CHECK(!taken);
    if (i < kWarmUp) continue;
    times[which].push_back(static_cast<double>((end - begin).count()));
  }
  return times;
}

// ---- A hub with devices, and credentials that it refuses

class Subject {
 public:
  Subject() {
    hub_.open({loop_, [](const Status& status) { CHECK(status); }});
    loop_.run_until_idle();
    for (size_t i = 0; i < kDevices; ++i) {
      hub_.create_device({.device_id = id("known", i)},
                         {loop_, [](const Result<hub::DeviceView>& made) { CHECK(made); }});
      loop_.run_until_idle();
    }
  }

  // Of one length for one length of the word.
  static std::string id(std::string_view word, size_t number) {
    return fmt::format("device-{}-{:06}", word, number);
  }

  // A token with a signature that fits no key: of random bytes, or of the right ones but for one.
  enum class Wrong : uint8_t { kAll, kFirst, kLast };
  std::string token(const std::string& audience, const std::string& key, std::string_view policy,
                    Wrong wrong) {
    const auto made = wire::make_sas_token(
        {.audience = audience, .key = key, .policy = policy, .expiry = clock_.wall() + kLife});
    auto parsed = wire::parse_sas_token(*made);
    std::string& signature = parsed->signature;
    if (wrong == Wrong::kAll) signature = random_.bytes(signature.size());
    if (wrong == Wrong::kFirst) signature.front() = static_cast<char>(signature.front() ^ 0x55);
    if (wrong == Wrong::kLast) signature.back() = static_cast<char>(signature.back() ^ 0x55);
    // All of one length: '+', '/' and '=' are one character here and three in a token, and '%' may
    // stand for any byte.
    std::string escaped;
    for (const char c : base64_encode(signature)) {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    std::string out =
        fmt::format("SharedAccessSignature sr={}&sig={}&se={}", parsed->sr, escaped, parsed->se);
    if (!policy.empty()) out += fmt::format("&skn={}", policy);
    return out;
  }

  std::string key_of(const std::string& device_id) {
    return hub_.partition_of(device_id).get_device(device_id)->identity.primary_key;
  }
  std::string policy_key(const std::string& name) const {
    return hub_.policies()->find(name)->primary_key;
  }

  Credentials device_tokens(std::string_view word, Wrong wrong, std::string_view policy = {}) {
    Credentials all;
    for (size_t i = 0; i < kInputs; ++i) {
      std::string device_id = id(word, i);
      const std::string key = word == "known" ? key_of(device_id) : hub::generate_key(random_);
      std::string made = token("127.0.0.1/devices/" + device_id, key, policy, wrong);
      all.push_back({std::move(device_id), std::move(made)});
    }
    return all;
  }
  Credentials policy_tokens(const std::string& policy, const std::string& key, Wrong wrong) {
    Credentials all;
    for (size_t i = 0; i < kInputs; ++i) {
      all.push_back({policy, token("127.0.0.1", key, policy, wrong)});
    }
    return all;
  }
  Credentials raw_keys(const std::string& policy, const std::string& key, size_t wrong_at) {
    std::string wrong = key;
    wrong.at(wrong_at) = wrong.at(wrong_at) == 'A' ? 'B' : 'A';
    return Credentials(kInputs, Credential{policy, wrong});
  }

  Check device() {
    return [this](std::string_view device_id, std::string_view secret) {
      return hub_.partition_of(device_id).authenticate_device(device_id, secret).has_value();
    };
  }
  Check policy() {
    return [this](std::string_view, std::string_view secret) {
      return hub_.authenticate_policy(secret).has_value();
    };
  }
  Check raw_key() {
    return [this](std::string_view name, std::string_view key) {
      return hub_.policy_has_key(name, key);
    };
  }
  // The control: what the hub would be with memcmp().
  Check early_exit() {
    return [this](std::string_view device_id, std::string_view secret) {
      const auto parsed = wire::parse_sas_token(secret);
      const auto key = base64_decode(key_of(std::string(device_id)));
      const std::string text = parsed->sr + '\n' + parsed->se;
      std::array<unsigned char, EVP_MAX_MD_SIZE> expected{};
      unsigned size = 0;
      HMAC(EVP_sha256(), key->data(), static_cast<int>(key->size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), expected.data(),
           &size);
      for (size_t i = 0; i < size; ++i) {
        if (expected[i] != static_cast<unsigned char>(parsed->signature[i])) return false;
      }
      return true;
    };
  }

 private:
  static constexpr std::chrono::hours kLife{1};

  hub::HubOptions options_;
  ManualClock clock_{WallTime(std::chrono::days(20'000))};
  ManualLoop loop_{clock_};
  store::MemoryStore store_{4};
  SeededRandom random_{1};
  SeededRandom vault_random_{2};
  hub::KeyVault vault_ = hub::KeyVault::make(vault_random_);
  Logger log_ = Logger::none();
  prometheus::Registry metrics_;
  hub::Hub hub_{options_, hub::Hub::Parts{.store = store_,
                                          .loops = {&loop_},
                                          .random = random_,
                                          .log = log_,
                                          .metrics = metrics_,
                                          .vault = vault_}};
};

std::vector<Pair> pairs(Subject& s) {
  using enum Subject::Wrong;
  const std::string device_key = s.policy_key("device");
  const std::string service_key = s.policy_key("service");
  return {
      {"device",
       "unknown device",
       "known device",
       {s.device_tokens("other", kAll), s.device_tokens("known", kAll)},
       s.device()},
      {"device",
       "first byte wrong",
       "last byte wrong",
       {s.device_tokens("known", kFirst), s.device_tokens("known", kLast)},
       s.device()},
      {"device by policy",
       "unknown policy",
       "known policy",
       {s.device_tokens("known", kAll, "nobody"), s.device_tokens("known", kAll, "device")},
       s.device()},
      {"device by policy",
       "unknown device",
       "known device",
       {s.device_tokens("other", kAll, "device"), s.device_tokens("known", kAll, "device")},
       s.device()},
      {"policy",
       "unknown policy",
       "known policy",
       {s.policy_tokens("nobodys", service_key, kAll),
        s.policy_tokens("service", service_key, kAll)},
       s.policy()},
      {"policy",
       "first byte wrong",
       "last byte wrong",
       {s.policy_tokens("service", service_key, kFirst),
        s.policy_tokens("service", service_key, kLast)},
       s.policy()},
      {"raw key",
       "unknown policy",
       "known policy",
       {s.raw_keys("nobodys", service_key, 0), s.raw_keys("service", service_key, 0)},
       s.raw_key()},
      {"raw key",
       "first byte wrong",
       "last byte wrong",
       {s.raw_keys("service", service_key, 0), s.raw_keys("service", service_key, 42)},
       s.raw_key()},
  };
}

int run(size_t samples) {
  Subject subject;
  SystemRandom random;
  const auto one = [&](const Pair& pair) {
    const Outcome outcome = judge(measure(pair, samples, random));
    fmt::print("{:<17} {:<17} against {:<17} |t| {:7.2f} ({:3.0f}%)   {:+8.2f} ns of {:6.0f} ns\n",
               pair.name, pair.first, pair.second, outcome.t, outcome.percentile,
               outcome.difference, outcome.mean);
    std::fflush(stdout);
    return outcome.t;
  };
  int failed = 0;
  for (const Pair& pair : pairs(subject)) {
    if (one(pair) >= kThreshold) ++failed;
  }
  const Pair control = {"control",
                        "first byte wrong",
                        "last byte wrong",
                        {subject.device_tokens("known", Subject::Wrong::kFirst),
                         subject.device_tokens("known", Subject::Wrong::kLast)},
                        subject.early_exit()};
  if (one(control) < kThreshold) {
    fmt::print("the control was not found: the figures above prove nothing\n");
    ++failed;
  }
  fmt::print("{}\n", failed == 0 ? "no refusal tells more by its time" : "FAILED");
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace linarite

int main(int argc, char** argv) {
  size_t samples = 1'000'000;
  if (argc == 3 && std::string_view(argv[1]) == "--samples") {
    const std::string_view text = argv[2];
    std::from_chars(text.data(), text.data() + text.size(), samples);
  }
  return linarite::run(samples);
}
