// What one command works with: its arguments, the hub it is about, and where its results go.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "cli/arguments.h"
#include "cli/failure.h"
#include "cli/local_hub.h"
#include "cli/service.h"

namespace linarite::cli {

// What only the server's part of the program can do. Empty functions: this build has no server.
struct ServerHooks {
  // The settings of a configuration file, of the defaults if `path` is empty, as TOML; or what is
  // wrong with it, with line and column.
  std::move_only_function<Result<std::string>(const std::string& path)> configuration;
  // What is in the store of a data directory and what is wrong with it; with `salvage` a new data
  // directory is made of a damaged one, at `to` or beside it (docs/command-line.md).
  struct StoreQuestion {
    std::string data;
    bool salvage = false;
    std::string to;
    std::string master_key_file;  // Empty: that of the data directory.
    bool new_keys = false;
  };
  std::move_only_function<Result<boost::json::object>(const StoreQuestion&)> store;
  // Seals the keys of a store with a new master key; what was done.
  std::move_only_function<Result<boost::json::object>(const std::string& data,
                                                      const std::string& master_key_file)>
      rewrap;
};

class Session {
 public:
  Session(Arguments arguments, ServerHooks& hooks);

  const Arguments& arguments() const { return arguments_; }
  const Clock& clock() const { return clock_; }
  Random& random() { return random_; }
  ServerHooks& hooks() { return hooks_; }

  // The hub's service API, found by --login, else --data, else LINARITE_CONNECTION_STRING, else the
  // default data directory; of a local hub with the policy iothubowner. Each hub is looked for
  // once.
  Outcome<Service*> service();
  // The hub of the data directory.
  Outcome<LocalHub*> local();
  // Its policies, fresh.
  Outcome<LocalHub::Policies> local_policies();

  // Where devices connect; after service() has found the hub.
  const endpoint_options& device_endpoint() const { return device_endpoint_; }

  // What messages and events go over.
  linarite::transport transport() const;

  // True if the hub is one that a connection string names.
  bool has_login() const { return login_.has_value(); }

  // Shows one of many results that come over time, at once.
  void show_item(const boost::json::value& item);
  // A word to the person at the terminal; never a result. Any thread.
  static void tell(std::string_view line);

 private:
  Outcome<void> open_login();
  Outcome<void> open_local();

  Arguments arguments_;
  ServerHooks& hooks_;
  Text login_;
  SystemClock clock_;
  SystemRandom random_;
  std::optional<LocalHub> local_;
  std::optional<Service> service_;
  endpoint_options device_endpoint_;
};

}  // namespace linarite::cli
