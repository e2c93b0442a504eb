// A process to be diagnosed, for tests: one Forward source and as many streams as a test names.
#pragma once

#include <string>

#include "admin/diagnosis.h"
#include "base/check.h"
#include "base/clock.h"

namespace penstock::admin {

struct ObservationRig {
  static constexpr uint64_t kShare = 160ull << 20;
  static constexpr size_t kStreamsMax = 16;

  ManualClock clock;
  record::Ledger ledger;
  metrics::Metrics metrics;
  metrics::Status status;
  Trend trend;
  Health::Answer healthz{true, "ok"};
  Health::Answer readyz{true, "ok"};

  ObservationRig() {
    status.sources.push_back({"forward", "forward", "0.0.0.0:24224"});
    status.spool.directory = "/var/lib/penstock";
    status.process.memory_limit = 256ull << 20;
    status.streams.reserve(kStreamsMax);
    ledger.announce_source("forward");
  }

  // The result stays valid.
  metrics::StreamStatus& add_stream(const std::string& name) {
    CHECK(status.streams.size() < kStreamsMax);
    metrics::StreamStatus stream;
    stream.name = name;
    stream.target = "my-" + name + " (us-east-1)";
    stream.spool_bytes_max = kShare;
    stream.delivery.endpoint = "kinesis.us-east-1.amazonaws.com:443";
    ledger.announce_stream(name);
    status.streams.push_back(stream);
    return status.streams.back();
  }

  void receive(const std::string& stream, uint64_t events) {
    const record::Ledger::Admitted part[] = {{stream, events}};
    ledger.receive("forward", part);
    status.sources[0].last_event = clock.wall();
  }

  // A second passes and is looked at.
  void pass(int times = 1) {
    for (int i = 0; i < times; ++i) {
      clock.advance(seconds(1));
      const auto snapshot = ledger.snapshot();
      trend.look({snapshot, metrics, status, "1", clock.wall()}, clock.steady());
    }
  }

  [[nodiscard]] Diagnosis diagnosed() const {
    const auto snapshot = ledger.snapshot();
    return diagnose({{snapshot, metrics, status, "1", clock.wall()}, trend, healthz, readyz});
  }
};

}  // namespace penstock::admin
