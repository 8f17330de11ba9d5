#include "net/dev_ca.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "base/text.h"
#include "net/descriptor.h"

namespace linarite::net {
namespace {

namespace fs = std::filesystem;

constexpr auto kCaLifetime = std::chrono::days(3650);
constexpr auto kServerLifetime = std::chrono::days(90);
constexpr auto kRenewBefore = std::chrono::days(30);
constexpr auto kSkew = std::chrono::hours(1);  // Devices' clocks are late at times.
constexpr size_t kNamesMax = 100;

std::unexpected<Error> file_error(const fs::path& file, const std::string& what) {
  return fail(ErrorCode::kIoError, what + " " + file.string() + ": " + strerror(errno) + ".");
}

// Nothing if the file does not exist.
Result<std::optional<std::string>> read_file(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error)) return std::nullopt;
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return file_error(file, "cannot read");
  return text.str();
}

// Write, sync, rename: a crash leaves the old file or the new one.
Status write_file(const fs::path& file, const std::string& text) {
  const fs::path temporary = file.string() + ".new";
  const Descriptor out(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!out.valid()) return file_error(temporary, "cannot write");
  const ssize_t written = ::write(out.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()) || ::fsync(out.get()) != 0 ||
      ::rename(temporary.c_str(), file.c_str()) != 0) {
    return file_error(file, "cannot write");
  }
  return {};
}

Status sync_directory(const fs::path& directory) {
  const Descriptor open(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!open.valid() || ::fsync(open.get()) != 0) return file_error(directory, "cannot sync");
  return {};
}

Status make_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error || ::chmod(directory.c_str(), S_IRWXU) != 0) {
    return file_error(directory, "cannot make the directory");
  }
  return {};
}

Result<HostNames> checked_names(const HostNames& names) {
  HostNames out;
  for (const std::string& name : names) {
    const std::string lower = canonical_name(name);
    if (!is_host_name(lower)) {
      return fail(ErrorCode::kArgumentInvalid,
                  "\"" + name + "\" is neither a host name nor a numeric address.");
    }
    if (std::ranges::find(out, lower) == out.end()) out.push_back(lower);
  }
  if (out.size() > kNamesMax) {
    return fail(ErrorCode::kArgumentInvalid, "a certificate takes at most 100 host names.");
  }
  return out;
}

struct Authority {
  X509Ptr certificate;
  KeyPtr key;
};

// The work on one directory.
class DevCa {
 public:
  DevCa(const DevCaOptions& options, HostNames required, HostNames extra)
      : options_(options), required_(std::move(required)), extra_(std::move(extra)) {}

  Result<DevCertificates> open();

 private:
  struct Kind {
    const char* name;
    KeyPtr (*make_key)();
  };

  fs::path path(const std::string& file) const { return options_.directory / file; }
  Result<std::optional<Authority>> load_authority() const;
  Status make_authority();
  Status settle_authority();
  bool is_current(X509* certificate, EVP_PKEY* key) const;
  Result<KeyPtr> server_key(const Kind& kind) const;
  Result<CertificateAndKey> server_certificate(const Kind& kind, bool& made) const;

  const DevCaOptions& options_;
  const HostNames required_;
  const HostNames extra_;
  HostNames names_;
  Authority authority_;
  DevCertificates out_;
};

Result<std::optional<Authority>> DevCa::load_authority() const {
  const auto certificate_text = read_file(path("ca.pem"));
  if (!certificate_text) return std::unexpected(certificate_text.error());
  const auto key_text = read_file(path("ca.key"));
  if (!key_text) return std::unexpected(key_text.error());
  // The certificate is written last: a key alone is a first start that was cut short.
  if (!*certificate_text) return std::nullopt;
  Authority out{certificate_from_pem(**certificate_text), key_from_pem(key_text->value_or(""))};
  if (!out.certificate || !out.key || !belong_together(out.certificate.get(), out.key.get())) {
    return fail(ErrorCode::kIoError, "ca.pem and ca.key in " + options_.directory.string() +
                                         " are damaged or do not belong together; restore them, or "
                                         "delete both to get a new development CA.");
  }
  return out;
}

Status DevCa::make_authority() {
  authority_.key = make_p256_key();
  if (!authority_.key) return fail(ErrorCode::kIoError, "no P-256 key: " + take_openssl_error());
  const std::string common_name =
      "Linarite development CA " + iso8601(options_.now).substr(0, 10) + " " + required_.front();
  HostNames allowed = required_;
  allowed.insert(allowed.end(), extra_.begin(), extra_.end());
  Result<X509Ptr> made = make_ca(authority_.key.get(), common_name.substr(0, 64), allowed,
                                 {options_.now - kSkew, options_.now + kCaLifetime});
  if (!made) return std::unexpected(made.error());
  authority_.certificate = std::move(*made);
  if (Status done = write_file(path("ca.key"), to_pem(authority_.key.get())); !done) return done;
  if (Status done = write_file(path("ca.pem"), to_pem(authority_.certificate.get())); !done) {
    return done;
  }
  out_.ca_made = true;
  return {};
}

