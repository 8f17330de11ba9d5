#include "sdk/failure.h"

#include <openssl/x509_vfy.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.h"
#include "http/http_date.h"
#include "wire/error_body.h"
#include "wire/error_table.h"
#include "wire/json_text.h"

namespace linarite::sdk {
namespace {

constexpr size_t kBodySizeMax = size_t{1} << 20U;
// The hub accepts tokens this long after their end (device protocol, 5.2).
constexpr std::chrono::minutes kClockDifferenceMax{5};

struct VerifyCause {
  long verify_result;
  errc code;
  const char* advice;
};
constexpr const char* kTrustAdvice =
    "; set SSL_CERT_FILE or endpoint.ca_file to the CA that signed the hub's certificate";
constexpr const char* kNameAdvice =
    "; HostName must be a name in the hub's certificate (endpoint.host may say where to connect)";
constexpr const char* kTimeAdvice =
    "; compare this machine's clock with the certificate's validity";
constexpr VerifyCause kVerifyCauses[] = {
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, errc::server_not_trusted, kTrustAdvice},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, errc::server_not_trusted, kTrustAdvice},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, errc::server_not_trusted, kTrustAdvice},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, errc::server_not_trusted, kTrustAdvice},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, errc::server_not_trusted, kTrustAdvice},
    {X509_V_ERR_HOSTNAME_MISMATCH, errc::wrong_host_name, kNameAdvice},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, errc::wrong_host_name, kNameAdvice},
    {X509_V_ERR_CERT_NOT_YET_VALID, errc::certificate_not_current, kTimeAdvice},
    {X509_V_ERR_CERT_HAS_EXPIRED, errc::certificate_not_current, kTimeAdvice},
};

// Condition to code, for an error without Azure's number: the first row of the table that has it.
std::error_code code_of_condition(std::string_view condition, errc without) {
  if (condition == "amqp:unauthorized-access") return errc::iot_hub_unauthorized_access;
  if (condition == "amqp:not-found") return errc::device_not_found;
  if (condition == "amqp:connection:forced" || condition == "amqp:link:detach-forced") {
    return errc::connection_lost;
  }
  for (const wire::ErrorRow& row : wire::error_rows()) {
    if (row.amqp_condition == condition) return {row.number(), category()};
  }
  return without;
}

std::optional<int> number_member(const boost::json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  return static_cast<int>(value->get_int64());
}

// Azure's numbers have six digits.
bool is_azure_number(int number) { return number >= 400000 && number <= 599999; }

std::string tracking_id_of(std::string_view text) {
  constexpr std::string_view kPrefix = "Tracking ID:";
  if (!text.starts_with(kPrefix)) return {};
  text.remove_prefix(kPrefix.size());
  return std::string(text);
}

std::error_code code_of_name(std::string_view name, int http_status) {
  const auto rows = wire::error_rows();
  const auto row = std::ranges::find(rows, name, &wire::ErrorRow::name);
  const int number = row == rows.end() ? http_status * 1000 : row->number();
  return {number, category()};
}

}  // namespace

error connect_failure(const Error& failure) {
  if (failure.code == ErrorCode::kIoError) {
    for (const VerifyCause& cause : kVerifyCauses) {
      if (failure.message.find(X509_verify_cert_error_string(cause.verify_result)) !=
          std::string::npos) {
        return {cause.code, failure.message + cause.advice};
      }
    }
  }
  // The port is open, but what answers there is no WebSocket for us.
  const bool other =
      failure.code == ErrorCode::kMalformed || failure.code == ErrorCode::kLimitExceeded;
  return {other ? errc::protocol_error : errc::connection_failed, failure.message};
}

error error_of(const Error& failure) {
  const int number = static_cast<int>(failure.code);
  if (is_azure_number(number)) return {std::error_code(number, category()), failure.message};
  return {errc::protocol_error, failure.message};
}

