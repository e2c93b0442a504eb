// lend(): a session waits for memory. Thread: the session's IoThread.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "record/memory_budget.h"

namespace penstock::ingest {

// bytes from the budget, however long it takes. A coroutine destroyed while it waits leaves the
// queue.
boost::asio::awaitable<record::MemoryLease> lend(record::MemoryBudget& budget, size_t bytes);

}  // namespace penstock::ingest
