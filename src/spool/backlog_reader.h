// BacklogReader: reads ahead from disk for logs whose next entry is not in memory, so that read()
// never waits for the disk. Logs take turns, a stretch each; what all of them have read and not
// given back is bounded, and so is each one's share of it. Beyond its share a log gets single
// entries (StreamLog::allow_one_more) when the budget has the memory. Of a large entry only its
// header is read ahead: LargeEntryReader has the rest.
//
// Thread: one of its own between start() and stop(); or none, and turn() is called by hand.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "spool/large_entry_reader.h"
#include "spool/segment_reader.h"
#include "spool/spool_state.h"

namespace penstock::spool {

class BacklogReader {
 public:
  explicit BacklogReader(SpoolState& state) : state_(state), large_entries_(state) {}
  ~BacklogReader() { stop(); }

  void start();
  void stop();
  // Reads one large entry and one stretch of a log; false when no log needs any.
  bool turn();
  // See Spool. Thread: any.
  [[nodiscard]] bool awaits_large_lease() const { return large_entries_.awaits_memory(); }

 private:
  // What is to be read, as it stood when the lock was given back, and what came of it. It has 15
  // members because it carries both over the time without the lock: nine in, six out.
  struct Stretch {
    StreamQueue* queue = nullptr;
    Position next;
    uint64_t limit = 0;         // where what is synced ends, or what is in memory begins
    uint64_t first_number = 0;  // of the segment's first entry
    uint64_t number = 0;        // of the next entry
    uint64_t number_end = 0;    // of the first one behind the limit
    uint64_t events_left = 0;   // that the books say are to be read before the limit
    uint64_t bytes_max = 0;
    bool is_beyond_share = false;

    std::vector<ReadyEntry> entries;
    uint64_t bytes = 0;
    uint32_t damaged_entries = 0;
    uint64_t damaged_events = 0;
    enum class End : uint8_t { none, limit, no_memory };
    End end = End::none;  // nothing more before the limit; no memory for an entry beyond the share
    // However little it may be, one entry is read.
    [[nodiscard]] bool is_full() const {
      return (bytes > 0 && bytes >= bytes_max) || (!entries.empty() && entries.back().is_large);
    }
    IoResult<void> outcome;
  };

  void run();
  bool turn_ahead();
  // With the lock held:
  [[nodiscard]] std::optional<Stretch> choose();
  [[nodiscard]] bool wants_more(const StreamQueue& queue) const;
  void publish(Stretch& stretch, Calls& calls);
  static void count_damage(Stretch& stretch);
  // Without it:
  IoResult<void> read(Stretch& stretch);
  IoResult<void> read_by_index(Stretch& stretch);
  IoResult<void> read_in_sequence(Stretch& stretch);
  enum class Taken : uint8_t { whole, damaged, no_memory };
  IoResult<Taken> take_entry(Stretch& stretch, StoredEntry stored);
  // False: the file is gone, or is another one.
  IoResult<bool> open_segment(const Stretch& stretch);
  // Its bytes count as read by the log until the last one who holds the batch releases it.
  [[nodiscard]] static std::shared_ptr<const record::Batch> counted(const Stretch& stretch,
                                                                    record::Batch batch);

  SpoolState& state_;
  size_t next_queue_ = 0;
  // The segment read last.
  std::optional<SegmentReader> reader_;
  std::optional<SegmentIndex> index_;  // of a sealed one
  const StreamQueue* reader_queue_ = nullptr;
  uint64_t reader_segment_ = 0;
  LargeEntryReader large_entries_;
  std::thread thread_;
};

}  // namespace penstock::spool
