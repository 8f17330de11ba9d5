#include "net/granted_socket.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>

namespace linarite::net {

Io GrantedSocket::receive(char* out, size_t size, size_t& count) {
  if (grant_ == 0) return Io::kWantTurn;
  ssize_t got = 0;
  const size_t most = std::min(size, grant_);
  do {
    got = ::recv(descriptor_, out, most, 0);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return Io::kEnd;
  if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? Io::kWantRead : Io::kFailed;
  count = static_cast<size_t>(got);
  took_all_ = count < most;
  grant_ -= count;
  return Io::kDone;
}

Io GrantedSocket::transmit(ByteView bytes, size_t& count) {
  ssize_t sent = 0;
  do {
    sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? Io::kWantWrite : Io::kFailed;
  count = static_cast<size_t>(sent);
  return Io::kDone;
}

}  // namespace linarite::net
