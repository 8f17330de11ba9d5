// Any bytes, as a file of master keys, as sealed keys, and as the records that hold them. A file
// that is taken has these bytes again; what opens was sealed here; a record that is read is written
// and read again as the same.
#include <cstdint>

#include "base/check.h"
#include "hub/key_vault.h"
#include "hub/records.h"
#include "hub/stored_identity.h"

using namespace linarite;
using namespace linarite::hub;

namespace {

constexpr SealedPlace kPlace{.kind = "device keys", .name = "d1", .generation = "638"};

void file(ByteView bytes, Random& random) {
  const auto vault = KeyVault::parse(bytes, random);
  CHECK(!vault || vault->text() == bytes);
}

void sealed(ByteView bytes, const KeyVault& vault) {
  // The fuzzer has no master key: whatever it writes is refused, and what is sealed opens.
  CHECK(!vault.open(kPlace, bytes));
  if (bytes.size() > kSealedPlainMax) return;
  CHECK(vault.open(kPlace, vault.seal(kPlace, bytes)) == Bytes(bytes));
}

void records(ByteView bytes, const KeyVault& vault) {
  if (const auto identity = decode_identity(bytes, vault)) {
    CHECK(decode_identity(encode_identity(*identity, vault), vault) == *identity);
    CHECK(StoredIdentity::read(bytes, vault)->open(vault) == *identity);
  }
  // What can't be opened may be kept, and says so.
  if (const auto stored = StoredIdentity::read(bytes, vault)) {
    CHECK(identity_fields(stored->record()));
    static_cast<void>(stored->open(vault));
  }
  if (const auto policy = decode_policy(bytes, vault)) {
    const auto again = decode_policy(encode_policy(*policy, vault), vault);
    CHECK(again && again->name == policy->name && again->primary_key == policy->primary_key);
  }
  static_cast<void>(decode_identity_without_keys(bytes));
  static_cast<void>(decode_policy_without_keys(bytes));
  const auto keyring = decode_keyring(bytes);
  CHECK(!keyring || encode_keyring(*keyring) == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  static SeededRandom random(1);
  static const KeyVault vault = KeyVault::make(random);
  file(bytes, random);
  sealed(bytes, vault);
  records(bytes, vault);
  return 0;
}
