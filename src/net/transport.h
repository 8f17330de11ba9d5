// One non-blocking TCP socket with or without TLS on it: reads, writes and handshakes as far as the
// socket allows and says what it waits for. It never blocks and knows no loop; an idle one has no
// buffer.
//
// With TLS, OpenSSL reads and writes through a BIO of ours. That is where a peer's appetite is
// bounded: a grant of ciphertext bytes per turn, a limit for the whole handshake, and a limit for
// bytes that bring no data (KeyUpdate, tickets, empty records). A server's connection in TLS 1.3
// goes on without OpenSSL's SSL object after the handshake (detached_tls.h), if its context says
// so.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "net/detached_tls.h"
#include "net/granted_socket.h"
#include "net/openssl_types.h"
#include "net/tls_context.h"

namespace linarite::net {

class Transport {
 public:
  static constexpr size_t kHandshakeBytesMax = 128U << 10U;
  static constexpr size_t kSilentBytesMax = DetachedTls::kSilentBytesMax;
  static constexpr size_t kRecordSize = TlsRecords::kPlainMax;

  // The descriptor must be non-blocking and stays the caller's. `tls` may be null: plain TCP.
  Transport(int descriptor, std::shared_ptr<const TlsEndpoint> tls);
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  bool tls() const { return uses_tls_; }
  // True while a TLS server has not begun its handshake.
  bool waits_for_client_hello() const { return endpoint_ && endpoint_->is_server(); }

  // Allows this many more bytes to be taken from the socket; what was left of the last grant is
  // gone.
  void grant(size_t bytes) { socket_.grant(bytes); }

  // kDone at once without TLS. `advanced`: a message was taken or sent; what is only a part of one
  // costs next to nothing. The SSL object (8 KB) is made by the first call: a server that waits
  // for the first byte before it calls spends little on a peer that connects and stays silent.
  Io handshake(bool& advanced);
  // Lets the SSL object go, if OpenSSL is not needed any more: after the handshake and before the
  // first read or write. What the two below say is not known afterwards.
  void detach();
  // Before another thread goes on with the connection.
  void leave_thread() {
    if (detached_) detached_->leave_thread();
  }
  std::string tls_version() const;
  // DER of the peer's leaf certificate, empty if it sent none.
  std::string peer_certificate() const;
  // Reads at most `size` bytes; `count` is set with kDone. `drained` is then true if nothing is
  // left here, and nothing was left in the socket when it was read last.
  Io read(char* out, size_t size, size_t& count, bool& drained);
  // Writes from the front of `bytes`; `count` is set with kDone. After kWantRead or kWantWrite the
  // next call must begin with the same bytes and be no shorter.
  Io write(ByteView bytes, size_t& count);
  // Sends TLS close_notify (kDone: it left or cannot leave) and then the end of the TCP stream.
  // After it nothing may be written; TLS is gone, read() gives raw bytes, to be thrown away.
  Io say_goodbye();

  const std::string& failure() const { return failure_; }

 private:
  static const BIO_METHOD* bio_method();
  static int bio_read(BIO* bio, char* out, int size);
  static int bio_write(BIO* bio, const char* bytes, int size);
  static long bio_control(BIO* bio, int command, long number, void* pointer);

  Io receive(char* out, size_t size, size_t& count);
  Io transmit(ByteView bytes, size_t& count);
  Io receive_staged(char* out, size_t size, size_t& count);
  Io start_tls();
  void read_ahead();
  Io outcome(int result);
  Io fail(std::string reason);

  GrantedSocket socket_;
  const bool uses_tls_;
  bool handshake_done_ = false;
  bool grant_exhausted_ = false;  // Why the BIO last asked for a retry.
  size_t silent_bytes_ = 0;       // Taken since the last byte of data (or since the beginning).
  std::shared_ptr<const TlsEndpoint> endpoint_;  // Until the handshake has begun.
  SslPtr ssl_;
  // While the SSL object may be let go: OpenSSL is given no byte more than it asks for, and what
  // was received beyond waits here.
  std::unique_ptr<TlsSecrets> secrets_;
  Bytes staged_;
  size_t staged_taken_ = 0;
  std::unique_ptr<DetachedTls> detached_;
  std::string failure_;
};

}  // namespace linarite::net
