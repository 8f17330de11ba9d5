#include "net/transport.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace linarite::net {

std::string take_openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown TLS error" : reason;
}

namespace {

constexpr size_t kStagedMax = 4096;  // The usual flight of a client is a third of it.

// What is left of another's call would be taken for an error of the next. To ask is cheaper than to
// clear what is empty.
void forget_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

}  // namespace

Transport::Transport(int descriptor, std::shared_ptr<const TlsEndpoint> tls)
    : socket_(descriptor), uses_tls_(tls != nullptr), endpoint_(std::move(tls)) {}

Io Transport::fail(std::string reason) {
  if (failure_.empty()) failure_ = std::move(reason);
  return Io::kFailed;
}

Io Transport::receive(char* out, size_t size, size_t& count) {
  const Io io = socket_.receive(out, size, count);
  if (io == Io::kWantTurn) grant_exhausted_ = true;
  return io == Io::kFailed ? fail(strerror(errno)) : io;
}

Io Transport::transmit(ByteView bytes, size_t& count) {
  const Io io = socket_.transmit(bytes, count);
  return io == Io::kFailed ? fail(strerror(errno)) : io;
}

// OpenSSL asks for the header of a record and then for the rest: one system call fetches both.
Io Transport::receive_staged(char* out, size_t size, size_t& count) {
  if (staged_taken_ == staged_.size()) {
    if (!secrets_) return receive(out, size, count);
    staged_.clear();
    staged_taken_ = 0;
    size_t received = 0;
    std::array<char, kStagedMax> bytes;
    if (const Io io = receive(bytes.data(), bytes.size(), received); io != Io::kDone) return io;
    staged_.assign(bytes.data(), received);
  }
  count = staged_.copy(out, size, staged_taken_);
  staged_taken_ += count;
  return Io::kDone;
}

int Transport::bio_read(BIO* bio, char* out, int size) {
  auto& self = *static_cast<Transport*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const size_t limit = self.handshake_done_ ? kSilentBytesMax : kHandshakeBytesMax;
  if (self.silent_bytes_ >= limit) {
    self.fail(self.handshake_done_ ? "too many TLS records without data" : "handshake too long");
    return -1;
  }
  size_t count = 0;
  switch (self.receive_staged(out, static_cast<size_t>(size), count)) {
    case Io::kDone:
      self.silent_bytes_ += count;
      return static_cast<int>(count);
    case Io::kWantRead:
    case Io::kWantTurn:
      BIO_set_retry_read(bio);
      return -1;
    case Io::kEnd:
      self.fail("connection closed without TLS goodbye");
      return 0;
    default:
      return -1;
  }
}

int Transport::bio_write(BIO* bio, const char* bytes, int size) {
  auto& self = *static_cast<Transport*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  size_t count = 0;
  const Io io = self.transmit(ByteView(bytes, static_cast<size_t>(size)), count);
  if (io == Io::kDone) return static_cast<int>(count);
  if (io == Io::kWantWrite) BIO_set_retry_write(bio);
  return -1;
}

long Transport::bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;  // Nothing is buffered, so a flush succeeds.
}

const BIO_METHOD* Transport::bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "linarite socket");
    CHECK(made != nullptr);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

Io Transport::start_tls() {
  ssl_ = endpoint_->new_connection();
  BIO* bio = ssl_ ? BIO_new(bio_method()) : nullptr;
  if (bio == nullptr) return fail("no memory for a TLS connection");
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);  // Owned by ssl_ from here on.
  if (TlsSecrets::are_told_by(ssl_.get())) {
    secrets_ = std::make_unique<TlsSecrets>();
    SSL_set_app_data(ssl_.get(), secrets_.get());
  } else {
    read_ahead();
  }
  if (endpoint_->is_server()) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
  endpoint_.reset();
  return Io::kDone;
}

// One system call fetches all records that are there, instead of two for each record.
void Transport::read_ahead() { SSL_set_read_ahead(ssl_.get(), 1); }

