// The hub's service API as the commands use it: the SDK's client, whose exceptions become Failures,
// with tokens for the hub's time.
#pragma once

#include <linarite/blocking.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/clock.h"
#include "base/time.h"
#include "cli/failure.h"

namespace linarite::cli {

class Service {
 public:
  // Does not connect yet. `hub_ahead`: how far the hub's clock is before this machine's, if known.
  // `clock` must outlive the service.
  Service(service_identity identity, endpoint_options endpoint, transport transport,
          const Clock& clock, std::chrono::milliseconds hub_ahead);

  const std::string& host() const { return identity_.host_name; }
  // Null if a token was given instead.
  const shared_access_key* key() const {
    return std::get_if<shared_access_key>(&identity_.credential);
  }
  WallTime hub_time() const;
  // For other clients of the same service: with tokens for the hub's time.
  service_identity identity() const { return with_tokens_for_the_hubs_time(); }
  service_options options() const { return options_; }
  // Makes tokens from a key, for the hub's time. May outlive the service, but not the clock.
  token_provider tokens_of(shared_access_key key) const;

  // What `use` returns, or the reason of the exception that it throws. `use` may be called a second
  // time: when the hub refuses the token and its clock shows that the token was made for another
  // time. Hubs on a manual clock do so, and have done nothing else then.
  template <class Use>
  auto ask(Use use) -> Outcome<std::invoke_result_t<Use&, blocking::service_client&>> {
    for (;;) {
      try {
        if constexpr (std::is_void_v<std::invoke_result_t<Use&, blocking::service_client&>>) {
          use(client_);
          return {};
        } else {
          return use(client_);
        }
      } catch (const linarite::exception& thrown) {
        if (!learn_time(thrown.reason())) return std::unexpected(Failure(thrown.reason()));
      }
    }
  }

 private:
  struct HubClock;
  bool learn_time(const linarite::error& refusal);
  service_identity with_tokens_for_the_hubs_time() const;

  const service_identity identity_;
  const std::shared_ptr<HubClock> hub_clock_;
  const service_options options_;
  bool time_was_asked_ = false;
  blocking::service_client client_;
};

}  // namespace linarite::cli
