// How an operation's result finds its way to a completion token. Nothing here is for applications.
//
// No object of Asio crosses into the library: a handler is wrapped here, in the caller's own code,
// and the library sees one virtual function. So library and application may be built with
// different versions of Boost.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <tuple>
#include <utility>

#include <linarite/error.h>

namespace linarite {
inline namespace v1 {
namespace detail {

using operation_id = std::uint64_t;
LINARITE_API operation_id next_operation_id() noexcept;

// Called once, on a thread of the SDK.
template <class... Results>
class completion_target {
 public:
  virtual ~completion_target() = default;
  virtual void complete(error, Results...) = 0;
};
template <class... Results>
using completion = std::unique_ptr<completion_target<Results...>>;

// Posts the handler to its associated executor (the client's if it has none). The client's executor
// is kept busy until the handler is called, the handler's own until it returned; nothing here
// touches either after that, so a handler's end may be the end of its execution context.
template <class Handler, class... Results>
class handler_target final : public completion_target<Results...> {
 public:
  handler_target(Handler handler, const boost::asio::any_io_executor& client)
      : handler_(std::move(handler)),
        client_work_(client),
        work_(boost::asio::get_associated_executor(handler_, client)) {}
  // Whatever lets go of an operation, its handler is called.
  ~handler_target() override {
    if (!called_) complete(errc::closed, Results{}...);
  }

  void complete(error why, Results... results) override {
    called_ = true;
    const auto executor = work_.get_executor();
    // The guards go with the handler: this object is destroyed at some later time, on another
    // thread.
    boost::asio::post(executor, [client_work = std::move(client_work_), work = std::move(work_),
                                 handler = std::move(handler_), why = std::move(why),
                                 values = std::make_tuple(std::move(results)...)]() mutable {
      client_work.reset();
      auto slot = boost::asio::get_associated_cancellation_slot(handler);
      if (slot.is_connected()) slot.clear();
      std::apply([&](auto&... value) { std::move(handler)(std::move(why), std::move(value)...); },
                 values);
    });
  }

 private:
  Handler handler_;
  boost::asio::executor_work_guard<boost::asio::any_io_executor> client_work_;
  boost::asio::executor_work_guard<
      boost::asio::associated_executor_t<Handler, boost::asio::any_io_executor>>
      work_;
  bool called_ = false;
};

// Starts an operation for a completion token. `start` gets the operation's id and its completion;
// `cancel` may be called with the id, on any thread, until the handler was called.
template <class... Results, class Token, class Start, class Cancel>
auto initiate(const boost::asio::any_io_executor& executor, Token&& token, Start start,
              Cancel cancel) {
  return boost::asio::async_initiate<Token, void(error, Results...)>(
      [executor](auto handler, Start start, Cancel cancel) {  // NOLINT: Asio moves all three.
        using Handler = std::decay_t<decltype(handler)>;
        const operation_id id = next_operation_id();
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) {
          slot.assign(
              [id, cancel = std::move(cancel)](boost::asio::cancellation_type) { cancel(id); });
        }
        start(id,
              std::make_unique<handler_target<Handler, Results...>>(std::move(handler), executor));
      },
      token, std::move(start), std::move(cancel));
}

// Turns the error of an operation into the exception that coroutines and futures throw.
template <class Handler>
struct throwing_handler {
  Handler handler;

  template <class... Results>
  void operator()(error why, Results&&... results) {
    std::move(handler)(why ? std::make_exception_ptr(exception(std::move(why))) : nullptr,
                       std::forward<Results>(results)...);
  }
};

template <class Token, class... Results>
struct throwing_result {
  template <class Initiation, class... Args>
  static auto initiate(Initiation initiation, Token token, Args... args) {
    return boost::asio::async_initiate<Token, void(std::exception_ptr, Results...)>(
        [](auto handler, Initiation inner, auto... values) {
          std::move(inner)(throwing_handler<std::decay_t<decltype(handler)>>{std::move(handler)},
                           std::move(values)...);
        },
        token, std::move(initiation), std::move(args)...);
  }
};

}  // namespace detail
}  // namespace v1
}  // namespace linarite

// What is associated with the handler inside (executor, allocator, cancellation) counts.
template <template <class, class> class Associator, class Handler, class Default>
struct boost::asio::associator<Associator, linarite::detail::throwing_handler<Handler>, Default> {
  using type = typename Associator<Handler, Default>::type;
  static type get(const linarite::detail::throwing_handler<Handler>& outer,
                  const Default& fallback = Default()) noexcept {
    return Associator<Handler, Default>::get(outer.handler, fallback);
  }
};

// Asio's point of customisation, for our error type: these tokens throw linarite::exception.
template <class Executor, class... Results>
class boost::asio::async_result<boost::asio::use_awaitable_t<Executor>,
                                void(linarite::error, Results...)>
    : public linarite::detail::throwing_result<boost::asio::use_awaitable_t<Executor>, Results...> {
};

template <class Allocator, class... Results>
class boost::asio::async_result<boost::asio::use_future_t<Allocator>,
                                void(linarite::error, Results...)>
    : public linarite::detail::throwing_result<boost::asio::use_future_t<Allocator>, Results...> {};
