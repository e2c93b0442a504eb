// EventSplitter: an event that is being cut into parts, one part at a time, with the memory that
// takes. Its JSON text is made when it is needed, and may be given back between two parts: it comes
// out the same.
//
// Invariants, checked here:
//   the parts of one plan have one limit; when the limit falls below it, all parts are made again
//   by a new plan, and those of the old one count no longer (EntryWindow::abandon_split)
//   an event that was given up for one of its parts is not cut any further
//
// Thread: the delivery thread's.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "delivery/entry_window.h"
#include "delivery/memory_share.h"
#include "delivery/packer.h"

namespace penstock::delivery {

// What the batch's lease pays for beside the batch itself.
[[nodiscard]] size_t paid_beside(const record::Batch& batch);
// How large the text of an event may be: what is not larger in memory than it was is taken with any
// budget; of control characters it may be six times as large.
inline constexpr size_t kTextOfAnyBudget = 2 * spool::kLargeEntryBytes;
[[nodiscard]] size_t text_bytes_max(const record::Batch& batch, const memory::MemoryBudget& memory);

class EventSplitter {
 public:
  EventSplitter(EntryWindow& window, MemoryShare memory)
      : window_(window), memory_(std::move(memory)) {}

  [[nodiscard]] bool is_active() const { return is_active_; }
  [[nodiscard]] bool is_for(const EventSpan& event) const {
    return is_active_ && event_.ticket == event.ticket && event_.first == event.first;
  }
  // Requires that it is not active.
  void begin(const EventSpan& event, std::string_view partition_key);

  enum class Ready : uint8_t {
    part,            // append_part() has the next one
    no_memory,       // not now
    too_large,       // parts of this size hold nothing: the event is the caller's again
    text_too_large,  // there is never so much memory for its text: likewise
  };
  // data_bytes_max: what a record with its key may have.
  [[nodiscard]] Ready prepare(Packer& packer, const Event& event, size_t data_bytes_max);
  void append_part(Packer& packer, ByteBuffer& out) { packer.append_part(out, *plan_, next_); }
  // The part has become a record. True: it was the last, and nothing is active.
  [[nodiscard]] bool part_made();
  [[nodiscard]] uint64_t split() const { return split_; }
  [[nodiscard]] const std::string& partition_key() const { return partition_key_; }

  // The event went another way as a whole: for one of its parts it was rejected, or deferred.
  void reject();
  // True once, when the event was: it is to be skipped.
  [[nodiscard]] bool take_rejected();
  // The options changed: all parts are made again.
  void restart();
  // The event is not to be cut now.
  void cancel();
  [[nodiscard]] bool is_of(uint64_t ticket) const { return is_active_ && event_.ticket == ticket; }
  // After a pump: the memory of the text goes until the next part, if that may be long: the text is
  // large, or no part was made.
  void rest();

 private:
  void end();
  [[nodiscard]] Ready make_text(Packer& packer, const Event& event, size_t data_bytes_max);

  EntryWindow& window_;
  MemoryShare memory_;
  bool is_active_ = false;
  bool is_rejected_ = false;
  EventSpan event_;
  std::string partition_key_;
  ByteBuffer json_;
  size_t text_bytes_ = 0;  // of the JSON text, once it was made
  size_t paid_ = 0;        // of it, by the batch's lease
  std::optional<kinesis_format::Splitter> plan_;
  size_t data_bytes_max_ = 0;  // of the plan
  uint64_t split_ = 0;         // 0: none begun
  uint32_t next_ = 0;
  bool has_made_part_ = false;  // since the last rest()
};

// The events that are being cut: one of each source at most, so that one whose parts wait for their
// shard keeps no other source's from being cut.
class EventSplitters {
 public:
  EventSplitters(EntryWindow& window, memory::MemoryBudget& memory,
                 const memory::MemoryBudget::Member& member) {
    for (size_t i = 0; i < kCount; ++i) {
      splitters_.emplace_back(window, MemoryShare{memory, member});
    }
  }

  // nullptr: the event is not being cut.
  [[nodiscard]] EventSplitter* find(const EventSpan& event);
  [[nodiscard]] bool is_for(const EventSpan& event) { return find(event) != nullptr; }
  // Requires that is_for() does not hold.
  EventSplitter& begin(const EventSpan& event, std::string_view partition_key);

  // See EventSplitter; of an event that is not being cut they do nothing.
  void reject(const EventSpan& event);
  [[nodiscard]] bool take_rejected(const EventSpan& event);
  void cancel(const EventSpan& event);
  void cancel_all_of(uint64_t ticket);
  void restart_all();
  void rest();

 private:
  static constexpr size_t kCount = spool::kOverflowLogs + 1;  // and the main log

  std::deque<EventSplitter> splitters_;
};

}  // namespace penstock::delivery
