// What az has no words for: the program and the hub on this machine.
#include <unistd.h>

#include <boost/json/object.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cli/command.h"
#include "cli/time_span.h"
#include "cli/trust_files.h"
#include "cli/version.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

constexpr int kExitNotExecutable = 126;  // As shells have it.
constexpr int kExitNotFound = 127;

Outcome<TrustFiles> trust_files(const Session& session) {
  const auto directory = data_directory(session.arguments());
  if (!directory) return std::unexpected(directory.error());
  return write_trust_files(*directory);
}

Outcome<std::string> configuration(Session& session) {
  if (!session.hooks().configuration) return failed("this program has no server to configure");
  auto text = session.hooks().configuration(session.arguments().config_file.value_or(""));
  if (!text) return std::unexpected(text.error());
  return *std::move(text);
}

}  // namespace

Outcome<json::value> check_configuration(Session& session) {
  const auto text = configuration(session);
  if (!text) return std::unexpected(text.error());
  Session::tell("the configuration is valid");
  return nullptr;
}

Outcome<json::value> print_configuration(Session& session) {
  const auto text = configuration(session);
  if (!text) return std::unexpected(text.error());
  std::fwrite(text->data(), 1, text->size(), stdout);
  return nullptr;
}

Outcome<json::value> show_health(Session& session) {
  const auto hub = session.local();
  if (!hub) return std::unexpected(hub.error());
  const auto health = (*hub)->health();
  if (!health) return std::unexpected(health.error());
  if (health->healthy) return health->details;
  const std::string text = format_result(health->details, session.arguments().output);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return failed("the hub is not well: it does not take every request");
}

Outcome<json::value> show_version(Session&) {
  return json::object{{"linarite", json::string_view(kVersion.data(), kVersion.size())}};
}

Outcome<json::value> print_trust(Session& session) {
  const auto files = trust_files(session);
  if (!files) return std::unexpected(files.error());
  const std::string text = trust_text(*files);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return nullptr;
}

Outcome<json::value> run_program(Session& session) {
  const std::vector<std::string>& program = session.arguments().program;
  if (program.empty()) return misused("a command is missing: linarite run -- COMMAND");
  const auto files = trust_files(session);
  if (!files) return std::unexpected(files.error());
  const char* const java = std::getenv("JAVA_TOOL_OPTIONS");
  for (const auto& [name, value] : trust_environment(*files, java == nullptr ? "" : java)) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  std::vector<char*> words;
  words.reserve(program.size() + 1);
  for (const std::string& word : program) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  std::fflush(nullptr);
  ::execvp(words[0], words.data());
  const int reason = errno;
  return std::unexpected(Failure("cannot run " + program[0] + ": " + std::strerror(reason),
                                 reason == ENOENT ? kExitNotFound : kExitNotExecutable));
}

Outcome<json::value> advance_clock(Session& session) {
  const auto by = parse_time_span(*session.arguments().by);
  if (!by) {
    return misused("'" + *session.arguments().by +
                   "' is no span of time of at most 366 days; write it as 90s, 61m, 2h or 1d");
  }
  const auto hub = session.local();
  if (!hub) return std::unexpected(hub.error());
  if (auto moved = (*hub)->advance_clock(*by); !moved) return std::unexpected(moved.error());
  return json::object{{"advancedBySeconds", by->count()}};
}

}  // namespace linarite::cli
