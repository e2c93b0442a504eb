// EntrySources: the logs that the events of a stream come from, its main log and its overflow logs:
// which of them is read next, and whether another entry may be read.
//
// Invariants, checked here:
//   an entry is read only at a cursor that is at no other
//   a large entry is read only while no other one is in the window
//
// Thread: the delivery thread's.
#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <optional>

#include "delivery/entry_window.h"
#include "delivery/event_cursor.h"
#include "delivery/overflow.h"

namespace penstock::delivery {

class EntrySources {
 public:
  // A source is the number of an overflow log, or this: the main log.
  static constexpr size_t kMain = Overflow::kLogs;

  EntrySources(spool::StreamLog& main, EntryWindow& window, Overflow& overflow)
      : main_(main), window_(window), overflow_(overflow) {}

  // A pass: sources that were blocked in the last one may go on.
  void begin_pass();
  void block(size_t source) { blocked_.set(source); }

  struct Limits {
    size_t window_bytes_max = 0;  // of the main log's entries that are not final
    bool may_read_large = true;
    const spool::StreamLog* barred = nullptr;  // no large entry of this log
    // Beyond the limit: all of the window may wait for what another entry shows.
    bool wants_others = false;
  };
  // The source whose event comes next: its cursor is at an entry. nullopt: there is none now.
  // Overflow logs go first, but the main log has its turns, too; where others are wanted, it goes
  // first: the suspects are in the overflow logs.
  [[nodiscard]] std::optional<size_t> next(const Limits& limits);
  [[nodiscard]] EventCursor& cursor(size_t source);
  // The source's cursor went over all events of this entry. One that may be given back is passed
  // when it no longer may: until then newer events of its buckets go behind it.
  void passed(size_t source, uint64_t ticket);

  // Steps over the events at cursors that went another way.
  void skip_if(const std::function<bool(const EventSpan&)>& went);

  // Entries of the main log take as much of the window as they may.
  [[nodiscard]] bool is_main_full(size_t bytes_max) const {
    return window_.bytes(main_) >= bytes_max;
  }
  // Or of its share of the spool's memory: what is held has to become final first.
  [[nodiscard]] bool is_main_held_up(size_t bytes_max) const {
    return is_main_full(bytes_max) || main_.wants_room();
  }
  // Each log may read one entry beyond its share of memory.
  void allow_one_more();
  // Copies for overflow logs have memory of their own.
  [[nodiscard]] bool copies_are_paid() const { return overflow_.copies_are_paid(); }
  // A large entry is given back: no cursor goes on with it, and it was not passed.
  void leave(uint64_t ticket);
  // A cursor is at one of its events.
  [[nodiscard]] bool is_at(uint64_t ticket);

 private:
  [[nodiscard]] size_t bytes_max(const spool::StreamLog& log, size_t usual,
                                 const Limits& limits) const;
  [[nodiscard]] bool may_read_large(const Limits& limits) const {
    return limits.may_read_large && !window_.large();
  }
  void pass_large();
  [[nodiscard]] EventCursor* cursor_at(uint64_t ticket);
  [[nodiscard]] bool choose_main(const Limits& limits);
  [[nodiscard]] bool open_main(const Limits& limits);
  [[nodiscard]] bool open_overflow(const Limits& limits);

  spool::StreamLog& main_;
  EntryWindow& window_;
  Overflow& overflow_;
  EventCursor main_cursor_;
  size_t source_ = kMain;         // whose entry is being packed
  uint32_t overflow_in_row_ = 0;  // entries of overflow logs since one of the main log
  std::bitset<kMain + 1> blocked_;
  struct Passing {
    size_t source;
    uint64_t ticket;
    Overflow::Passage entry;
  };
  std::optional<Passing> passing_;  // a large entry of an overflow log
};

}  // namespace penstock::delivery
