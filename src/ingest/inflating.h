// inflate(): a whole compressed body into memory that is borrowed as it is needed.
// Thread: the session's IoThread.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "base/bytes.h"
#include "base/result.h"
#include "ingest/wait_limit.h"
#include "record/inflate.h"
#include "record/memory_budget.h"

namespace penstock::ingest {

struct Inflated {
  ByteBuffer bytes;
  record::MemoryLease lease;
};

// At most bytes_max come out. input must stay where it is until this comes back. When limit has
// passed the error means nothing.
boost::asio::awaitable<Result<Inflated, record::InflateError>> inflate(
    record::MemoryBudget& memory, record::Compression compression, ByteView input, size_t bytes_max,
    WaitLimit* limit = nullptr);

}  // namespace penstock::ingest
