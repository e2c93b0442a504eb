// EventTracker: which events of which spool entries are still on their way. An entry is released
// when its last event is final, whatever order they end in; the spool sorts out the order.
//
// An event whose shard takes nothing for long is set aside: no record carries it, only a bit here
// remembers it. The entry may then be put down (its batch is no longer in memory), and is read from
// the log again when the shard takes something. What is behind in this way is counted by slices of
// the hash keys (slices.h), so that newer events of a slice can be kept behind older ones.
//
//                ┌──────────── set_aside() ───────────┐
//   open() ──► in a record ──► finish()              aside ── put down, read again ──┐
//                ▲                                    ▲  └──────────────────────────┘
//                └──────────── take_back() ───────────┘
//
// Thread: the sender's.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "delivery/slices.h"
#include "spool/spool.h"

namespace penstock::delivery {

// Some events of one entry, one after the other. What a record in Kinesis is made of.
struct EventSpan {
  uint64_t ticket = 0;  // the entry's, from EventTracker::open()
  uint32_t first = 0;   // index in the batch
  uint32_t count = 0;
};

class EventTracker {
 public:
  explicit EventTracker(spool::StreamLog& log) : log_(log) {}

  // Takes charge of an entry with at least one event that is not final.
  uint64_t open(spool::Entry entry);
  // Its batch is null while it is put down.
  [[nodiscard]] const spool::Entry& entry(uint64_t ticket) const { return slot(ticket).entry; }
  // `count` events of the entry are final. Valid until the last one: then the ticket is spent.
  void finish(uint64_t ticket, uint32_t count);

  // Of entries with outstanding events that are in memory.
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] uint64_t events() const { return events_; }
  // What remembering all this takes, here and in the spool; batches not included.
  [[nodiscard]] size_t book_bytes() const;

  // ---- events set aside

  [[nodiscard]] bool any_behind() const { return behind_.any(); }
  // The slices with events that are set aside.
  [[nodiscard]] const Slices& behind() const { return behind_; }
  // An event that no record carries; the batch is in memory.
  void set_aside(uint64_t ticket, uint32_t index, size_t slice);
  // False, too, when the ticket is spent.
  [[nodiscard]] bool is_aside(uint64_t ticket, uint32_t index) const;
  // All that is outstanding of it is.
  [[nodiscard]] bool only_aside(uint64_t ticket) const;
  [[nodiscard]] uint32_t outstanding(uint64_t ticket) const { return slot(ticket).outstanding; }
  // nullptr: nothing of it is.
  [[nodiscard]] const Slices* slices(uint64_t ticket) const;

  // Between these two the events that are set aside are gone through: one is taken back, for a
  // record, or stays.
  void begin_again(uint64_t ticket);
  void take_back(uint64_t ticket, uint32_t index);
  void stay(uint64_t ticket, size_t slice);
  void end_again(uint64_t ticket);
  [[nodiscard]] uint64_t taken_back() const { return taken_back_; }  // in all

  // Tickets that are not spent lie in [first_ticket(), end_ticket()).
  [[nodiscard]] uint64_t first_ticket() const { return first_ticket_; }
  [[nodiscard]] uint64_t end_ticket() const { return first_ticket_ + open_.size(); }

  // ---- batches put down (only of a log that can be read again)

  [[nodiscard]] bool in_memory(uint64_t ticket) const {
    return slot(ticket).entry.batch != nullptr;
  }
  // Lets go of the batch that is in memory for longest; not of those that are pinned, nor of the
  // two that are being gone through, or come next. False: there is none.
  bool put_down_oldest(uint64_t busy, uint64_t next);
  // Has a batch that was put down read again; pin: and it stays in memory until unpin().
  void ask_again(uint64_t ticket, bool pin);
  // Of those that were asked for and are not here yet.
  [[nodiscard]] size_t asked_bytes() const { return asked_bytes_; }
  void unpin(uint64_t ticket) { slot(ticket).pinned = false; }
  // It is damaged: nothing can be had of it.
  [[nodiscard]] bool is_damaged(uint64_t ticket) const { return slot(ticket).damaged; }
  // Takes what was read again. `damaged` is told of an entry's events that were set aside and
  // cannot be had: they are given up. True: there was something.
  bool take_again(const std::function<void(uint32_t events)>& damaged);

 private:
  struct Aside {
    Slices slices;  // of the events
    Slices stay;    // of those that are set aside since begin_again()
    std::vector<uint64_t> bits;
    uint32_t count = 0;
  };
  struct Slot {
    spool::Entry entry;
    size_t bytes = 0;  // of the batch, in memory or not
    uint32_t outstanding = 0;
    bool asked = false;
    bool pinned = false;
    bool damaged = false;
    std::unique_ptr<Aside> aside;
  };

  [[nodiscard]] Slot& slot(uint64_t ticket);
  [[nodiscard]] const Slot& slot(uint64_t ticket) const {
    return const_cast<EventTracker*>(this)->slot(ticket);
  }
  [[nodiscard]] const Aside* aside_of(uint64_t ticket) const;
  void hold(uint64_t ticket);
  void add_slice(Slices& slices, size_t slice);
  void leave_slices(const Slices& slices);
  void drop_aside(Slot& slot);
  void forget_asked(Slot& slot);

  spool::StreamLog& log_;
  std::deque<Slot> open_;
  uint64_t first_ticket_ = 0;
  size_t bytes_ = 0;
  uint64_t events_ = 0;
  size_t aside_bytes_ = 0;
  uint64_t taken_back_ = 0;
  Slices behind_;
  std::array<uint32_t, kSliceCount> entries_behind_{};  // by slice
  std::deque<uint64_t> in_memory_;                      // in the order they came; spent ones, too
  std::map<spool::Position, uint64_t> asked_;
  size_t asked_bytes_ = 0;
};

}  // namespace penstock::delivery
