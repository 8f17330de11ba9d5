// What one run of hub_load is asked to do, read from its command line.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/error.h"

namespace linarite::load {

enum class Scenario {
  kFill,
  kDownlink,
  kConnect,
  kIdle,
  kUplink,
  kFillEvents,
  kReadback,
  kGet,
  kPut
};

struct Options {
  Scenario scenario = Scenario::kDownlink;
  // --connection-string: a policy that may write identities and send. Empty: the server is a plain
  // MQTT broker, whose devices need no identity and whose back end is an MQTT publisher.
  std::string connection_string;
  std::string ca_file;  // --ca. Empty: no TLS.
  std::string host = "127.0.0.1";
  uint16_t mqtt_port = 8883;
  uint16_t amqp_port = 5671;
  uint16_t https_port = 443;
  size_t websocket = 0;  // --websocket 1: devices go through WebSockets on the HTTPS port.
  pid_t server = 0;      // --pid: the process whose CPU time and memory are measured.

  size_t devices = 500;
  size_t parallel = 32;        // Handshakes, or REST requests, under way.
  size_t senders = 4;          // Back ends, each with a connection and a link.
  size_t window = 1000;        // Messages sent and not yet completed, over all devices.
  size_t depth = 20;           // The same for one device; the hub refuses the 51st.
  size_t readers = 0;          // uplink: 1 if the events are read as well.
  size_t stalled_readers = 0;  // uplink: back ends that ask for events and take none.
  std::string entity;          // --entity: the hub's Event Hubs-compatible name.
  size_t payload_bytes = 128;
  double rate = 0;  // Messages per second, paced; 0: as fast as the window allows.
  double warm_up_s = 3;
  double seconds = 10;
  size_t messages = 0;  // fill, fill-events, readback: in all.
  size_t first = 2000;  // idle: connections at the first and the second look at the memory.
  size_t second = 8000;

  bool is_hub() const { return !connection_string.empty(); }
};

// kArgumentInvalid with a sentence that names what is wrong.
Result<Options> parse_options(int argc, char** argv);

}  // namespace linarite::load
