// Identities that are read and written over REST, on connections that are kept.
#pragma once

#include <linarite/service_client.h>

#include <deque>
#include <vector>

#include "cli/bench/fleet.h"
#include "cli/bench/load.h"

namespace linarite::cli {

class RegistryLoad final : public Load {
 public:
  enum class Kind : uint8_t {
    kGet,  // Reads an identity.
    kPut,  // Gives it another status reason.
  };
  // A client makes one request at a time. Clients and fleet outlive the load.
  RegistryLoad(const Clock& clock, Options options, Kind kind, std::deque<service_client>& clients,
               const Fleet& fleet);

 private:
  bool begin(uint64_t number, Instant due) override;
  void answered(size_t client, const device& wanted, Instant due, const linarite::error& why,
                const device& got);

  const Kind kind_;
  std::deque<service_client>& clients_;
  const Fleet& fleet_;
  std::vector<size_t> busy_;  // By client: its requests.
};

}  // namespace linarite::cli
