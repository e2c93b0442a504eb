// The spool and a model of everybody around it, turned by hand on a file system that loses power,
// tears writes, fails syncs and fills up; all from one seed, so that a finding can be repeated.
//
// What is checked:
//   every acknowledged event is delivered in the end, or was dropped by drop_oldest and counted
//   in delivered mode an event was delivered before its acknowledgement
//   what comes out is byte for byte what went in; nothing is invented
//   what the dead letters were said to hold is in them at the end, or was replayed and delivered
//   in one life of the process nothing that names its chunk is handed out twice, however often it
//   is sent; what was released before an orderly close is never handed out again
//   the ledger adds up after every step
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace penstock::sim {

enum class Planted : uint8_t { nothing, ack_before_sync, checkpoint_before_release };

struct Tally {
  uint64_t acked = 0;
  uint64_t delivered = 0;
  uint64_t crashes = 0;
  uint64_t repeats = 0;
  uint64_t failed_syncs = 0;
  uint64_t dropped = 0;
  uint64_t replayed = 0;  // dead letters handed back and delivered
};

// One run; nullopt when everything held.
std::optional<std::string> run_spool_simulation(uint64_t seed, Planted planted, Tally& tally);

}  // namespace penstock::sim
