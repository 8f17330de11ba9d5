// A TLS 1.3 connection of a server after OpenSSL has done its handshake and left: the records on a
// socket, and the two buffers that a partly received or partly sent record needs. An idle
// connection has neither.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/bytes.h"
#include "net/granted_socket.h"
#include "net/tls_records.h"

namespace linarite::net {

// What OpenSSL tells of a handshake to those who ask (SSL_CTX_set_keylog_callback): the secrets
// under which the connection goes on. Overwritten when it goes.
class TlsSecrets {
 public:
  ~TlsSecrets();
  // Makes the context tell each connection's secrets to what SSL_set_app_data() names, if anything.
  static void ask_for(SSL_CTX* context);
  static bool are_told_by(SSL* ssl);

  Bytes client;
  Bytes server;

 private:
  static void on_line(const SSL* ssl, const char* line);
  void take(ByteView line);
};

class DetachedTls {
 public:
  // Bytes taken since the last data.
  static constexpr size_t kSilentBytesMax = 64U << 10U;

  // Takes over from `ssl`, whose handshake is done and whose BIO gave it no byte more than it asked
  // for; `received` is what the BIO has left. Null if OpenSSL has to go on: not TLS 1.3, or another
  // record size was agreed on. The socket must outlive it.
  static std::unique_ptr<DetachedTls> take_over(SSL* ssl, const TlsSecrets& secrets,
                                                GrantedSocket& socket, Bytes received);

  // As Transport::read() and write().
  Io read(std::span<char> out, size_t& count, bool& drained);
  Io write(ByteView bytes, size_t& count);
  void leave_thread() { records_.leave_thread(); }
  // kDone: close_notify left or cannot leave. kWantWrite: call again.
  Io say_goodbye();
  const std::string& failure() const { return failure_; }

 private:
  DetachedTls(const TlsSuite& suite, const TlsSecrets& secrets, GrantedSocket& socket,
              Bytes received);
  Io receive();
  Io flush();
  Io fail(std::string why);
  void let_go_of_received();

  GrantedSocket& socket_;
  TlsRecords records_;
  Bytes received_;  // Not opened from opened_ on.
  size_t opened_ = 0;
  Bytes sealed_;  // Not sent from sent_ on.
  size_t sent_ = 0;
  size_t untold_ = 0;  // Data in sealed_ of which write() has not said that it was taken.
  size_t silent_bytes_ = 0;
  bool goodbye_sealed_ = false;
  std::string failure_;
};

}  // namespace linarite::net
