// Intake: what every source does with a batch once it is decoded: route it, hand the parts to the
// spool, and say when it was admitted and when it may be acknowledged.
//
// Thread: one Intake per source, used from all IoThreads; nothing in it changes but the router,
// which a reload exchanges.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "memory/memory_budget.h"
#include "metrics/counter.h"
#include "net/event.h"
#include "net/io_thread.h"
#include "net/wait_limit.h"
#include "record/batch.h"
#include "route/router.h"
#include "spool/spool.h"

namespace penstock::ingest {

// The stages behind every source. They outlive it.
struct Stages {
  memory::MemoryBudget& memory;
  spool::Spool& spool;
  metrics::Metrics& metrics;
};

// The router in force. Thread: any.
class RouterSlot {
 public:
  explicit RouterSlot(std::shared_ptr<const route::Router> router) : router_(std::move(router)) {}
  [[nodiscard]] std::shared_ptr<const route::Router> get() const {
    const std::lock_guard lock(mutex_);
    return router_;
  }
  void set(std::shared_ptr<const route::Router> router) {
    const std::lock_guard lock(mutex_);
    router_ = std::move(router);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const route::Router> router_;
};

// Where a batch goes: parts, refused and dropped of an append; the rest of it is the caller's.
[[nodiscard]] spool::Append append_of(route::Routed routed);

// One decoded message on its way in. At least one of batch's events and malformed is there.
struct Received {
  record::Batch batch;
  std::optional<Hash128> fingerprint;  // see spool::Append
  // What arrived but is no record: dead-lettered with reason malformed (HTTP, OTLP, syslog).
  std::optional<record::Batch> malformed;
};

// What becomes of it. Shared by the session and the spool.
struct Admission {
  explicit Admission(const boost::asio::any_io_executor& executor)
      : admitted(std::make_shared<net::Event>(executor)),
        finished(std::make_shared<net::Event>(executor)) {}
  std::shared_ptr<net::Event> admitted;  // set when admitted, and when finished
  std::shared_ptr<net::Event> finished;
  spool::AppendOutcome outcome = spool::AppendOutcome::closed;  // written before finished is set
  spool::AppendHandle handle;
};

class Intake {
 public:
  Intake(std::string source, Stages stages, const RouterSlot& router)
      : source_(std::move(source)), stages_(stages), router_(router) {}

  // Routes and appends, on the loop of `thread`; comes back when the append is queued (perhaps
  // waiting for room), with its Admission. finished, where given, is called once on any thread with
  // the outcome. With a limit that passes while memory is waited for the outcome is canceled.
  boost::asio::awaitable<std::shared_ptr<Admission>> append(
      net::IoThread& thread, Received received,
      std::function<void(spool::AppendOutcome)> finished = nullptr,
      net::WaitLimit* limit = nullptr);

  [[nodiscard]] const std::string& source() const { return source_; }
  [[nodiscard]] memory::MemoryBudget& memory() const { return stages_.memory; }
  [[nodiscard]] const spool::Spool& spool() const { return stages_.spool; }
  [[nodiscard]] metrics::Metrics& metrics() const { return stages_.metrics; }

 private:
  const std::string source_;
  const Stages stages_;
  const RouterSlot& router_;
};

}  // namespace penstock::ingest
