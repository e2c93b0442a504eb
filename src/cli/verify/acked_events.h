// AckedEvents: compares what was acked (the ledger of `penstock send`, doc/ledger.md) with what is
// read back: gaps, repeats, disorder, latency.
//
// Memory: 48 bytes an event of the ledger at a load of three quarters, whatever its id and tag are.
// A ledger that needs more than there is is compared in slices, one pass over the records for each.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"

namespace penstock::cli {

// The id a stored event is known by: its penstock_id, else the hash of its bytes.
[[nodiscard]] std::string id_of_stored(ByteView event);

// How many events the ledgers hold, to plan slices.
[[nodiscard]] Result<uint64_t, Error> count_acked(const std::vector<std::string>& ledgers);

class AckedEvents {
 public:
  // The events whose id falls into one of so many equal parts; others are neither loaded nor
  // counted.
  struct Slice {
    uint32_t index = 0;
    uint32_t count = 1;
  };
  explicit AckedEvents(Slice slice);
  AckedEvents() : AckedEvents(Slice{}) {}

  // What so many events of a ledger take, and room for them.
  [[nodiscard]] static uint64_t memory_bytes(uint64_t events);
  void reserve(uint64_t events);

  // Adds the entries of a ledger. A last line without a line feed is one the sender was killed in:
  // it is passed over. Any other line that is no entry is an error.
  [[nodiscard]] Result<void, Error> load(const std::string& path);
  [[nodiscard]] Result<void, Error> load(std::istream& ledger, const std::string& name);

  // An event as read; place: where from (stream and shard, or object), inside which the order
  // counts; arrival_ms: 0 when unknown.
  void found(std::string_view id, std::string_view place, int64_t arrival_ms);
  // No more events come from any place named so far.
  void forget_places() { latest_.clear(); }

  struct Report {
    uint64_t acked = 0;
    uint64_t found = 0;  // of the acked
    uint64_t missing = 0;
    uint64_t repeated = 0;    // read more often than acked
    uint64_t foreign = 0;     // read, and in no ledger
    uint64_t disordered = 0;  // came behind a later event of its run and tag in its place
    // From sent to arrival in the stream, in ms; with no measured event: 0 of them.
    uint64_t measured = 0;
    int64_t latency_ms_p50 = 0, latency_ms_p99 = 0, latency_ms_max = 0;

    // The counts of another slice; latencies are of one slice only.
    void add(const Report& other);
  };
  [[nodiscard]] Report report() const;

  // An id that was found less, or more, often than acked.
  struct Difference {
    std::string id;
    std::string tag;
    uint64_t sequence = 0;
    int64_t acked_ns = 0;
    uint64_t count = 0;
  };
  struct Differences {
    std::vector<Difference> gaps;  // both in the order of acks, at most so many
    std::vector<Difference> repeats;
  };
  // Names them: reads the ledger for the second time, since ids are not kept.
  [[nodiscard]] Result<void, Error> name_differences(const std::string& path, size_t most,
                                                     Differences& differences);
  [[nodiscard]] Result<void, Error> name_differences(std::istream& ledger, const std::string& name,
                                                     size_t most, Differences& differences);

 private:
  struct Entry {
    Hash128 id;
    uint64_t sequence = 0;
    int64_t sent_ns = 0;
    uint32_t tag = 0;    // in tag_numbers_
    uint32_t acked = 0;  // 0: the place is free
    uint32_t found = 0;
    bool is_named = false;
  };

  [[nodiscard]] bool is_ours(const Hash128& id) const;
  // Where it is, or the free place where it would be.
  [[nodiscard]] Entry& entry_of(const Hash128& id);
  void grow(uint64_t places);
  [[nodiscard]] uint32_t tag_number(std::string_view tag);

  const Slice slice_;
  std::vector<Entry> entries_;  // open addressing, at most three quarters full
  uint64_t entry_count_ = 0;
  std::map<std::string, uint32_t, std::less<>> tag_numbers_;
  std::map<std::string, uint64_t> latest_;  // place, run and tag: the sequence seen last
  std::vector<int64_t> latencies_ms_;
  uint64_t foreign_ = 0;
  uint64_t disordered_ = 0;
};

}  // namespace penstock::cli
