#include "net/socket_events.h"

#include <errno.h>
#include <sys/epoll.h>

#include <array>
#include <system_error>

namespace linarite::net {

SocketEvents::SocketEvents() : set_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!set_.valid()) throw std::system_error(errno, std::generic_category(), "epoll_create1");
}

bool SocketEvents::watch(int socket, Watcher& watcher) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &watcher;
  return ::epoll_ctl(set_.get(), EPOLL_CTL_ADD, socket, &event) == 0;
}

void SocketEvents::unwatch(int socket) {
  epoll_event ignored{};
  ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, socket, &ignored);
}

size_t SocketEvents::dispatch() {
  std::array<epoll_event, kEventsPerDispatch> events;
  const int count = ::epoll_wait(set_.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const uint32_t what = events[static_cast<size_t>(i)].events;
    const bool ended = (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    static_cast<Watcher*>(events[static_cast<size_t>(i)].data.ptr)
        ->on_ready({.readable = ended || (what & EPOLLIN) != 0,
                    .writable = (what & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0,
                    .ended = ended});
  }
  return count > 0 ? static_cast<size_t>(count) : 0;
}

}  // namespace linarite::net
