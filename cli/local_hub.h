// The hub that runs on a data directory of this machine, reached through its admin listener with
// the token that only a reader of the directory has (docs/decisions/local-access.md).
#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "cli/arguments.h"
#include "cli/failure.h"
#include "http/response.h"
#include "wire/control_file.h"

namespace linarite::cli {

inline constexpr size_t kCaSizeMax = 65536;  // bytes of ca.pem

// --data, else LINARITE_SERVER_DATA_DIRECTORY, else the default of `linarite serve`. Fails if none
// is known.
Outcome<std::filesystem::path> data_directory(const Arguments& arguments);

// A shared access policy in az's shape: keyName, primaryKey, rights, secondaryKey.
struct PolicyEntry {
  std::string name;
  std::string rights;
  std::string primary_key;
  std::string secondary_key;

  boost::json::object json() const;
};

class LocalHub {
 public:
  // Reads the control file; does not connect yet.
  static Outcome<LocalHub> find(std::filesystem::path directory);

  const wire::ControlFile& control() const { return control_; }
  // Who vouches for the hub's certificate; empty if it is one of those that the machine trusts.
  Outcome<std::string> ca_pem();

  struct Policies {
    std::vector<PolicyEntry> all;
    WallTime hub_time;  // The hub's clock may be a manual one.
  };
  Outcome<Policies> policies();
  // `which` is primary, secondary or swap.
  Outcome<PolicyEntry> renew_policy_key(std::string_view name, std::string_view which);
  Outcome<void> advance_clock(std::chrono::seconds by);

  struct Health {
    bool healthy = false;
    boost::json::value details;
  };
  Outcome<Health> health();

 private:
  LocalHub(std::filesystem::path directory, wire::ControlFile control)
      : directory_(std::move(directory)), control_(std::move(control)) {}
  Outcome<http::Response> call(std::string method, std::string target);

  std::filesystem::path directory_;
  wire::ControlFile control_;
};

// The policy of that name. Names compare without regard to case, as az's do; no two differ in it.
Outcome<PolicyEntry> find_policy(const std::vector<PolicyEntry>& all, std::string_view name);

}  // namespace linarite::cli
