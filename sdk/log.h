// Where a client's log lines go.
#pragma once

#include <linarite/options.h>
#include <string>

namespace linarite::sdk {

// The application's sink, or, without one, warnings and errors on standard error.
class Log {
 public:
  // `who` begins each line.
  Log(log_sink sink, std::string who);
  void write(log_level level, const std::string& what) const;

 private:
  const log_sink sink_;
  const std::string who_;
};

}  // namespace linarite::sdk