Status DevCa::settle_authority() {
  Result<std::optional<Authority>> found = load_authority();
  if (!found) return std::unexpected(found.error());
  if (*found) {
    authority_ = std::move(**found);
    X509* ca = authority_.certificate.get();
    const bool usable =
        expiry_of(ca) > options_.now + kServerLifetime &&
        std::ranges::all_of(required_, [ca](const auto& name) { return allows_name(ca, name); });
    out_.ca_replaced = !usable;
  }
  if (!*found || out_.ca_replaced) {
    if (Status made = make_authority(); !made) return made;
  }
  names_ = required_;
  for (const std::string& name : extra_) {
    if (allows_name(authority_.certificate.get(), name)) names_.push_back(name);
  }
  return {};
}

bool DevCa::is_current(X509* certificate, EVP_PKEY* key) const {
  return belong_together(certificate, key) && names_of(certificate) == names_ &&
         expiry_of(certificate) > options_.now + kRenewBefore &&
         is_issued_by(certificate, authority_.certificate.get());
}

Result<KeyPtr> DevCa::server_key(const Kind& kind) const {
  const fs::path file = path(std::string("server-") + kind.name + ".key");
  const auto text = read_file(file);
  if (!text) return std::unexpected(text.error());
  if (*text) {
    if (KeyPtr key = key_from_pem(**text)) return key;
  }
  KeyPtr key = kind.make_key();
  if (!key) return fail(ErrorCode::kIoError, "no server key: " + take_openssl_error());
  if (Status done = write_file(file, to_pem(key.get())); !done)
    return std::unexpected(done.error());
  return key;
}

Result<CertificateAndKey> DevCa::server_certificate(const Kind& kind, bool& made) const {
  Result<KeyPtr> key = server_key(kind);
  if (!key) return std::unexpected(key.error());
  const fs::path file = path(std::string("server-") + kind.name + ".pem");
  const auto text = read_file(file);
  if (!text) return std::unexpected(text.error());
  if (*text) {
    const X509Ptr old = certificate_from_pem(**text);
    if (old && is_current(old.get(), key->get())) {
      return CertificateAndKey{**text, to_pem(key->get())};
    }
  }
  Result<X509Ptr> fresh = make_server_certificate(
      key->get(), names_, {options_.now - kSkew, options_.now + kServerLifetime},
      authority_.certificate.get(), authority_.key.get());
  if (!fresh) return std::unexpected(fresh.error());
  CertificateAndKey out{to_pem(fresh->get()), to_pem(key->get())};
  if (Status done = write_file(file, out.chain_pem); !done) return std::unexpected(done.error());
  made = true;
  return out;
}

Result<DevCertificates> DevCa::open() {
  if (Status done = make_directory(options_.directory); !done) return std::unexpected(done.error());
  if (Status done = settle_authority(); !done) return std::unexpected(done.error());
  std::error_code ignored;
  out_.rsa_deferred = options_.may_defer_rsa && !fs::exists(path("server-rsa.key"), ignored);
  for (const Kind& kind : {Kind{"p256", make_p256_key}, Kind{"rsa", make_rsa_key}}) {
    if (kind.make_key == make_rsa_key && out_.rsa_deferred) continue;
    Result<CertificateAndKey> one = server_certificate(kind, out_.certificates_made);
    if (!one) return std::unexpected(one.error());
    out_.certificates.push_back(std::move(*one));
  }
  if (out_.ca_made || out_.certificates_made) {
    if (Status done = sync_directory(options_.directory); !done)
      return std::unexpected(done.error());
  }
  out_.ca_file = path("ca.pem");
  out_.ca_pem = to_pem(authority_.certificate.get());
  out_.names = names_;
  return std::move(out_);
}

}  // namespace

Result<DevCertificates> open_dev_ca(const DevCaOptions& options) {
  HostNames wanted = options.names;
  wanted.insert(wanted.end(), {"localhost", "127.0.0.1", "::1"});
  Result<HostNames> required = checked_names(wanted);
  if (!required) return std::unexpected(required.error());
  HostNames extra;
  for (const std::string& name : options.extra_names) {
    const std::string lower = canonical_name(name);
    if (is_host_name(lower) && std::ranges::find(*required, lower) == required->end()) {
      extra.push_back(lower);
    }
  }
  return DevCa(options, std::move(*required), std::move(extra)).open();
}

HostNames machine_names() {
  char name[256] = {};
  if (::gethostname(name, sizeof(name) - 1) != 0 || !is_host_name(name)) return {};
  return {ascii_lower(name)};
}

}  // namespace linarite::net
