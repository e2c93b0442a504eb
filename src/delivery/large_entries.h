// LargeEntries: how long a large entry (spool::Entry::is_large) may keep its memory, and when one
// may be read.
//
// Such an entry is on the one large lease of the memory budget. It may keep that as long as records
// of it are accepted. When none is for a while and somebody waits for memory, a stream that is
// away, or takes nothing, keeps neither senders nor other streams from that lease:
//
//   all of its records are made: they have bytes of their own. Its batch is let go, and read once
//   more when something needs it (when_there()). Order is kept, and nothing is made twice.
//   some are not: the entry goes back to its log, and none is read before the stream has accepted
//   something, or for longer each time. What was made of it is nobody's then, and is made again;
//   parts that were accepted come twice. Nothing behind it has been read.
//
// One of an overflow log also goes back when nothing of it is accepted while one of the main
// log waits: its shard may take nothing for long. That log alone is barred then, for as long as the
// main log's next entry is large.
//
// One of which an event is being stored elsewhere is not given back, and keeps its memory where it
// pays for the copy.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "delivery/alarm.h"
#include "delivery/entry_sources.h"
#include "delivery/entry_window.h"
#include "delivery/event_splitter.h"

namespace penstock::delivery {

class LargeEntries {
 public:
  LargeEntries(spool::StreamLog& main, EntryWindow& window, EntrySources& sources,
               EventSplitters& splitters, Alarm& alarm)
      : main_(main), window_(window), sources_(sources), splitters_(splitters), alarm_(alarm) {}

  [[nodiscard]] bool may_read() const { return barred_by_ == nullptr || is_for_main_; }
  // The log that may not though others may; nullptr: none.
  [[nodiscard]] const spool::StreamLog* barred() const {
    return is_for_main_ && main_.next_is_large() ? barred_by_ : nullptr;
  }
  // A record of the entry was accepted.
  void accepted(uint64_t ticket);
  // After each pump: takes the memory from the one that keeps it for nothing. is_under_way:
  // something is, and an answer comes.
  void watch(bool is_under_way);
  // Others are wanted, and the main log's next entry may be a large one: one of an overflow log is
  // given back for it. False: one of the main log itself is in its way.
  [[nodiscard]] bool make_way();
  // False: this is not the large entry, or it is pinned.
  bool give_back(uint64_t ticket);

  // ---- a batch that was let go

  // The batch of one of its events was.
  [[nodiscard]] bool is_let_go(const RecordMetadata& meta) const;
  // Does this when the batch is there again, or the entry has gone back. Requires is_let_go().
  void when_there(std::function<void()> work);
  // What moves to an overflow log is copied from its entry in the main log, and nothing newer may
  // go there before. False: a batch is missing for that, and wanted now.
  [[nodiscard]] bool may_move();
  // Before each pump: takes what is wanted and has been read.
  void take_wanted();

 private:
  [[nodiscard]] bool main_waits() const;
  void bar(const spool::StreamLog& log, bool is_for_main);
  void want();
  void make_up();

  spool::StreamLog& main_;
  EntryWindow& window_;
  EntrySources& sources_;
  EventSplitters& splitters_;
  Alarm& alarm_;
  std::optional<uint64_t> watched_;
  SteadyTime progress_{};  // when it was first watched, or a record of it was accepted last
  // The log that one was given back to, if nothing has been accepted since; for the main log's next
  // one: if nothing of that log has.
  const spool::StreamLog* barred_by_ = nullptr;
  bool is_for_main_ = false;
  SteadyTime barred_until_{};
  seconds bar_{0};  // how long the last time
  bool is_wanted_ = false;
  std::vector<std::function<void()>> waiting_;  // for the batch
};

}  // namespace penstock::delivery
