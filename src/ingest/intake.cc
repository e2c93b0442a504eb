#include "ingest/intake.h"

#include <algorithm>
#include <random>

#include "ingest/acquire_memory.h"
#include "ingest/slices.h"
#include "ingest/work_limits.h"
#include "net/run_aside.h"

namespace penstock::ingest {

namespace asio = boost::asio;
using Split = route::Router::Split;

namespace {

// For messages without a chunk id: a repeat of one cannot be told from another.
Hash128 random_id() {
  thread_local std::mt19937_64 random(std::random_device{}());
  return {random(), random()};
}

// Splitting copies entries: for a moment the batch is there twice, unless that is more than anybody
// may borrow.
Split split_of(const memory::MemoryBudget& memory, const route::Router& router,
               const record::Batch& batch) {
  const size_t all = batch.lease.bytes() + router.bytes_to_split(batch);
  const size_t most = batch.lease.large() ? memory.options().large_bytes : memory.lease_max();
  return all <= most ? Split::at_once : Split::by_pieces;
}

// The batch's lease grows in place where it can, else it is exchanged for a larger one (whoever
// stands first in the queue gets the large lease, so the wait ends). False: the limit has passed.
asio::awaitable<bool> pay_for_split(memory::MemoryBudget& memory, record::Batch& batch,
                                    size_t bytes, net::WaitLimit* limit) {
  const size_t all = std::min(batch.lease.bytes() + bytes, memory.lease_max());
  constexpr auto kWhole = memory::Purpose::whole;
  if (batch.lease && memory.try_resize(batch.lease, all, kWhole)) co_return true;
  if (batch.lease.large()) co_return true;  // others wait for it: it waits for nothing
  memory::MemoryLease larger = co_await acquire_memory(memory, all, limit, kWhole);
  if (!larger) co_return false;
  batch.lease = std::move(larger);
  co_return true;
}

// More than this is not taken beside a batch without having been paid for.
constexpr size_t kUnpaidMax = 2 * kSliceBytes;

// Parts that are too large for one entry become several.
asio::awaitable<void> slice_parts(memory::MemoryBudget& memory, net::IoThread& thread,
                                  spool::Append& append) {
  std::vector<spool::Append::Part> parts;
  for (spool::Append::Part& part : append.parts) {
    if (!is_sliced(part.batch)) {
      parts.push_back(std::move(part));
      continue;
    }
    auto plan_all = [&] { return plan_slices(part.batch); };
    const SlicePlan plan = co_await net::run_aside(thread, plan_all);
    memory::MemoryLease& lease = part.batch.lease;
    const bool is_paid =
        lease && memory.try_resize(lease, lease.bytes() + plan.largest, memory::Purpose::whole);
    if (!is_paid && plan.largest > kUnpaidMax) {
      parts.push_back(std::move(part));
      continue;
    }
    auto cut_all = [&] { return cut(std::move(part.batch), plan); };
    auto slices = co_await net::run_aside(thread, cut_all);
    for (record::Batch& slice : slices) parts.push_back({part.stream, std::move(slice)});
  }
  append.parts = std::move(parts);
}

void count_routed(const route::Router& router, const std::vector<uint64_t>& by_route,
                  metrics::Metrics& metrics) {
  for (size_t i = 0; i < by_route.size(); ++i) {
    if (by_route[i] == 0) continue;
    metrics.routed.with(router.condition_of(i), router.stream_of(i)).add(by_route[i]);
  }
}

}  // namespace

spool::Append append_of(route::Routed routed) {
  spool::Append append;
  for (auto& part : routed.parts) {
    append.parts.push_back({std::move(part.stream), std::move(part.batch)});
  }
  for (auto& refused : routed.refused) {
    append.refused.push_back({std::move(refused.reason), std::move(refused.batch)});
  }
  for (auto& dropped : routed.dropped) {
    append.dropped.push_back({std::move(dropped.reason), dropped.events});
  }
  return append;
}

asio::awaitable<std::shared_ptr<Admission>> Intake::append(
    net::IoThread& thread, Received received, std::function<void(spool::AppendOutcome)> finished,
    net::WaitLimit* limit) {
  auto admission = std::make_shared<Admission>(thread.context().get_executor());
  const auto router = router_.get();

  spool::Append append;
  if (received.batch.event_count > 0) {
    received.batch.id = received.fingerprint ? *received.fingerprint : random_id();
    const Split split = split_of(stages_.memory, *router, received.batch);
    const size_t bytes = router->bytes_to_split(received.batch, split);
    if (bytes > 0) {
      const bool paid = co_await pay_for_split(stages_.memory, received.batch, bytes, limit);
      if (!paid) {
        admission->outcome = spool::AppendOutcome::cancelled;
        admission->admitted->set();
        admission->finished->set();
        if (finished) finished(admission->outcome);
        co_return admission;
      }
    }
    const bool is_long = bytes > 0 && is_long_work(received.batch.entries_size);
    auto route = [&] { return router->route(std::move(received.batch), split); };
    route::Routed routed = co_await net::run_aside_if(is_long, thread, route);
    count_routed(*router, routed.by_route, stages_.metrics);
    append = append_of(std::move(routed));
    co_await slice_parts(stages_.memory, thread, append);
  }
  append.source = source_;
  append.fingerprint = received.fingerprint;
  if (received.malformed) {
    received.malformed->id = random_id();
    append.refused.push_back({"malformed", std::move(*received.malformed)});
  }
  append.admitted = [admission] { admission->admitted->set(); };
  append.done = [admission, finished = std::move(finished)](spool::AppendOutcome outcome) {
    admission->outcome = outcome;
    admission->admitted->set();
    admission->finished->set();
    if (finished) finished(outcome);
  };
  admission->handle = stages_.spool.append(std::move(append));
  co_return admission;
}

}  // namespace penstock::ingest
