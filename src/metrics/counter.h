// Counters that any thread may add to while the admin thread reads them. Adding is one relaxed
// atomic; looking a label up takes a lock and a map walk, so keep the reference (it stays valid as
// long as the family) or look up once a batch, never once an event.
//
//   Metrics metrics;                                   // one per process, passed by reference
//   Counter& bytes = metrics.bytes_received.with(name);
//   bytes.add(n);
//   metrics.messages_refused.with(name, "too_large").add();
//
// What happened to events is not counted here but in record::Ledger, so that its sums hold.
//
// Label values must be from bounded sets (configuration names, reasons, shard ids). A family holds
// at most kChildrenMax; more than that share one child labeled "other".
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace penstock::metrics {

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void add(int64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  void sub(int64_t n = 1) { value_.fetch_sub(n, std::memory_order_relaxed); }
  void set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Durations, in buckets from 1 ms to a minute: what one HTTPS request takes, throttled or not.
class Histogram {
 public:
  static constexpr std::array<double, 15> kBoundsSeconds = {
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

  void observe(std::chrono::nanoseconds took) {
    const double seconds = std::chrono::duration<double>(took).count();
    size_t bucket = 0;
    while (bucket < kBoundsSeconds.size() && seconds > kBoundsSeconds[bucket]) ++bucket;
    buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(took.count() < 0 ? 0 : static_cast<uint64_t>(took.count()),
                      std::memory_order_relaxed);
  }

  struct Snapshot {
    std::array<uint64_t, kBoundsSeconds.size() + 1> counts{};  // one bucket each; last: above all
    double sum_seconds = 0;
  };
  [[nodiscard]] Snapshot snapshot() const {
    Snapshot copy;
    for (size_t i = 0; i < buckets_.size(); ++i) {
      copy.counts[i] = buckets_[i].load(std::memory_order_relaxed);
    }
    copy.sum_seconds = static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) / 1e9;
    return copy;
  }

 private:
  std::array<std::atomic<uint64_t>, kBoundsSeconds.size() + 1> buckets_{};
  std::atomic<uint64_t> sum_ns_{0};
};

// One metric with one or two labels. Children live as long as the family.
template <class Child>
class Family {
 public:
  static constexpr size_t kChildrenMax = 4096;
  using Labels = std::pair<std::string, std::string>;

  [[nodiscard]] Child& with(std::string_view first, std::string_view second = {}) {
    const std::lock_guard lock(mutex_);
    const auto found = children_.find(std::pair(first, second));
    if (found != children_.end()) return *found->second;
    Labels labels(first, second);
    if (children_.size() >= kChildrenMax) {
      labels = {"other", second.empty() ? "" : "other"};
      const auto other = children_.find(std::pair<std::string_view, std::string_view>(labels));
      if (other != children_.end()) return *other->second;
    }
    return *children_.emplace(std::move(labels), std::make_unique<Child>()).first->second;
  }

  // visit(const Labels&, const Child&) for each child, in the order of labels, with the lock held.
  template <class Visit>
  void for_each(Visit visit) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [labels, child] : children_) visit(labels, *child);
  }

 private:
  struct LessByText {
    using is_transparent = void;
    using View = std::pair<std::string_view, std::string_view>;
    bool operator()(const Labels& a, const Labels& b) const { return a < b; }
    bool operator()(const Labels& a, const View& b) const { return View(a) < b; }
    bool operator()(const View& a, const Labels& b) const { return a < View(b); }
  };

  mutable std::mutex mutex_;
  std::map<Labels, std::unique_ptr<Child>, LessByText> children_;
};

// What the process counts beside the ledger. Names in metrics are those of registry.cc.
struct Metrics {
  Family<Counter> bytes_received;    // source
  Family<Gauge> connections;         // source: open right now
  Family<Counter> messages_refused;  // source, reason
  Family<Counter> auth_failures;     // source, reason
  Family<Counter> put_requests;      // stream, result
  Family<Counter> put_records;       // stream, result
  Family<Histogram> put_latency;     // stream
  Family<Counter> shard_throttled;   // stream, shard
  Family<Counter> config_reloads;    // result: ok, failed
  Family<Counter> admin_refused;     // reason
  Family<Counter> routed;            // a route's condition, stream: events; on the status page only

  Metrics() = default;
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
};

}  // namespace penstock::metrics
