// Counts of devices over REST (service-protocol 5.8).
#include <fmt/format.h>

#include <utility>

#include "gateway/http_call.h"

namespace linarite::gateway {

void device_statistics(HttpCall call) {
  call.hub.statistics(
      {call.loop, [done = std::move(call.done)](hub::Statistics counts) mutable {
         done(json_response(fmt::format(R"({{"totalDeviceCount":{},"enabledDeviceCount":{},)"
                                        R"("disabledDeviceCount":{}}})",
                                        counts.devices, counts.enabled, counts.disabled)));
       }});
}

void service_statistics(HttpCall call) {
  call.hub.statistics(
      {call.loop, [done = std::move(call.done)](hub::Statistics counts) mutable {
         done(json_response(fmt::format(R"({{"connectedDeviceCount":{}}})", counts.connected)));
       }});
}

}  // namespace linarite::gateway
