// RecordMaker: makes the next event of a source into a record: of its own, of an aggregate, or in
// parts; or sends it another way, to an overflow log or the dead letters. A record that may go now
// is encoded straight into the request that is being filled; one that has to wait goes to the retry
// queue.
//
// Invariant, checked here: an event that was admitted can be decoded.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "delivery/alarm.h"
#include "delivery/dead_letter_writer.h"
#include "delivery/entry_sources.h"
#include "delivery/event_splitter.h"
#include "delivery/overflow_mover.h"
#include "delivery/packer.h"
#include "delivery/record_queuer.h"
#include "delivery/refusal_search.h"
#include "delivery/request_assembler.h"
#include "delivery/retry_queue.h"
#include "delivery/shard_selector.h"

namespace penstock::delivery {

class RecordMaker {
 public:
  struct Parts {
    const SenderOptions& options;
    EntrySources& sources;
    Packer& packer;
    EventSplitters& splitters;
    RequestAssembler& assembler;
    RetryQueue& retry;
    ShardSelector& selector;
    OverflowMover& mover;
    const RefusalSearch& search;
    DeadLetterWriter& dead_letters;
    RecordQueuer& queuer;
    Alarm& alarm;
  };
  // shortening: for the text of an event that is shortened, for a moment.
  RecordMaker(const Parts& parts, MemoryShare shortening)
      : parts_(parts), shortening_(std::move(shortening)) {}

  enum class Step : uint8_t {
    done,
    blocked,       // this source, until something else has changed
    request_full,  // it has to be sent first
    no_memory,     // for `data_bytes` more in the request
  };
  struct Made {
    Step step = Step::done;
    size_t data_bytes = 0;
  };
  // The next event of this source; a part of it, when it goes out in parts. Requires that the
  // source's cursor is at an entry.
  [[nodiscard]] Made make_next(size_t source);
  // Aggregates that have been open for that long become records.
  void close_aggregates(milliseconds age);
  // When the oldest open one was opened.
  [[nodiscard]] std::optional<SteadyTime> oldest_aggregate() const {
    return parts_.packer.oldest_since();
  }

 private:
  // Where the record of an event goes.
  struct Target {
    kinesis_format::RecordKey key;
    RecordMetadata meta;
    bool is_ready = true;        // its shard takes a record now
    bool from_overflow = false;  // the event comes from an overflow log
  };
  [[nodiscard]] std::optional<Made> choose_shard(size_t source, const Event& event, Target& target);
  [[nodiscard]] Made make_plain(EventCursor& cursor, const Event& event, Target target);
  [[nodiscard]] Made make_queued(EventCursor& cursor, const Event& event, const Target& target);
  [[nodiscard]] Made make_aggregated(EventCursor& cursor, const Event& event, Target target);
  [[nodiscard]] uint64_t group_of(Target& target) const;
  [[nodiscard]] bool open_aggregate(uint64_t group, Target target);
  [[nodiscard]] bool pick_shard(Target& target);
  [[nodiscard]] Made make_oversized(EventCursor& cursor, const Event& event, const Target& target);
  [[nodiscard]] std::optional<Packer::Alone> shorten(const Event& event,
                                                     std::string_view partition_key);
  [[nodiscard]] Made make_part(EventCursor& cursor, const Event& event, EventSplitter& splitter);
  [[nodiscard]] bool may_queue_part(uint32_t shard) const;
  [[nodiscard]] bool add_part(EventSplitter& splitter, const kinesis_format::RecordKey& key,
                              RecordMetadata meta);
  [[nodiscard]] Made block_for_memory();

  const Parts parts_;
  MemoryShare shortening_;
  std::vector<QueuedRecord> made_;  // aggregates that the packer closed, on their way to the queue
};

}  // namespace penstock::delivery
