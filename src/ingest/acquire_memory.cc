#include "ingest/acquire_memory.h"

#include <boost/asio/this_coro.hpp>

#include "net/event.h"

namespace penstock::ingest {

namespace asio = boost::asio;

namespace {

struct Request {
  explicit Request(asio::any_io_executor executor)
      : granted(std::make_shared<net::Event>(executor)) {}
  std::shared_ptr<net::Event> granted;
  memory::MemoryLease lease;  // written before granted is set, read after
};

class Queued {
 public:
  Queued(memory::MemoryBudget& budget, memory::MemoryBudget::Ticket ticket)
      : budget_(budget), ticket_(ticket) {}
  ~Queued() {
    if (ticket_ != 0) budget_.cancel(ticket_);
  }
  Queued(const Queued&) = delete;
  Queued& operator=(const Queued&) = delete;

 private:
  memory::MemoryBudget& budget_;
  memory::MemoryBudget::Ticket ticket_;
};

}  // namespace

asio::awaitable<memory::MemoryLease> acquire_memory(memory::MemoryBudget& budget, size_t bytes,
                                                    net::WaitLimit* limit,
                                                    memory::Purpose purpose) {
  memory::MemoryLease lease = budget.try_acquire(bytes, nullptr, purpose);
  if (lease) co_return lease;
  const auto executor = co_await asio::this_coro::executor;
  const auto request = std::make_shared<Request>(executor);
  auto on_grant = [request](memory::MemoryLease granted) {
    request->lease = std::move(granted);
    request->granted->set();
  };
  const auto ticket = budget.acquire(bytes, on_grant, nullptr, purpose);
  const Queued queued(budget, ticket);
  if (limit != nullptr) limit->watch(request->granted);
  co_await request->granted->wait();
  // A lease granted at this very moment, on another thread, goes back with the request.
  if (limit != nullptr && limit->passed()) co_return memory::MemoryLease();
  co_return std::move(request->lease);
}

asio::awaitable<memory::MemoryLease> acquire_additional_memory(memory::MemoryBudget& budget,
                                                               memory::MemoryLease& held,
                                                               size_t bytes,
                                                               net::WaitLimit* limit) {
  memory::MemoryLease lease;
  if (bytes > budget.lease_max()) co_return lease;
  if (!held.large()) {
    lease = co_await acquire_memory(budget, bytes, limit, memory::Purpose::whole);
  } else if (budget.try_resize(held, held.bytes() + bytes)) {
    lease = held.split(bytes);
  }
  co_return lease;
}

}  // namespace penstock::ingest
