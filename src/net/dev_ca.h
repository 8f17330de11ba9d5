// Certificates for those who have none: a development CA of this data directory, and what it signs.
// The first start makes them, later starts renew what is needed.
//
// DIRECTORY/ca.pem, ca.key                     P-256, ten years, constrained to the names it was
// made for
//           server-p256.pem, server-p256.key   90 days
//           server-rsa.pem, server-rsa.key     90 days, RSA-2048: some SDKs offer ECDHE-RSA only
//
// All files have mode 0600 and appear whole or not at all.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "net/certificate.h"
#include "net/tls_context.h"

namespace linarite::net {

struct DevCaOptions {
  std::filesystem::path directory;
  // Besides 127.0.0.1, ::1 and localhost: the names that clients will use. A CA that is not allowed
  // to sign one of them is replaced, and clients must trust the new one.
  HostNames names;
  // Names that are nice to have (the machine's own): left out where the CA may not sign them, so
  // that a container with a new random name keeps its CA.
  HostNames extra_names;
  // Leaves the RSA certificate out if its key does not exist yet: the search for the primes takes
  // 0.1 to 1.5 s. Call again without it, on another thread, and reload.
  bool may_defer_rsa = false;
  WallTime
      now;  // Real time, also where the hub runs on a manual clock: clients compare with theirs.
};

struct DevCertificates {
  std::filesystem::path ca_file;
  std::string ca_pem;
  std::vector<CertificateAndKey> certificates;  // P-256, then RSA.
  HostNames names;                              // What they are good for.
  bool ca_made = false;
  bool ca_replaced = false;
  bool certificates_made = false;
  bool rsa_deferred = false;
};

// Fails with kArgumentInvalid (a name that is none) or kIoError (a file that cannot be read,
// written or understood); the message is a sentence that says what to do.
Result<DevCertificates> open_dev_ca(const DevCaOptions& options);

// The machine's host name, if it is one.
HostNames machine_names();

}  // namespace linarite::net
