// RejectedRequests: finds the record that a request was rejected for, step by step as RefusalSearch
// says: halves the request, keeps suspects, asks about them once more, and gives a record that was
// rejected alone to the dead letters.
//
// It needs 13 other parts because a verdict reaches all places where a record may be: requests,
// queue, window, overflow, dead letters. Of its own it has only the events that it moved to an
// overflow log.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "delivery/alarm.h"
#include "delivery/dead_letter_writer.h"
#include "delivery/entry_window.h"
#include "delivery/event_splitter.h"
#include "delivery/large_entries.h"
#include "delivery/overflow.h"
#include "delivery/overflow_mover.h"
#include "delivery/record_queuer.h"
#include "delivery/refusal_search.h"
#include "delivery/repacker.h"
#include "delivery/request_assembler.h"
#include "delivery/request_queue.h"
#include "delivery/stream_pause.h"

namespace penstock::delivery {

class RejectedRequests {
 public:
  struct Parts {
    const SenderOptions& options;
    EntryWindow& window;
    const RequestAssembler& assembler;
    EventSplitters& splitters;
    LargeEntries& large;
    OverflowMover& mover;
    RequestQueue& requests;
    RefusalSearch& search;
    StreamPause& pause;
    Overflow& overflow;
    DeadLetterWriter& dead_letters;
    RecordQueuer& queuer;
    Repacker& repacker;
    Alarm& alarm;
  };
  explicit RejectedRequests(const Parts& parts) : parts_(parts) {}

  // The answer rejects the request as a whole.
  void search(RequestAttempt attempt, const PutResult& result);
  // It is too large as a whole: its halves are no suspects.
  void retry_halves(RequestAttempt attempt) { add_halves(std::move(attempt), false); }
  // All suspects are asked about once more, one after the other.
  void retest(SteadyTime due);
  // Suspects that others cannot speak against, because they themselves are in the way of all
  // others: one aggregate, whose events others are, and what an overflow waits for. False: there
  // are none.
  [[nodiscard]] bool put_suspects_back();
  // Suspects keep all others from being read. Those of the main log go to an overflow log, so that
  // it is read on, and are remembered.
  void set_suspects_aside();
  // An overflow waits for suspects, and nothing is left that could speak against them: all others
  // may wait for that overflow.
  void release_suspects();

 private:
  void add_halves(RequestAttempt attempt, bool are_probes);
  void add_suspect(QueuedRecord record);
  void put_back(QueuedRecord record);
  void reject(const RecordMetadata& meta, const std::string& code);

  // Of the log that it was received in: its entry, and its place there.
  using EventPlace = std::pair<spool::Position, uint32_t>;
  [[nodiscard]] EventPlace place_of(const EventSpan& event) const;
  [[nodiscard]] std::optional<SteadyTime> set_aside_at(const RecordMetadata& meta) const;
  void remember(const RecordMetadata& meta);

  const Parts parts_;
  std::map<EventPlace, SteadyTime> set_aside_;
};

}  // namespace penstock::delivery
