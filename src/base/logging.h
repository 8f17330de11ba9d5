// Structured log lines on standard error, as logfmt or JSON. A line is a level, a fixed English
// message and named values. Values are escaped: no control character leaves the process. Never log
// a token, a key, a connection string or a message body.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace spdlog {
class logger;
}

namespace linarite {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kLogfmt, kJson };

struct LogField {
  std::string_view name;  // lower_case, fixed text
  std::string value;
};

// Any thread. Passed by reference from the wiring; there is no global logger.
class Logger {
 public:
  // Writes lines of at least `level` to standard error.
  Logger(LogLevel level, LogFormat format);
  // Writes nothing; for tests.
  static Logger none();
  ~Logger();
  Logger(Logger&&) noexcept;

  bool enabled(LogLevel level) const { return static_cast<int>(level) >= level_; }
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

  void debug(std::string_view m, std::initializer_list<LogField> f = {}) {
    write(LogLevel::kDebug, m, f);
  }
  void info(std::string_view m, std::initializer_list<LogField> f = {}) {
    write(LogLevel::kInfo, m, f);
  }
  void warning(std::string_view m, std::initializer_list<LogField> f = {}) {
    write(LogLevel::kWarning, m, f);
  }
  void error(std::string_view m, std::initializer_list<LogField> f = {}) {
    write(LogLevel::kError, m, f);
  }

 private:
  Logger();
  std::shared_ptr<spdlog::logger> sink_;
  int level_;
  LogFormat format_ = LogFormat::kLogfmt;
};

// One log line without its time and line end, as logfmt (`level=info msg="text" name=value`) or as
// one JSON object. Seen here for its test.
std::string format_log_line(LogFormat format, LogLevel level, std::string_view message,
                            std::initializer_list<LogField> fields);

}  // namespace linarite
