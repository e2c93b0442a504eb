// lend(): a session waits for memory. Thread: the session's IoThread.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "ingest/wait_limit.h"
#include "memory/memory_budget.h"

namespace penstock::ingest {

// bytes from the budget, however long it takes; with a limit: an empty lease once that has passed.
// A coroutine destroyed while it waits leaves the queue.
boost::asio::awaitable<memory::MemoryLease> lend(memory::MemoryBudget& budget, size_t bytes,
                                                 WaitLimit* limit = nullptr);

// For who holds memory already. Others may be waiting for the one large loan: who has it waits for
// nothing, but gets more of it as long as there is more. Empty: there is not, or can never be.
boost::asio::awaitable<memory::MemoryLease> lend_beside(memory::MemoryBudget& budget,
                                                        memory::MemoryLease& held, size_t bytes,
                                                        WaitLimit* limit = nullptr);

}  // namespace penstock::ingest
