// The same coroutine for many things, some of them at a time.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <functional>

namespace linarite::cli {

struct ParallelWork {
  size_t workers = 1;
  size_t count = 0;
  // With things from 0 to count - 1, begun in this order; `worker` counts from 0. What it throws
  // ends all.
  std::function<boost::asio::awaitable<void>(size_t thing, size_t worker)> one;
  // True: begin no more. May be empty.
  std::function<bool()> stopped;
};

// Returns when nothing is under way any more; throws what the first that failed has thrown. On one
// thread.
boost::asio::awaitable<void> in_parallel(boost::asio::any_io_executor executor, ParallelWork work);

}  // namespace linarite::cli
