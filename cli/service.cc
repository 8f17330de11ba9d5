#include "cli/service.h"

#include <algorithm>
#include <atomic>

#include "cli/session.h"
#include "wire/sas_token.h"

namespace linarite::cli {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::minutes kClockDifferenceMax{1};

// A failure has its own line. What remains to be told is that a watch goes on without the hub.
void tell_warnings(log_level level, std::string_view line) {
  if (level >= log_level::warning) Session::tell(line);
}

service_options options_of(endpoint_options endpoint, transport transport) {
  service_options out;
  out.endpoint = std::move(endpoint);
  out.transport = transport;
  out.product_info = "linarite-cli";
  out.log = tell_warnings;
  return out;
}

}  // namespace

// Shared with the token provider, which the SDK's thread calls.
struct Service::HubClock {
  const Clock& here;
  std::atomic<milliseconds> ahead;

  WallTime wall() const { return here.wall() + ahead.load(); }
};

Service::Service(service_identity identity, endpoint_options endpoint, transport transport,
                 const Clock& clock, milliseconds hub_ahead)
    : identity_(std::move(identity)),
      hub_clock_(std::make_shared<HubClock>(clock, hub_ahead)),
      options_(options_of(std::move(endpoint), transport)),
      client_(with_tokens_for_the_hubs_time(), options_) {}

WallTime Service::hub_time() const { return hub_clock_->wall(); }

service_identity Service::with_tokens_for_the_hubs_time() const {
  service_identity out = identity_;
  const shared_access_key* const own = key();
  if (own == nullptr) return out;
  out.credential = tokens_of(*own);
  return out;
}

token_provider Service::tokens_of(shared_access_key key) const {
  return [clock = hub_clock_, key = std::move(key)](const token_request& wanted,
                                                    const token_reply& reply) {
    // The SDK takes none that has expired here, so one for a hub that is behind lives longer.
    auto token = wire::make_sas_token(
        {.audience = wanted.audience,
         .key = key.key,
         .policy = key.policy,
         .expiry = std::max(clock->here.wall(), clock->wall()) + wanted.life_time});
    if (token) return reply({}, *std::move(token));
    reply({errc::invalid_connection_string, "connection string: SharedAccessKey is not base64"},
          {});
  };
}

bool Service::learn_time(const linarite::error& refusal) {
  const bool refused = refusal == errc::clock_wrong || refusal == errc::iot_hub_unauthorized_access;
  if (!refused || key() == nullptr || std::exchange(time_was_asked_, true)) return false;
  try {
    const milliseconds ahead = client_.hub_time() - hub_clock_->here.wall();
    if (std::chrono::abs(ahead - hub_clock_->ahead.load()) < kClockDifferenceMax) return false;
    hub_clock_->ahead = ahead;
    return true;
  } catch (const linarite::exception&) {
    return false;  // The refusal says more.
  }
}

}  // namespace linarite::cli
