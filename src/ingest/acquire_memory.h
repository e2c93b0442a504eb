// acquire_memory(): a session waits for a lease of the memory budget.
//
// Thread: the session's IoThread.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "memory/memory_budget.h"
#include "net/wait_limit.h"

namespace penstock::ingest {

// Waits until the budget grants a lease of `bytes`. With a limit: an empty lease once the limit has
// passed. A coroutine that is destroyed while it waits withdraws its request.
boost::asio::awaitable<memory::MemoryLease> acquire_memory(
    memory::MemoryBudget& budget, size_t bytes, net::WaitLimit* limit = nullptr,
    memory::Purpose purpose = memory::Purpose::incoming);

// For work on a message that is whole, of a session that has a lease already. If that is the one
// large lease, others may be waiting for it: then this call waits for nothing and takes more of the
// large lease while there is more. Empty: there is no more, or `bytes` is more than the budget ever
// grants.
boost::asio::awaitable<memory::MemoryLease> acquire_additional_memory(
    memory::MemoryBudget& budget, memory::MemoryLease& held, size_t bytes,
    net::WaitLimit* limit = nullptr);

}  // namespace penstock::ingest
