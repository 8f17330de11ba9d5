// The file by which the command line finds the hub that runs on a data directory, and proves to it
// that it may read that directory (docs/decisions/local-access.md).
//
// The server writes it with mode 0600 into its data directory (mode 0700) once it listens, whole or
// not at all, and removes it when it ends. Only text and values here: no file is touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace linarite::wire {

inline constexpr std::string_view kControlFileName = "control.json";
inline constexpr size_t kControlFileSizeMax = 4096;  // bytes

struct ControlFile {
  std::string host;                   // the hub's name: in connection strings, tokens, certificate
  std::string address = "127.0.0.1";  // numeric: where the command line connects to
  uint16_t mqtt_port = 0;
  uint16_t amqp_port = 0;
  uint16_t https_port = 0;
  uint16_t admin_port = 0;  // on 127.0.0.1
  std::string token;        // random for each start; for the admin listener, as a bearer token
  int64_t pid = 0;          // of the server

  bool operator==(const ControlFile&) const = default;
};

// One JSON object and a line end. All text must be UTF-8.
std::string control_file_text(const ControlFile& file);

// Fails with 413000 or 400006 (see parse_json), or 400004 when a member is missing or of another
// type. Unknown members are ignored; `address` may be missing.
Result<ControlFile> parse_control_file(std::string_view text);

// Where `linarite serve` and the command line keep and look for data unless they are told: of root
// /var/lib/linarite, else linarite below $XDG_DATA_HOME, or below ~/.local/share if that is empty
// or not absolute (XDG Base Directory Specification 0.8). Empty if `home` is needed and empty.
std::string default_data_directory(bool is_root, std::string_view xdg_data_home,
                                   std::string_view home);

}  // namespace linarite::wire