error connack_failure(mqtt::ConnectReturnCode code, std::string_view client_id) {
  const std::string who = " '" + std::string(client_id) + "'";
  switch (code) {
    case mqtt::ConnectReturnCode::kAccepted:
      break;
    case mqtt::ConnectReturnCode::kUnacceptableProtocolVersion:
      return {errc::protocol_error, "CONNACK 1: the hub does not speak MQTT 3.1.1"};
    case mqtt::ConnectReturnCode::kIdentifierRejected:
      return {errc::argument_invalid, "CONNACK 2: the hub rejects the device id" + who};
    case mqtt::ConnectReturnCode::kServerUnavailable:
      return {errc::server_unavailable,
              "CONNACK 3: the device" + who + " is disabled, or the hub takes nobody now"};
    case mqtt::ConnectReturnCode::kBadUserNameOrPassword:
    case mqtt::ConnectReturnCode::kNotAuthorized:
      return {errc::iot_hub_unauthorized_access,
              "CONNACK " + std::to_string(static_cast<int>(code)) + ": the hub refuses the device" +
                  who +
                  ": it is not registered, the key or certificate is not its own, or this "
                  "machine's clock is wrong"};
  }
  return {errc::protocol_error,
          "CONNACK " + std::to_string(static_cast<int>(code)) + " is no return code of MQTT 3.1.1"};
}

error amqp_failure(const amqp::Error* failure, errc without) {
  if (failure == nullptr) return without;
  std::error_code code = code_of_condition(failure->condition, without);
  std::string message = failure->description;
  std::string tracking_id;
  if (const auto json = wire::parse_json(failure->description, {.size_max = kBodySizeMax});
      json && json->is_object()) {
    const auto& object = json->get_object();
    if (const auto number = number_member(object, "errorCode")) {
      if (is_azure_number(*number)) code = {*number, category()};
    }
    wire::JsonReader reader(object, "");
    message = reader.text("message").value_or("");
    tracking_id = reader.text("trackingId").value_or("");
  }
  if (const amqp::Value* id = failure->info.find("com.microsoft:tracking-id");
      id != nullptr && tracking_id.empty()) {
    tracking_id = id->text().value_or("");
  }
  if (message.empty()) message = failure->condition;
  return {code, std::move(message), std::move(tracking_id)};
}

error http_failure(const http::Response& response, WallTime now) {
  std::string name(response.headers.find(wire::kErrorCodeHeader).value_or(""));
  std::string message;
  std::string tracking_id;
  if (const auto json = wire::parse_json(response.body, {.size_max = kBodySizeMax});
      json && json->is_object()) {
    wire::JsonReader reader(json->get_object(), "");
    message = reader.text("Message").value_or("");
    tracking_id = tracking_id_of(reader.text("ExceptionMessage").value_or(""));
  }
  // "ErrorCode:Name;text"
  constexpr std::string_view kPrefix = "ErrorCode:";
  if (message.starts_with(kPrefix)) {
    const size_t end = std::min(message.find(';'), message.size());
    if (name.empty()) name = message.substr(kPrefix.size(), end - kPrefix.size());
    message.erase(0, std::min(end + 1, message.size()));
  }
  if (message.empty()) {
    message = "the hub answered with HTTP status " + std::to_string(response.status);
  }
  const auto date = http::parse_http_date(response.headers.find("Date").value_or(""));
  if (response.status == 401 && date && std::chrono::abs(*date - now) > kClockDifferenceMax) {
    const auto off = std::chrono::duration_cast<std::chrono::minutes>(*date - now).count();
    return {errc::clock_wrong,
            message + ": this machine's clock is " + std::to_string(std::abs(off)) + " minutes " +
                (off > 0 ? "behind" : "ahead of") + " the hub's",
            std::move(tracking_id)};
  }
  return {code_of_name(name, response.status), std::move(message), std::move(tracking_id)};
}

}  // namespace linarite::sdk
