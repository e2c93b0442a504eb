// run_aside(): a function that takes long, on the second thread of an IoThread, awaited on its
// loop.
//
// What the function refers to may live in the awaiting coroutine: it is not destroyed before the
// second thread has ended.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "net/event.h"
#include "net/io_thread.h"

namespace penstock::net {

// Thread: that IoThread. Exceptions of the function come out here.
template <class Function>
asio::awaitable<std::invoke_result_t<Function>> run_aside(IoThread& thread, Function function) {
  struct Outcome {
    std::optional<std::invoke_result_t<Function>> value;
    std::exception_ptr error;
  };
  const auto outcome = std::make_shared<Outcome>();
  const auto done = std::make_shared<Event>(thread.context().get_executor());
  asio::post(thread.aside(), [outcome, done, work = std::move(function)]() mutable {
    try {
      outcome->value.emplace(work());
    } catch (...) {
      outcome->error = std::current_exception();
    }
    done->set();
  });
  co_await done->wait();
  if (outcome->error) std::rethrow_exception(outcome->error);
  co_return std::move(*outcome->value);
}

// The same for what may be short: then it runs here and now.
template <class Function>
asio::awaitable<std::invoke_result_t<Function>> run_aside_if(bool is_long, IoThread& thread,
                                                             Function function) {
  if (is_long) co_return co_await run_aside(thread, std::move(function));
  co_return function();
}

}  // namespace penstock::net
