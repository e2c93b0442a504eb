// inflate(): a whole compressed body into memory that is borrowed as it is needed.
// Thread: the session's IoThread.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/inflate.h"
#include "memory/memory_budget.h"
#include "net/io_thread.h"
#include "net/wait_limit.h"

namespace penstock::ingest {

struct Inflated {
  ByteBuffer bytes;  // behind `front` bytes without meaning
  size_t front = 0;
  memory::MemoryLease lease;
};

// How much room to leave before an output of about `size` bytes.
using FrontOf = size_t (*)(size_t size);

// Who pays, and on whose loop; large output is inflated beside it.
struct InflatePlace {
  memory::MemoryBudget& memory;
  net::IoThread& thread;
};

// At most bytes_max come out. input must stay where it is until this comes back; held is what pays
// for it. When limit has passed the error means nothing. front_of: null: none.
boost::asio::awaitable<Result<Inflated, codec::InflateError>> inflate(
    InflatePlace place, codec::Compression compression, ByteView input, memory::MemoryLease& held,
    size_t bytes_max, net::WaitLimit* limit = nullptr, FrontOf front_of = nullptr);

}  // namespace penstock::ingest
