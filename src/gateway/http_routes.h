// The one table of the REST API: method, path, right, size of the body, operation.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "gateway/http_call.h"
#include "hub/permission.h"

namespace linarite::gateway {

inline constexpr size_t kIdentityBodyMax = size_t{256} << 10U;
// Operations without a body take one of up to this size and ignore it.
inline constexpr size_t kIgnoredBodyMax = size_t{64} << 10U;

struct HttpRoute {
  std::string_view name;  // Of the operation, for metrics and logs.
  std::string_view method;
  std::string_view pattern;  // Literal segments match in any case.
  hub::Action action = hub::Action::kReadIdentity;
  size_t body_max = 0;
  ErrorCode too_large = ErrorCode::kGenericRequestEntityTooLarge;  // For a larger body.
  HttpOperation operation = nullptr;  // Null: an operation of the original that this hub lacks.
  bool websocket = false;             // A handshake: without a token, and without an operation.
};

std::span<const HttpRoute> http_routes();

struct RouteMatch {
  const HttpRoute* route = nullptr;
  std::string id;     // What stands for the first "{…}" of the pattern.
  std::string allow;  // If only the method does not fit: the methods of the path, as in Allow.
};

// Finds the route of a method and decoded path segments.
RouteMatch match_route(std::string_view method, std::span<const std::string> segments);

}  // namespace linarite::gateway
