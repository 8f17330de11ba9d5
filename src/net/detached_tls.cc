#include "net/detached_tls.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace linarite::net {
namespace {

// Read at once: the largest record, or many small ones.
constexpr size_t kReceiveSize = TlsRecords::kHeaderSize + TlsRecords::kSealedMax;

// A buffer that goes from one connection of a thread to the next, so that none keeps its own.
class SpareBuffer {
 public:
  void lend(Bytes& to) {
    if (to.empty()) to.swap(buffer_);
  }
  void take_back(Bytes& from) {
    from.clear();
    if (buffer_.capacity() < from.capacity()) buffer_.swap(from);
    Bytes().swap(from);
  }

 private:
  Bytes buffer_;
};

thread_local SpareBuffer spare_received;
thread_local SpareBuffer spare_sealed;

}  // namespace

// The secrets.

TlsSecrets::~TlsSecrets() {
  OPENSSL_cleanse(client.data(), client.size());
  OPENSSL_cleanse(server.data(), server.size());
}

void TlsSecrets::ask_for(SSL_CTX* context) { SSL_CTX_set_keylog_callback(context, on_line); }

bool TlsSecrets::are_told_by(SSL* ssl) {
  return SSL_CTX_get_keylog_callback(SSL_get_SSL_CTX(ssl)) == on_line;
}

void TlsSecrets::on_line(const SSL* ssl, const char* line) {
  auto* const secrets = static_cast<TlsSecrets*>(SSL_get_app_data(ssl));
  if (secrets != nullptr) secrets->take(line);
}

// "LABEL client_random secret", the latter two in hexadecimal.
void TlsSecrets::take(ByteView line) {
  Bytes* const field = line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")   ? &client
                       : line.starts_with("SERVER_TRAFFIC_SECRET_0 ") ? &server
                                                                      : nullptr;
  if (field == nullptr) return;
  const std::string_view hex = line.substr(line.rfind(' ') + 1);
  field->resize(hex.size() / 2);
  for (size_t i = 0; i < field->size(); ++i) {
    (*field)[i] =
        static_cast<char>(OPENSSL_hexchar2int(static_cast<unsigned char>(hex[2 * i])) << 4 |
                          OPENSSL_hexchar2int(static_cast<unsigned char>(hex[2 * i + 1])));
  }
}

// The connection.

std::unique_ptr<DetachedTls> DetachedTls::take_over(SSL* ssl, const TlsSecrets& secrets,
                                                    GrantedSocket& socket, Bytes received) {
  const SSL_CIPHER* const cipher = SSL_get_current_cipher(ssl);
  const TlsSuite* const suite =
      cipher == nullptr ? nullptr : tls_suite(SSL_CIPHER_get_protocol_id(cipher));
  const bool possible = suite != nullptr && SSL_version(ssl) == TLS1_3_VERSION &&
                        secrets.client.size() == suite->secret_size &&
                        secrets.server.size() == suite->secret_size &&
                        SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl)) == 0;
  if (!possible) return nullptr;
  return std::unique_ptr<DetachedTls>(
      new DetachedTls(*suite, secrets, socket, std::move(received)));
}

DetachedTls::DetachedTls(const TlsSuite& suite, const TlsSecrets& secrets, GrantedSocket& socket,
                         Bytes received)
    : socket_(socket),
      records_(suite, secrets.client, secrets.server),
      received_(std::move(received)) {}

Io DetachedTls::fail(std::string why) {
  if (failure_.empty()) failure_ = std::move(why);
  return Io::kFailed;
}

Io DetachedTls::read(std::span<char> out, size_t& count, bool& drained) {
  if (!failure_.empty()) return Io::kFailed;
  while (true) {
    const auto opened = records_.open(ByteView(received_).substr(opened_), out, sealed_);
    opened_ += opened.taken;
    switch (opened.kind) {
      case TlsRecords::Kind::kIncomplete:
        if (const Io io = receive(); io != Io::kDone) return io;
        break;
      case TlsRecords::Kind::kNoRoom:
        return Io::kWantTurn;
      case TlsRecords::Kind::kSilent:
        break;
      case TlsRecords::Kind::kData:
        if (opened.size == 0) break;
        count = opened.size;
        silent_bytes_ = 0;
        drained = socket_.took_all() && !TlsRecords::whole(ByteView(received_).substr(opened_));
        if (drained) let_go_of_received();
        return Io::kDone;
      case TlsRecords::Kind::kClosed:
        return Io::kEnd;
      case TlsRecords::Kind::kFailed:
        fail(records_.failure());
        flush();
        return Io::kFailed;
    }
  }
}

// A part of a record is kept in no more room than it needs.
void DetachedTls::let_go_of_received() {
  received_.erase(0, std::exchange(opened_, 0));
  if (received_.empty()) {
    spare_received.take_back(received_);
  } else {
    received_.shrink_to_fit();
  }
}

Io DetachedTls::receive() {
  if (silent_bytes_ >= kSilentBytesMax) return fail("too many TLS records without data");
  received_.erase(0, std::exchange(opened_, 0));
  spare_received.lend(received_);
  const size_t before = received_.size();
  size_t count = 0;
  Io io = Io::kDone;
  received_.resize_and_overwrite(kReceiveSize, [&](char* begin, size_t) {
    io = socket_.receive(begin + before, kReceiveSize - before, count);
    return before + (io == Io::kDone ? count : 0);
  });
  silent_bytes_ += count;
  if (io == Io::kFailed) return fail(strerror(errno));
  if (io == Io::kEnd) return fail("connection closed without TLS goodbye");
  if (io != Io::kDone) let_go_of_received();
  return io;
}

Io DetachedTls::write(ByteView bytes, size_t& count) {
  if (!failure_.empty()) return Io::kFailed;
  if (untold_ == 0) {
    untold_ = std::min(bytes.size(), TlsRecords::kPlainMax);
    if (sealed_.empty()) spare_sealed.lend(sealed_);
    records_.seal(bytes.substr(0, untold_), sealed_);
  }
  const Io io = flush();
  if (io == Io::kDone) count = std::exchange(untold_, 0);
  return io;
}

Io DetachedTls::flush() {
  while (sent_ < sealed_.size()) {
    size_t count = 0;
    const Io io = socket_.transmit(ByteView(sealed_).substr(sent_), count);
    if (io == Io::kFailed) return fail(strerror(errno));
    if (io != Io::kDone) return io;
    sent_ += count;
  }
  spare_sealed.take_back(sealed_);
  sent_ = 0;
  return Io::kDone;
}

Io DetachedTls::say_goodbye() {
  if (!failure_.empty()) return Io::kDone;
  if (!std::exchange(goodbye_sealed_, true)) records_.seal_close_notify(sealed_);
  return flush() == Io::kWantWrite ? Io::kWantWrite : Io::kDone;
}

}  // namespace linarite::net
