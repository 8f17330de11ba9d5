#include "cli/bench/in_parallel.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <memory>
#include <utility>

namespace linarite::cli {
namespace {

namespace asio = boost::asio;

struct State {
  ParallelWork work;
  asio::steady_timer over;
  size_t next = 0;
  size_t running = 0;
  std::exception_ptr failure;

  State(const asio::any_io_executor& executor, ParallelWork given)
      : work(std::move(given)), over(executor, asio::steady_timer::time_point::max()) {}
  bool may_begin() const {
    return next < work.count && !failure && (!work.stopped || !work.stopped());
  }
};

asio::awaitable<void> run_worker(std::shared_ptr<State> state, size_t number) {
  try {
    while (state->may_begin()) {
      const size_t thing = state->next++;
      co_await state->work.one(thing, number);
    }
  } catch (...) {
    if (!state->failure) state->failure = std::current_exception();
  }
  if (--state->running == 0) state->over.cancel();
}

}  // namespace

asio::awaitable<void> in_parallel(asio::any_io_executor executor, ParallelWork work) {
  const auto state = std::make_shared<State>(executor, std::move(work));
  const size_t workers = std::min(std::max<size_t>(state->work.workers, 1), state->work.count);
  state->running = workers;
  for (size_t i = 0; i < workers; ++i) {
    asio::co_spawn(executor, run_worker(state, i), asio::detached);
  }
  while (state->running > 0) {
    co_await state->over.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  if (state->failure) std::rethrow_exception(state->failure);
}

}  // namespace linarite::cli
