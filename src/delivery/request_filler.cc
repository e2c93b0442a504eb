#include "delivery/request_filler.h"

namespace penstock::delivery {

void RequestFiller::fill() {
  const milliseconds linger = parts_.options.flush_interval;
  parts_.maker.close_aggregates(linger);
  fill_with_all();
  if (const auto since = parts_.maker.oldest_aggregate()) parts_.alarm.by(*since + linger);
}

void RequestFiller::fill_with_all() {
  parts_.sources.begin_pass();
  size_t data_bytes = 0;  // of the record that comes next, if it is large
  while (!parts_.assembler.is_full()) {
    if (!room_.make(data_bytes)) return;
    data_bytes = 0;
    if (parts_.assembler.is_full()) return;
    if (taker_.take_next()) continue;
    if (parts_.assembler.is_full()) return;
    if (repack_misplaced()) continue;
    if (!may_queue_more() || parts_.misplaced.is_full()) return;
    const std::optional<size_t> source =
        parts_.sources.next({.window_bytes_max = parts_.options.window_bytes_max,
                             .may_read_large = parts_.large.may_read(),
                             .barred = parts_.large.barred(),
                             .wants_others = parts_.search.wants_others()});
    if (!source) {
      if (close_stuck_aggregates()) continue;
      if (is_stuck() && parts_.sources.is_main_held_up(parts_.options.window_bytes_max)) {
        parts_.mover.overflow_for_room();
      }
      return;
    }
    const RecordMaker::Made made = parts_.maker.make_next(*source);
    if (made.step == RecordMaker::Step::blocked) parts_.sources.block(*source);
    if (made.step == RecordMaker::Step::no_memory) data_bytes = made.data_bytes;
  }
}

// Nothing is under way, or about to be, whose answer would change anything.
bool RequestFiller::is_stuck() const {
  return parts_.requests.in_flight() == 0 && parts_.assembler.empty();
}

bool RequestFiller::has_queue_room(bool for_what_shows_more) const {
  const size_t usual = parts_.options.queue_bytes_max;
  return parts_.retry.bytes() < (for_what_shows_more ? 2 * usual : usual);
}

// Whether more records may be made that perhaps wait. All of the queue may be behind one suspect:
// its retest takes a record from beyond.
bool RequestFiller::may_queue_more() {
  return room_.pay_for_queue() &&
         (has_queue_room(parts_.search.wants_others()) || parts_.mover.watches_shards());
}

// An aggregate makes many records: one at a time, as the queue has room and memory. Where nothing
// is under way the aggregates' records may be all that can go. All of the queue may wait for
// their keys: then one is taken apart without room.
bool RequestFiller::repack_misplaced() {
  if (!parts_.misplaced.has_misplaced()) return false;
  const bool stuck = is_stuck();
  const bool waits_for_it = stuck && parts_.retry.waits_for_answers();
  const bool has_room = has_queue_room(stuck || parts_.search.wants_others());
  if (!waits_for_it && !(has_room && room_.pay_for_queue())) return false;
  parts_.repacker.repack(parts_.misplaced.take());
  return true;
}

// A full window that only open aggregates keep full would wait for their time.
bool RequestFiller::close_stuck_aggregates() {
  const bool waits = parts_.sources.is_main_full(parts_.options.window_bytes_max) &&
                     parts_.requests.in_flight() == 0;
  if (!waits || !parts_.maker.oldest_aggregate()) return false;
  parts_.maker.close_aggregates(milliseconds(0));
  return true;
}

}  // namespace penstock::delivery
