#include "ingest/lend.h"

#include <boost/asio/this_coro.hpp>

#include "net/event.h"

namespace penstock::ingest {

namespace asio = boost::asio;

namespace {

struct Loan {
  explicit Loan(asio::any_io_executor executor) : granted(std::make_shared<net::Event>(executor)) {}
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

asio::awaitable<memory::MemoryLease> lend(memory::MemoryBudget& budget, size_t bytes,
                                          WaitLimit* limit) {
  memory::MemoryLease lease = budget.try_acquire(bytes);
  if (lease) co_return lease;
  const auto executor = co_await asio::this_coro::executor;
  const auto loan = std::make_shared<Loan>(executor);
  const auto ticket = budget.acquire(bytes, [loan](memory::MemoryLease granted) {
    loan->lease = std::move(granted);
    loan->granted->set();
  });
  const Queued queued(budget, ticket);
  if (limit != nullptr) limit->watch(loan->granted);
  co_await loan->granted->wait();
  // What is granted at this very moment, on another thread, goes back with the loan.
  if (limit != nullptr && limit->passed()) co_return memory::MemoryLease();
  co_return std::move(loan->lease);
}

asio::awaitable<memory::MemoryLease> lend_beside(memory::MemoryBudget& budget,
                                                 memory::MemoryLease& held, size_t bytes,
                                                 WaitLimit* limit) {
  memory::MemoryLease lease;
  if (bytes > budget.loan_max()) co_return lease;
  if (!held.large()) {
    lease = co_await lend(budget, bytes, limit);
  } else if (budget.try_resize(held, held.bytes() + bytes)) {
    lease = held.split(bytes);
  }
  co_return lease;
}

}  // namespace penstock::ingest
