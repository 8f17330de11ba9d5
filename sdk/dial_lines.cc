#include "sdk/dial_lines.h"

#include <utility>

namespace linarite::sdk {

void DialLines::wait(const std::string& server, Start start) {
  Line& line = (*lines_)[server];
  if (line.taken >= kDialsMax) {
    line.waiting.push_back(std::move(start));
    return;
  }
  ++line.taken;
  give_place(lines_, loop_, server, std::move(start));
}

void DialLines::give_place(const std::shared_ptr<Lines>& lines, Loop& loop,
                           const std::string& server, Start start) {
  start(std::shared_ptr<void>(nullptr, [weak = std::weak_ptr(lines), &loop, server](void*) {
    if (const auto still = weak.lock()) leave(still, loop, server);
  }));
}

void DialLines::leave(const std::shared_ptr<Lines>& lines, Loop& loop, const std::string& server) {
  Line& line = lines->at(server);
  if (line.waiting.empty()) {
    if (--line.taken == 0) lines->erase(server);
    return;
  }
  // The place goes to the next one, which must not start inside whatever the last one is doing.
  auto next = std::move(line.waiting.front());
  line.waiting.pop_front();
  loop.post([weak = std::weak_ptr(lines), &loop, server, next = std::move(next)]() mutable {
    if (const auto still = weak.lock()) give_place(still, loop, server, std::move(next));
  });
}

}  // namespace linarite::sdk
