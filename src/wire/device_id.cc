#include "wire/device_id.h"

#include <algorithm>
#include <array>

namespace linarite::wire {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-:.+%_#*?!(),=@;$'";

consteval std::array<bool, 256> make_allowed() {
  std::array<bool, 256> table{};
  for (const char c : kAlphabet) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr auto kAllowed = make_allowed();

}  // namespace

bool is_valid_device_id(std::string_view id) {
  return !id.empty() && id.size() <= kDeviceIdSizeMax &&
         std::ranges::all_of(id, [](char c) { return kAllowed[static_cast<unsigned char>(c)]; });
}

bool is_valid_identity(const Identity& identity) {
  return is_valid_device_id(identity.device_id) &&
         (!identity.is_module() || is_valid_device_id(identity.module_id));
}

std::string identity_text(const Identity& identity) {
  std::string text = identity.device_id;
  if (identity.is_module()) text += "/" + identity.module_id;
  return text;
}

}  // namespace linarite::wire
