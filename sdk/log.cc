#include "sdk/log.h"

#include <cstdio>
#include <utility>

namespace linarite::sdk {
namespace {

// Reasons may come from the peer: nothing of theirs may move a terminal's cursor.
std::string printable(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) c = ' ';
  }
  return text;
}

}  // namespace

Log::Log(log_sink sink, std::string who) : sink_(std::move(sink)), who_(std::move(who)) {}

void Log::write(log_level level, const std::string& what) const {
  if (!sink_ && level < log_level::warning) return;
  const std::string line = printable(who_ + ": " + what);
  if (sink_) {
    sink_(level, line);
  } else {
    std::fprintf(stderr, "linarite: %s\n", line.c_str());
  }
}

}  // namespace linarite::sdk
