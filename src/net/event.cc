#include "net/event.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace penstock::net {

void Event::set() {
  if (set_.exchange(true, std::memory_order_acq_rel)) return;
  asio::post(timer_.get_executor(), [self = shared_from_this()] { self->timer_.cancel(); });
}

asio::awaitable<void> Event::wait() {
  const auto self = shared_from_this();
  if (is_set()) co_return;
  // The post in set() runs on this thread, so it cannot slip between these two lines.
  timer_.expires_at(asio::steady_timer::time_point::max());
  co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace penstock::net
