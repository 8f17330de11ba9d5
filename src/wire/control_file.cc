#include "wire/control_file.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <optional>

#include "wire/json_text.h"

namespace linarite::wire {
namespace {

std::unexpected<Error> refuse(std::string_view member) {
  return fail(ErrorCode::kArgumentInvalid,
              std::string(member) + " is missing or not what it should be");
}

bool read_port(const boost::json::object& object, std::string_view name, uint16_t& out) {
  const auto* value = object.if_contains({name.data(), name.size()});
  if (value == nullptr || !value->is_int64()) return false;
  const int64_t number = value->get_int64();
  if (number < 0 || number > UINT16_MAX) return false;
  out = static_cast<uint16_t>(number);
  return true;
}

}  // namespace

std::string control_file_text(const ControlFile& file) {
  const boost::json::object object = {
      {"host", file.host},
      {"address", file.address},
      {"mqttPort", file.mqtt_port},
      {"amqpPort", file.amqp_port},
      {"httpsPort", file.https_port},
      {"adminPort", file.admin_port},
      {"token", file.token},
      {"pid", file.pid},
  };
  return boost::json::serialize(object) + "\n";
}

Result<ControlFile> parse_control_file(std::string_view text) {
  auto value = parse_json(text, {.size_max = kControlFileSizeMax, .depth_max = 4});
  if (!value) return std::unexpected(value.error());
  const auto* object = value->if_object();
  if (object == nullptr) return fail(ErrorCode::kArgumentInvalid, "it is no JSON object");

  ControlFile out;
  JsonReader reader(*object, "");
  const auto host = reader.text("host");
  const auto address = reader.text("address");
  const auto token = reader.text("token");
  if (reader.error()) return std::unexpected(*reader.error());
  if (!host || host->empty()) return refuse("host");
  if (!token || token->empty()) return refuse("token");
  out.host = *host;
  out.token = *token;
  if (address) out.address = *address;
  if (!read_port(*object, "mqttPort", out.mqtt_port)) return refuse("mqttPort");
  if (!read_port(*object, "amqpPort", out.amqp_port)) return refuse("amqpPort");
  if (!read_port(*object, "httpsPort", out.https_port)) return refuse("httpsPort");
  if (!read_port(*object, "adminPort", out.admin_port)) return refuse("adminPort");
  const auto* pid = object->if_contains("pid");
  if (pid == nullptr || !pid->is_int64()) return refuse("pid");
  out.pid = pid->get_int64();
  return out;
}

std::string default_data_directory(bool is_root, std::string_view xdg_data_home,
                                   std::string_view home) {
  if (is_root && xdg_data_home.empty()) return "/var/lib/linarite";
  if (xdg_data_home.starts_with('/')) return std::string(xdg_data_home) + "/linarite";
  if (home.empty()) return {};
  return std::string(home) + "/.local/share/linarite";
}

}  // namespace linarite::wire
