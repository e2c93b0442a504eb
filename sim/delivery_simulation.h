// The real StreamSender on the real spool, turned by hand: a file system that is killed at any
// write, loses power and fails, a Kinesis whose shards throttle, die, split and merge, which
// rejects records, loses answers or distributes records itself (AUTO), reloads of every key of a
// stream, large entries whose memory somebody else wants, replays of dead letters. All from one
// seed.
//
// Two phases: under faults nothing may go wrong (safety); then the faults are frozen, and
// everything that can go has to be gone within a bounded time (liveness).
//
// What is checked, event by event (delivery_oracle.h):
//   an acknowledged event is accepted, or is in the dead letters
//   each repeat of an event is explained by one named cause, and each cause explains one
//   with order: per_key the first acceptances of the events of a key are in the order they were
//   received, of events that were read and sent under that setting alone
//   where the service distributes records, readers made with the KCL are given every event
//   what comes out is what went in; nothing is invented
//   the ledger adds up after every step, and at the end nothing is pending
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace penstock::sim {

// Faults put in on purpose, to show that the simulation finds them.
enum class Fault : uint8_t {
  none,
  ack_before_sync,
  checkpoint_before_release,
  release_before_answer,      // an entry is released when it is read
  answer_misread,             // a failed record is taken for accepted
  accepted_taken_for_failed,  // and the other way round
  entries_swapped,            // two entries of the main log are read in the wrong order
  overflow_entry_skipped,     // an entry of an overflow log is released unread
  overflow_appended_twice,
  overflow_done_before_sync,   // a copy counts before it is on disk
  overflow_out_of_order,       // two copies change places
  overflowed_forgotten,        // recovery does not say which events an overflow log has
  occupied_buckets_forgotten,  // recovery does not say which buckets an overflow log has
  dead_letter_lost,            // a dead letter is called safe, and is not written
};
[[nodiscard]] const char* to_string(Fault fault);

// Rare branches: a run of many seeds that never came to one of them has tried too little.
using Reached = std::map<std::string, uint64_t>;

struct DeliveryTally {
  uint64_t events = 0;
  uint64_t acked = 0;
  uint64_t accepted = 0;  // copies
  uint64_t repeats = 0;
  uint64_t crashes = 0;
  uint64_t dead_letters = 0;
  Reached reached;
};

// One run; nullopt when everything held, else what did not.
[[nodiscard]] std::optional<std::string> run_delivery_simulation(uint64_t seed, Fault fault,
                                                                 DeliveryTally& tally);

}  // namespace penstock::sim
