// Topics, filters and user names of any bytes. The input is a client id, a line end, and the text.
#include "base/check.h"
#include "wire/topic.h"
#include "wire/user_name.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::wire;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(input.find('\n'), input.size());
  const std::string_view client_id = input.substr(0, line);
  const std::string_view text = input.substr(std::min(line + 1, input.size()));

  const auto user_name = parse_user_name(text, client_id);
  if (user_name) {
    CHECK(is_valid_identity(user_name->identity));
    CHECK(identity_text(user_name->identity) == client_id);
  }

  const size_t slash = client_id.find('/');
  Identity identity{std::string(client_id.substr(0, slash)), ""};
  if (slash != std::string_view::npos) identity.module_id = client_id.substr(slash + 1);
  if (!is_valid_identity(identity)) return 0;

  const PublishTopic topic = classify_publish(identity, text);
  if (topic.kind == PublishKind::kTelemetry) {
    CHECK(text.starts_with("devices/" + identity.device_id + "/"));
    CHECK(text.ends_with(topic.bag));
  }
  CHECK(topic.kind != PublishKind::kTwinGet || topic.request_id.has_value());
  CHECK(!topic.version_malformed || !topic.version.has_value());

  const TopicFamilies families = classify_filter(identity, text);
  CHECK(!families.module_inputs || identity.is_module());
  // Without a wildcard in the text nothing is received.
  CHECK(!families.any() || text.find_first_of("+#") != std::string_view::npos);
  return 0;
}
