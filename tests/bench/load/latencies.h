// Durations of single operations, and their quantiles.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "load/report.h"

namespace linarite::load {

class Latencies {
 public:
  void add(Duration duration) { us_.push_back(static_cast<uint32_t>(duration.count())); }
  void clear() { us_.clear(); }
  // Adds NAME_p50_us, NAME_p99_us and NAME_max_us.
  void add_to(Report& report, std::string_view name);

 private:
  uint32_t quantile(double q);

  std::vector<uint32_t> us_;
};

}  // namespace linarite::load
