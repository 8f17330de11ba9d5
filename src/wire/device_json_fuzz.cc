// Request bodies of any bytes: a device request, feedback, and what was accepted written and read
// back.
#include "wire/device_json.h"

#include "base/check.h"
#include "base/text.h"
#include "wire/service_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::wire;
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  if (const auto feedback = parse_feedback(text)) {
    const auto again = parse_feedback(feedback_json(*feedback));
    CHECK(again.has_value() && *again == *feedback);
  }

  const auto request = parse_device_request(text, "d1");
  if (!request) return 0;
  CHECK(request->primary_key.has_value() == request->secondary_key.has_value());
  CHECK(!request->primary_key || is_valid_symmetric_key(*request->primary_key));
  CHECK(linarite::is_utf8(request->status_reason.value_or("")));

  DeviceDocument document;
  document.device_id = "d1";
  document.status = request->status.value_or(DeviceStatus::kEnabled);
  document.status_reason = request->status_reason.value_or("");
  document.primary_key = request->primary_key.value_or("");
  document.secondary_key = request->secondary_key.value_or("");
  document.device_scope = request->device_scope.value_or("");
  const auto again = parse_device_request(device_json(document), "d1");
  CHECK(again.has_value());
  CHECK(again->status == document.status);
  CHECK(again->status_reason.value_or("") == document.status_reason);
  CHECK(again->primary_key == request->primary_key);
  return 0;
}