void Transport::detach() {
  const std::unique_ptr<TlsSecrets> secrets = std::move(secrets_);
  if (!secrets) return;
  SSL_set_app_data(ssl_.get(), nullptr);
  detached_ = DetachedTls::take_over(ssl_.get(), *secrets, socket_, staged_.substr(staged_taken_));
  if (!detached_) return read_ahead();
  Bytes().swap(staged_);
  staged_taken_ = 0;
  SSL_set_quiet_shutdown(ssl_.get(), 1);
  ssl_.reset();
}

Io Transport::outcome(int result) {
  if (!failure_.empty()) {
    ERR_clear_error();
    return Io::kFailed;
  }
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return std::exchange(grant_exhausted_, false) ? Io::kWantTurn : Io::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return Io::kWantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Io::kEnd;
    default:
      return fail(take_openssl_error());
  }
}

Io Transport::handshake(bool& advanced) {
  if (!uses_tls_) return Io::kDone;
  if (!failure_.empty()) return Io::kFailed;
  if (!ssl_ && start_tls() == Io::kFailed) return Io::kFailed;
  forget_errors();
  const OSSL_HANDSHAKE_STATE before = SSL_get_state(ssl_.get());
  const int result = SSL_do_handshake(ssl_.get());
  advanced = SSL_get_state(ssl_.get()) != before;
  if (result != 1) {
    const Io io = outcome(result);
    const long verified = SSL_get_verify_result(ssl_.get());
    if (io == Io::kFailed && verified != X509_V_OK) {
      failure_ += std::string(": ") + X509_verify_cert_error_string(verified);
    }
    return io;
  }
  handshake_done_ = true;
  silent_bytes_ = 0;
  return Io::kDone;
}

Io Transport::read(char* out, size_t size, size_t& count, bool& drained) {
  if (detached_) {
    const Io io = detached_->read({out, size}, count, drained);
    return io == Io::kFailed ? fail(detached_->failure()) : io;
  }
  if (!ssl_) {
    const Io io = receive(out, size, count);
    drained = io == Io::kDone && socket_.took_all();
    return io;
  }
  forget_errors();
  const int result = SSL_read_ex(ssl_.get(), out, size, &count);
  if (result != 1) return outcome(result);
  silent_bytes_ = 0;
  drained =
      socket_.took_all() && staged_taken_ == staged_.size() && SSL_has_pending(ssl_.get()) == 0;
  return Io::kDone;
}

Io Transport::write(ByteView bytes, size_t& count) {
  if (detached_) {
    const Io io = detached_->write(bytes, count);
    return io == Io::kFailed ? fail(detached_->failure()) : io;
  }
  if (!ssl_) return transmit(bytes, count);
  forget_errors();
  // One record at most: with partial writes on, OpenSSL would return after each anyway.
  const size_t size = std::min(bytes.size(), kRecordSize);
  const int result = SSL_write_ex(ssl_.get(), bytes.data(), size, &count);
  return result == 1 ? Io::kDone : outcome(result);
}

Io Transport::say_goodbye() {
  if (detached_ && detached_->say_goodbye() == Io::kWantWrite) return Io::kWantWrite;
  detached_.reset();
  if (ssl_ && handshake_done_ && failure_.empty()) {
    ERR_clear_error();
    const int result = SSL_shutdown(ssl_.get());
    if (result < 0 && outcome(result) == Io::kWantWrite) return Io::kWantWrite;
  }
  ssl_.reset();
  ERR_clear_error();
  ::shutdown(socket_.descriptor(), SHUT_WR);
  return Io::kDone;
}

std::string Transport::tls_version() const { return ssl_ ? SSL_get_version(ssl_.get()) : ""; }

std::string Transport::peer_certificate() const {
  X509* leaf = ssl_ ? SSL_get0_peer_certificate(ssl_.get()) : nullptr;
  unsigned char* der = nullptr;
  const int size = leaf == nullptr ? 0 : i2d_X509(leaf, &der);
  if (size <= 0) return {};
  std::string out(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

}  // namespace linarite::net
