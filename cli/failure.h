// Why a command failed: one line for standard error, and the exit code.
#pragma once

#include <linarite/error.h>

#include <expected>
#include <string>
#include <utility>

#include "base/error.h"

namespace linarite::cli {

inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

struct Failure {
  std::string message;
  int exit_code = kExitFailed;

  Failure(std::string text, int code = kExitFailed) : message(std::move(text)), exit_code(code) {}
  // NOLINTNEXTLINE(google-explicit-constructor): every Error of the libraries may end a command.
  Failure(Error error) : message(std::move(error.message)) {}
  // "DeviceNotFound: text (404001, tracking id t)": of a hub's refusal its name, number and
  // tracking id, as far as they are known. On one line.
  // NOLINTNEXTLINE(google-explicit-constructor): as above.
  Failure(const linarite::error& why);
};

template <class T>
using Outcome = std::expected<T, Failure>;

inline std::unexpected<Failure> failed(std::string message) {
  return std::unexpected(Failure(std::move(message)));
}
// The command line itself does not make sense.
inline std::unexpected<Failure> misused(std::string message) {
  return std::unexpected(Failure(std::move(message), kExitUsage));
}

}  // namespace linarite::cli
