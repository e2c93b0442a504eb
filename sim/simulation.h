// One run of the simulation: what it turns, and what it knows. See spool_simulation.h.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model.h"
#include "spool/faulty_file_system.h"
#include "spool/spool_core.h"
#include "spool_simulation.h"

namespace penstock::sim {

using namespace spool;

// An entry that delivery was given.
struct InFlight {
  StreamLog* log;
  Position position;
  size_t chunk;
  size_t part;
  uint32_t events_final;
  bool replayed;                                    // came back from the dead letters
  std::shared_ptr<const record::Batch> batch = {};  // while delivery holds it
};

class Simulation {
 public:
  Simulation(uint64_t seed, Planted planted, Tally& tally);
  void run();

 private:
  uint64_t below(uint64_t n) { return random_() % n; }
  static std::string stream_name(int i) { return std::string(1, static_cast<char>('a' + i)); }

  // --- lives of the process

  void open_until_it_works();
  void calm();
  bool open();
  void crash();
  void close_orderly();
  void count_dropped();

  // --- steps

  void trace(const std::string& what) const {
    if (tracing_) std::printf("%s\n", what.c_str());
  }

  void take_step();
  void make_trouble();
  void append_new();
  void append_again();
  void send(size_t index);
  void on_ack(size_t index);

  // --- delivery (simulated_delivery.cc)

  void read();
  // A shard takes nothing for long: what is for it is held until it recovers.
  [[nodiscard]] bool can_go(const InFlight& entry) const;
  void shard_dies_or_recovers();
  void release();
  void bury();
  void ask_for_replay();
  Append route_letter(record::Batch letter);

  // --- checks

  void check_balance();
  void finish();

  std::mt19937_64 random_;
  Tally& tally_;
  FaultyFileSystem files_;
  SpoolOptions options_;
  SpoolInternals internals_;
  ManualClock clock_;
  memory::MemoryBudget budget_{{}};
  std::unique_ptr<record::Ledger> ledger_;
  uint64_t salt_ = 0;
  int streams_ = 1;
  uint64_t life_ = 0;
  uint64_t tally_dropped_ = 0;
  std::string open_error_;
  std::optional<std::string> late_violation_;
  std::vector<Chunk> chunks_;
  std::map<Hash128, std::pair<size_t, size_t>> parts_by_id_;
  std::vector<InFlight> in_flight_;
  bool shard_is_dead_ = false;
  const bool tracing_ = std::getenv("PENSTOCK_SIM_TRACE") != nullptr;
  std::unique_ptr<SpoolCore> core_;  // after what its callbacks write to
};

}  // namespace penstock::sim
