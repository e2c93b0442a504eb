// One run of the simulation: what it turns, and what it knows. See spool_simulation.h.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "frame.h"
#include "spool_simulation.h"
#include "trace.h"

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

class Simulation final : public Frame {
 public:
  Simulation(uint64_t seed, Planted planted, Tally& tally);
  ~Simulation() override;

 private:
  static std::string stream_name(int i) { return std::string(1, static_cast<char>('a' + i)); }

  // --- lives of the process

  [[nodiscard]] bool open() override;
  void crash() override;
  void close_orderly();
  void count_dropped();

  // --- steps

  static void trace(std::string_view what) { trace_numbers(what, {}); }

  void take_step() override;
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

  void check() override;
  void finish() override;

  Tally& tally_;
  int streams_ = 1;
  uint64_t tally_dropped_ = 0;
  std::optional<std::string> late_violation_;
  std::vector<Chunk> chunks_;
  std::map<Hash128, std::pair<size_t, size_t>> parts_by_id_;
  std::vector<InFlight> in_flight_;
  bool shard_is_dead_ = false;
};

}  // namespace penstock::sim
