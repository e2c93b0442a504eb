// EntryWindow: the entries that were read and are not final. An entry is released to its log when
// its last event is final, in whatever order events end.
//
// Invariants, checked here:
//   an entry is released once, when the count of its outstanding events reaches zero; no event is
//   finished twice
//   a split event has parts left to be accepted only while its entry is in the window
//   an entry that was given back is not finished
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "delivery/records.h"
#include "spool/spool.h"

namespace penstock::delivery {

class EntryWindow {
 public:
  // Takes over an entry of this log with at least one event that is not final.
  uint64_t open(spool::StreamLog& log, spool::Entry entry);
  [[nodiscard]] const spool::Entry& entry(uint64_t ticket) const { return slot(ticket).entry; }
  [[nodiscard]] bool is_of(uint64_t ticket, const spool::StreamLog& log) const {
    return slot(ticket).log == &log;
  }
  // The entry goes back to its log (StreamLog::unread). Records that were made of it are nobody's:
  // they are recognized by is_given_back().
  void give_back(uint64_t ticket);
  [[nodiscard]] bool is_open(uint64_t ticket) const {
    return ticket >= first_ticket_ && ticket - first_ticket_ < slots_.size() &&
           slots_[ticket - first_ticket_].outstanding > 0;
  }
  [[nodiscard]] bool is_given_back(uint64_t ticket) const { return given_back_.contains(ticket); }
  // `count` events of the entry are final. After the last of them the ticket is spent.
  void finish(uint64_t ticket, uint32_t count);

  [[nodiscard]] uint64_t events() const { return events_; }  // outstanding
  // Of the batches of entries of this log.
  [[nodiscard]] size_t bytes(const spool::StreamLog& log) const;
  // Of this log; takes a look at each.
  [[nodiscard]] size_t entries(const spool::StreamLog& log) const;

  // ---- split events

  // The event is sent in so many parts. The id is never 0 and never used again.
  [[nodiscard]] uint64_t begin_split(uint64_t ticket, uint32_t parts);
  // A part was accepted; true: it was the last, and the event is the caller's to finish.
  [[nodiscard]] bool part_accepted(uint64_t split);
  // Its parts count no longer. False: that, or all of them accepted, was so already.
  bool abandon_split(uint64_t split);
  [[nodiscard]] bool is_split_alive(uint64_t split) const { return splits_.contains(split); }

 private:
  struct Slot {
    spool::StreamLog* log = nullptr;
    spool::Entry entry;
    uint32_t outstanding = 0;
    uint32_t splits = 0;  // of its events, with parts to be accepted
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
  void close(Slot& slot);

  std::deque<Slot> slots_;
  uint64_t first_ticket_ = 0;
  uint64_t events_ = 0;
  std::unordered_map<const spool::StreamLog*, size_t> bytes_;
  std::unordered_set<uint64_t> given_back_;  // few: large entries alone are
  std::unordered_map<uint64_t, Split> splits_;
  uint64_t last_split_ = 0;
};

}  // namespace penstock::delivery
