#include "wire/user_name.h"

#include <algorithm>

#include "base/text.h"
#include "wire/percent.h"

namespace linarite::wire {
namespace {

std::unexpected<Error> refuse(std::string message) {
  return fail(ErrorCode::kIotHubUnauthorizedAccess, std::move(message));
}

std::optional<Identity> parse_client_id(std::string_view client_id) {
  const size_t slash = client_id.find('/');
  Identity identity;
  identity.device_id = client_id.substr(0, slash);
  if (slash != std::string_view::npos) {
    identity.module_id = client_id.substr(slash + 1);
    if (identity.module_id.empty()) return std::nullopt;
  }
  if (!is_valid_identity(identity)) return std::nullopt;
  return identity;
}

// A parameter string, and not the rest of a longer identity: `?…`, or `key=…` with no '/' in the
// key.
bool is_parameters(std::string_view text) {
  if (text.empty() || text.starts_with('?')) return true;
  const size_t equals = text.find('=');
  return equals != std::string_view::npos && text.find('/') > equals;
}

std::optional<std::string>* parameter_field(UserName& out, std::string_view key) {
  if (key == "api-version") return &out.api_version;
  if (key == "DeviceClientType") return &out.device_client_type;
  if (key == "model-id") return &out.model_id;
  return nullptr;
}

// False when a value is not UTF-8.
bool read_parameters(std::string_view text, UserName& out) {
  while (!text.empty()) {
    size_t end = std::min(text.find('&'), text.size());
    const size_t equals = std::min(text.find('='), end);
    const std::string_view key = text.substr(0, equals);
    // An old .NET client separates by '/' behind the version, which never holds one itself.
    if (key == "api-version") end = std::min(text.find('/', equals), end);
    const std::string_view value = text.substr(equals, end - equals);
    text.remove_prefix(std::min(end + 1, text.size()));

    auto* field = parameter_field(out, key);
    if (field == nullptr || field->has_value() || value.empty()) continue;
    *field = percent_decoded(value.substr(1));
    if (!is_utf8(**field)) return false;
  }
  return true;
}

}  // namespace

Result<UserName> parse_user_name(std::string_view user_name, std::string_view client_id) {
  if (user_name.size() > kUserNameSizeMax) return refuse("the user name is too long");
  auto identity = parse_client_id(client_id);
  if (!identity) return refuse("the client id names no device or module");

  const size_t slash = user_name.find('/');
  if (slash == 0 || slash == std::string_view::npos) return refuse("the user name has no host");
  UserName out;
  out.identity = *std::move(identity);
  out.host = user_name.substr(0, slash);
  if (!is_utf8(out.host)) return refuse("the user name is not UTF-8");

  // The known client id decides where the identity ends, because ids may hold '=' and '?'.
  std::string_view rest = user_name.substr(slash + 1);
  if (!rest.starts_with(client_id)) return refuse("the user name does not match the client id");
  rest.remove_prefix(client_id.size());
  if (rest.empty()) return out;
  if (rest.front() != '/' || !is_parameters(rest.substr(1))) {
    return refuse("the user name does not match the client id");
  }
  rest.remove_prefix(1);
  if (rest.starts_with('?')) rest.remove_prefix(1);
  if (!read_parameters(rest, out)) return refuse("the user name is not UTF-8");
  return out;
}

}  // namespace linarite::wire
