// What makes clients in several languages trust a hub with its own certificate authority: files in
// the hub's data directory, and environment variables that name them.
//
//   ca-bundle.pem  the machine's roots and the hub's (PEM): a client that is given it can still
//                  reach everything else
//   ca-bundle.p12  the same as a Java trust store (PKCS #12), password kTrustStorePassword
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/failure.h"

namespace linarite::cli {

// Not a secret: there are only certificates in the store, and Java wants some password to check
// that it is whole.
inline constexpr std::string_view kTrustStorePassword = "changeit";
inline constexpr size_t kRootsSizeMax = size_t{16} << 20U;  // bytes of the machine's roots

struct TrustFiles {
  std::filesystem::path ca;  // The hub's alone.
  std::filesystem::path bundle;
  std::filesystem::path java_store;
};

// Writes the files anew if the hub's authority or the machine's roots have changed. Fails if there
// is no ca.pem in the directory: no hub was ever started on it.
Outcome<TrustFiles> write_trust_files(const std::filesystem::path& data_directory);

// The variables that clients look at, and their values. JAVA_TOOL_OPTIONS keeps what
// `java_tool_options` holds.
std::vector<std::pair<std::string, std::string>> trust_environment(
    const TrustFiles& files, std::string_view java_tool_options);

// A line of shell for each language.
std::string trust_text(const TrustFiles& files);

// A PKCS #12 file (RFC 7292) with these certificates and nothing else, each marked as trusted for
// every purpose, as Java from version 8 on wants them. Certificates that cannot be read are left
// out; fails if none can.
Result<std::string> java_trust_store(std::string_view certificates_pem);

// The word as a POSIX shell reads it back.
std::string shell_quoted(std::string_view word);

}  // namespace linarite::cli
