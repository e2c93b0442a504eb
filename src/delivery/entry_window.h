// EntryWindow: the entries that were read and are not final. An entry is released to its log when
// its last event is final, in whatever order its events become final.
//
// Invariants, checked here:
//   an entry is released once, when the count of its outstanding events reaches zero; no event is
//   finished twice
//   a split event has parts left to be accepted only while its entry is in the window
//   an entry that was given back is not finished; a pinned one is not given back
//   at most one large entry is in the window, and of no other the batch is let go
//
// It has 24 functions because an entry, its split events and what was given back end together: a
// release that did not ask all three would be too early. Fourteen of them only answer questions.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "delivery/records.h"
#include "spool/spool.h"

namespace penstock::delivery {

class EntryWindow {
 public:
  // Takes over an entry of this log with at least one event that is not final.
  uint64_t open(spool::StreamLog& log, spool::Entry entry);
  // Without its batch, if that was let go.
  [[nodiscard]] const spool::Entry& entry(uint64_t ticket) const { return slot(ticket).entry; }
  [[nodiscard]] spool::StreamLog& log_of(uint64_t ticket) const { return *slot(ticket).log; }
  [[nodiscard]] bool is_of(uint64_t ticket, const spool::StreamLog& log) const {
    return slot(ticket).log == &log;
  }
  // `count` events of the entry are final. After the last of them the ticket is spent.
  void finish(uint64_t ticket, uint32_t count);

  // ---- entries that may be given back: large ones (spool::Entry::is_large)

  // The large entry in the window.
  [[nodiscard]] std::optional<uint64_t> large() const { return large_; }
  // An event of the entry is being stored elsewhere, so that the entry cannot be given back. One
  // with later entries of its log in the window is pinned, too (StreamLog::allow_one_more()).
  void pin(uint64_t ticket) { slot(ticket).is_being_stored = true; }
  [[nodiscard]] bool is_being_stored(uint64_t ticket) const { return slot(ticket).is_being_stored; }
  [[nodiscard]] bool is_pinned(uint64_t ticket) const {
    return slot(ticket).is_being_stored || slot(ticket).has_later;
  }
  // The entry goes back to its log (StreamLog::unread). Records that were made of it count for
  // nothing any more. Requires that it is not pinned.
  void give_back(uint64_t ticket);
  // The same of one that its log has passed over (StreamLog::Reloaded::is_lost).
  void forget_lost(uint64_t ticket);
  // Its batch goes, with the memory; the records that were made of it stay in force.
  void let_go(uint64_t ticket);
  void restore(uint64_t ticket, std::shared_ptr<const record::Batch> batch);
  [[nodiscard]] bool is_let_go(uint64_t ticket) const {
    return slot(ticket).entry.batch == nullptr;
  }
  [[nodiscard]] bool is_given_back(uint64_t ticket) const { return given_back_.contains(ticket); }
  // The record is nobody's: its event was given back, or is no longer split the same way.
  [[nodiscard]] bool is_abandoned(const RecordMetadata& meta) const;
  // The events of a record that were not given back.
  template <class Visit>
  void for_each_live(const RecordMetadata& meta, Visit visit) const {
    meta.for_each_span([&](const EventSpan& span) {
      if (!is_given_back(span.ticket)) visit(span);
    });
  }
  [[nodiscard]] uint64_t live_events(const RecordMetadata& meta) const {
    uint64_t events = 0;
    for_each_live(meta, [&](const EventSpan& span) { events += span.count; });
    return events;
  }
  [[nodiscard]] uint64_t events() const { return events_; }  // outstanding
  // Of the batches of entries of this log.
  [[nodiscard]] size_t bytes(const spool::StreamLog& log) const;
  // Of this log. Costs a look at each entry of the window.
  [[nodiscard]] size_t entries(const spool::StreamLog& log) const;

  // ---- split events

  // The event is sent in so many parts. The id is never 0 and never used again.
  [[nodiscard]] uint64_t begin_split(uint64_t ticket, uint32_t parts);
  // A part was accepted; true: it was the last, and the event is the caller's to finish.
  [[nodiscard]] bool part_accepted(uint64_t split);
  // Its parts no longer count. False: it was abandoned before, or all parts were accepted.
  bool abandon_split(uint64_t split);
  [[nodiscard]] bool is_split_alive(uint64_t split) const { return splits_.contains(split); }

 private:
  struct Slot {
    spool::StreamLog* log = nullptr;
    spool::Entry entry;
    uint32_t outstanding = 0;
    uint32_t splits = 0;  // of its events, with parts to be accepted
    size_t bytes = 0;     // of the batch
    bool is_being_stored = false;
    bool has_later = false;  // entries of its log in the window
  };
  struct Split {
    uint64_t ticket = 0;
    uint32_t parts_left = 0;
  };
  [[nodiscard]] Slot& slot(uint64_t ticket);
  [[nodiscard]] const Slot& slot(uint64_t ticket) const {
    return const_cast<EntryWindow*>(this)->slot(ticket);
  }
  void forget_split(std::unordered_map<uint64_t, Split>::iterator split);
  void forget(uint64_t ticket);
  void close(Slot& slot);

  std::deque<Slot> slots_;
  uint64_t first_ticket_ = 0;
  uint64_t events_ = 0;
  std::optional<uint64_t> large_;
  std::unordered_map<const spool::StreamLog*, size_t> bytes_;
  std::unordered_set<uint64_t> given_back_;  // few: large entries alone are
  std::unordered_map<uint64_t, Split> splits_;
  uint64_t last_split_ = 0;
};

}  // namespace penstock::delivery
