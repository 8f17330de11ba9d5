// Tokens of any bytes: parsing never crashes, and what parses keeps its promises.
#include "wire/sas_token.h"

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::wire;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto token = parse_sas_token(text);
  if (!token) {
    CHECK(token.error().code == linarite::ErrorCode::kIotHubUnauthorizedAccess);
    return 0;
  }
  CHECK(token->signature.size() == 32);
  CHECK(!token->sr.empty() && !token->se.empty());
  CHECK(token->expiry >= linarite::WallTime{});

  constexpr std::string_view kHosts[] = {"hub.example.test"};
  constexpr std::string_view kDevice[] = {"devices", "dev1"};
  // What a device's key may be used for, a policy may be used for.
  const bool as_device = audience_covers(*token, kHosts, kDevice, 2);
  CHECK(!as_device || audience_covers(*token, kHosts, kDevice, 0));
  // A signature can only match if the fuzzer found the seed's own text.
  CHECK(!sas_signature_matches(*token, "", "not base64"));
  sas_token_expired(*token, linarite::WallTime{});
  return 0;
}
