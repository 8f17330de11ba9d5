#include "cli/failure.h"

#include <algorithm>

#include "cli/output.h"
#include "wire/error_table.h"

namespace linarite::cli {
namespace {

constexpr size_t kHubTextMax = 2048;
constexpr int kHubNumberMin = 400000;

std::string text_of(const linarite::error& why) {
  const int number = why.code().value();
  std::string text = one_line(why.message()).substr(0, kHubTextMax);
  std::string details;
  if (number >= kHubNumberMin) {
    const auto rows = wire::error_rows();
    const auto row = std::ranges::find(rows, number, &wire::ErrorRow::number);
    if (row != rows.end()) text = std::string(row->name) + ": " + text;
    // A whole thousand without a name is no number of the hub's, but an HTTP status.
    if (row != rows.end() || number % 1000 != 0) details = std::to_string(number);
  }
  if (const std::string id = one_line(why.tracking_id()); !id.empty()) {
    details += (details.empty() ? "tracking id " : ", tracking id ") + id.substr(0, kHubTextMax);
  }
  return details.empty() ? text : text + " (" + details + ")";
}

}  // namespace

Failure::Failure(const linarite::error& why) : message(text_of(why)) {}

}  // namespace linarite::cli
