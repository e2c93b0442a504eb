#include "ingest/inflating.h"

#include <algorithm>

#include "ingest/acquire_memory.h"
#include "ingest/work_limits.h"
#include "net/run_aside.h"

namespace penstock::ingest {

namespace asio = boost::asio;

namespace {

constexpr size_t kFirst = 64_KiB;

// Makes room for capacity bytes in all, paid for. False: the limit has passed, or there is no more
// beside what is held.
asio::awaitable<bool> grow(memory::MemoryBudget& memory, Inflated& out, memory::MemoryLease& held,
                           size_t capacity, size_t working_bytes, net::WaitLimit* limit) {
  const size_t cost = capacity + working_bytes;
  if (!out.lease || !memory.try_resize(out.lease, cost, memory::Purpose::whole)) {
    if (out.lease.large()) co_return false;
    memory::MemoryLease larger = co_await acquire_additional_memory(memory, held, cost, limit);
    if (!larger) co_return false;
    out.lease = std::move(larger);
  }
  out.bytes.reserve(capacity);
  co_return true;
}

}  // namespace

asio::awaitable<Result<Inflated, codec::InflateError>> inflate(
    InflatePlace place, codec::Compression compression, ByteView input, memory::MemoryLease& held,
    size_t bytes_max, net::WaitLimit* limit, FrontOf front_of) {
  memory::MemoryBudget& memory = place.memory;
  codec::Inflater inflater({.compression = compression, .output_bytes_max = bytes_max});
  const size_t working_bytes = codec::Inflater::working_bytes(compression, input);
  Inflated out;
  const size_t guess = codec::output_guess(compression, input, bytes_max);
  const size_t first = std::min(std::max(guess, kFirst), bytes_max);
  if (front_of != nullptr) out.front = front_of(first);
  // A small memory_limit has no room for the largest windows of zstd.
  if (out.front + bytes_max + working_bytes > memory.lease_max()) {
    co_return failure(codec::InflateError::window_too_large);
  }
  if (!co_await grow(memory, out, held, out.front + first, working_bytes, limit)) {
    co_return failure(codec::InflateError::too_large);
  }
  out.bytes.resize(out.front);
  for (;;) {
    const auto room = out.bytes.free_space();
    auto inflate_more = [&] { return inflater.step(input, room, true); };
    const auto step =
        co_await net::run_aside_if(is_long_work(room.size()), place.thread, inflate_more);
    if (!step) co_return failure(step.error());
    input = input.subspan(step->consumed);
    out.bytes.commit(step->produced);
    if (step->state == codec::Inflater::State::done) break;
    if (step->state == codec::Inflater::State::need_input) {
      co_return failure(codec::InflateError::truncated);
    }
    const size_t least = out.bytes.size() + step->output_wanted;
    const size_t larger =
        std::max(least, std::min(out.bytes.capacity() * 2, out.front + bytes_max));
    if (!co_await grow(memory, out, held, larger, working_bytes, limit)) {
      co_return failure(codec::InflateError::too_large);
    }
  }
  out.lease.shrink(out.bytes.capacity());
  co_return std::move(out);
}

}  // namespace penstock::ingest
