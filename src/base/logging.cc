#include "base/logging.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <limits>

namespace linarite {
namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error"};

std::string_view level_name(LogLevel level) { return kLevelNames[static_cast<size_t>(level)]; }

// Inside double quotes, in both formats: what JSON needs, and DEL and C1-free ASCII besides.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7F || c == '"' || c == '=' || c == '\\') return true;
  }
  return false;
}

}  // namespace

std::string format_log_line(LogFormat format, LogLevel level, std::string_view message,
                            std::initializer_list<LogField> fields) {
  std::string out;
  if (format == LogFormat::kJson) {
    out = fmt::format("\"level\":\"{}\",\"msg\":", level_name(level));
    append_quoted(out, message);
    for (const LogField& field : fields) {
      out += fmt::format(",\"{}\":", field.name);
      append_quoted(out, field.value);
    }
    return out;
  }
  out = fmt::format("level={} msg=", level_name(level));
  append_quoted(out, message);
  for (const LogField& field : fields) {
    out += fmt::format(" {}=", field.name);
    if (needs_quotes(field.value)) {
      append_quoted(out, field.value);
    } else {
      out += field.value;
    }
  }
  return out;
}

Logger::Logger(LogLevel level, LogFormat format)
    : sink_(std::make_shared<spdlog::logger>("linarite",
                                             std::make_shared<spdlog::sinks::stderr_sink_mt>())),
      level_(static_cast<int>(level)),
      format_(format) {
  sink_->set_level(spdlog::level::trace);
  sink_->flush_on(spdlog::level::trace);
  sink_->set_pattern(format == LogFormat::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v})"
                                                : "time=%Y-%m-%dT%H:%M:%S.%eZ %v",
                     spdlog::pattern_time_type::utc);
}

Logger::Logger() : level_(std::numeric_limits<int>::max()) {}
Logger Logger::none() { return {}; }
Logger::~Logger() = default;
Logger::Logger(Logger&&) noexcept = default;

void Logger::write(LogLevel level, std::string_view message,
                   std::initializer_list<LogField> fields) {
  if (!enabled(level)) return;
  sink_->log(spdlog::level::info, format_log_line(format_, level, message, fields));
}

}  // namespace linarite
