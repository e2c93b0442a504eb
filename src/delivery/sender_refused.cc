// How a Sender finds the record that makes the service refuse a request, and what becomes of it.
// See sender.h.
#include "base/log.h"
#include "delivery/sender.h"

namespace penstock::delivery {
namespace {

// So many more records refused alone, and none accepted since the search began: perhaps it is the
// stream. It is left in peace for a while before the search goes on.
constexpr size_t kSuspectsBetweenHolds = 16;

}  // namespace

void Sender::search(Flight flight, const PutResult& result) {
  const SteadyTime now = services_.clock.steady();
  const bool is_new = probes_.empty() && suspects_.empty() && !probe_in_flight_;
  if (is_new && !flight.is_probe) search_began_ = now;
  log_limited(LogLevel::warn, options_.stream + "/refused",
              "request refused: looking for the record at fault",
              {{"stream", options_.stream},
               {"code", result.code},
               {"records", flight.request.slots().size()}});
  if (flight.request.slots().size() > 1) {
    split_in_two(std::move(flight), true, probes_);
    return;
  }
  refused_alone(take_out(flight, 0), result);
}

void Sender::refused_alone(Waiting record, const PutResult& result) {
  if (last_accepted_ > search_began_) {
    condemn({std::move(record), result.code});
    return;
  }
  suspects_.emplace_back(std::move(record), result.code);
  const bool is_searching = !probes_.empty() || in_flight_ > 0;
  if (is_searching && suspects_.size() % kSuspectsBetweenHolds != 0) return;
  // So far it may as well be the stream: each suspect is asked again, and what was accepted before
  // does not count against it.
  hold_stream(result);
  trial_due_ = true;
  search_began_ = held_until_;
  for (auto& [suspect, code] : suspects_) {
    probes_.push_back(alone_in_a_flight(std::move(suspect)));
    probes_.back().due = held_until_;
  }
  suspects_.clear();
}

// For what was in a request already: whatever was limited meanwhile.
kinesis_format::RequestBuilder::Options Sender::limitless() const {
  kinesis_format::RequestBuilder::Options options = options_.request;
  options.request_bytes_max = kinesis_format::kPutRecordsBytesMax;
  options.record_bytes_max = kinesis_format::kRecordBytesMax;
  return options;
}

Flight Sender::alone_in_a_flight(Waiting record) {
  Flight flight;
  kinesis_format::RequestBuilder builder(limitless());
  const auto added =
      builder.add_record(record.data.view(), {record.partition_key, record.hash_key}, 0);
  CHECK(added == kinesis_format::AddOutcome::added);  // it was in a request of the same limits
  flight.notes.push_back(std::move(record.note));
  flight.request = builder.take();
  flight.is_probe = true;
  return flight;
}

// Others are accepted since: those that were refused before are asked once more.
void Sender::judge_suspects() {
  if (suspects_.empty() || last_accepted_ <= search_began_) return;
  for (auto& [suspect, code] : suspects_) {
    probes_.push_back(alone_in_a_flight(std::move(suspect)));
  }
  suspects_.clear();
}

// Refused alone while the stream accepts others: then it is this record and not the stream.
void Sender::condemn(Condemned condemned) {
  if (has_entries_of(condemned.record.note)) {
    condemn_at_once(std::move(condemned));
  } else {
    condemned_.push_back(std::move(condemned));
  }
}

// Whether the entries its events came in are in memory; has them read again when they are not. A
// damaged one counts as there: it will not come.
bool Sender::has_entries_of(const RecordNote& note) {
  if (note.split != 0 && !parts_left_.contains(note.split)) return true;  // they are not needed
  bool all = true;
  const auto look = [&](const EventSpan& span) {
    if (tracker_.in_memory(span.ticket) || tracker_.is_damaged(span.ticket)) return;
    tracker_.ask_again(span.ticket, true);
    all = false;
  };
  look(note.span);
  for (const EventSpan& span : note.more) look(span);
  return all;
}

void Sender::unpin_entries_of(const RecordNote& note) {
  if (note.split != 0 && !parts_left_.contains(note.split)) return;
  tracker_.unpin(note.span.ticket);
  for (const EventSpan& span : note.more) tracker_.unpin(span.ticket);
}

void Sender::condemn_waiting() {
  for (Condemned& waiting : std::exchange(condemned_, {})) condemn(std::move(waiting));
}

void Sender::condemn_at_once(Condemned condemned) {
  Waiting& record = condemned.record;
  unpin_entries_of(record.note);
  if (record.note.events() > 1 || condemned.too_large) {
    dissolve(std::move(record));
    return;
  }
  if (record.note.split == 0 || parts_left_.erase(record.note.split) > 0) {
    dead_letter(record.note.span, "refused", condemned.code);
  }
  if (record.note.lane != 0) queue_.lane_done(record.note.lane);
}

// Its entry was put down, and cannot be read again.
void Sender::drop_damaged(const EventSpan& span) {
  services_.ledger.drop(options_.stream, "damaged", span.count);
  tracker_.finish(span.ticket, span.count);
}

// Each event of an aggregate in records of its own; a part of a split event condemns the event.
void Sender::dissolve(Waiting record) {
  const RecordNote& note = record.note;
  std::deque<Waiting> alone;
  const auto take_apart = [&](const EventSpan& span) {
    if (!tracker_.in_memory(span.ticket)) return drop_damaged(span);
    for (uint32_t i = 0; i < span.count; ++i) {
      const EventSpan one{span.ticket, span.first + i, 1};
      auto records =
          packer_.pack_alone(one, tracker_.entry(span.ticket), packing(services_.clock.steady()));
      if (records.empty()) {
        dead_letter(one, packer_.given_up().reason, packer_.given_up().message);
      }
      for (Waiting& made : records) alone.push_back(std::move(made));
    }
  };
  if (note.split != 0) {
    if (parts_left_.erase(note.split) > 0) {
      dead_letter(note.span, "oversized", "larger than the stream takes");
    }
  } else {
    take_apart(note.span);
    for (const EventSpan& span : note.more) take_apart(span);
  }
  if (note.lane == 0) {
    // Order may be asked for since it was made: its events have lanes then.
    for (Waiting& made : alone) {
      if (made.note.lane != 0) {
        queue_.lane_append(std::move(made));
      } else {
        queue_.add(std::move(made));
      }
    }
  } else if (alone.empty()) {
    queue_.lane_done(note.lane);
  } else {
    for (Waiting& made : alone) made.note.lane = note.lane;
    queue_.lane_return(std::move(alone));
  }
}

void Sender::dead_letter(const EventSpan& span, std::string_view reason, std::string_view detail) {
  if (!tracker_.in_memory(span.ticket)) return drop_damaged(span);
  const record::Batch& batch = *tracker_.entry(span.ticket).batch;
  record::EntryReader reader(batch);
  record::EventView event;
  for (uint32_t i = 0; i <= span.first; ++i) CHECK(reader.next(event));

  spool::DeadLetter letter;
  letter.stream = options_.stream;
  letter.reason = reason;
  letter.detail = detail;
  letter.batch.source = batch.source;
  letter.batch.tag = batch.tag;
  letter.batch.encoding = batch.encoding;
  letter.batch.event_count = 1;
  letter.batch.received_ns = batch.received_ns;
  letter.batch.id = batch.id;
  letter.batch.first_index = batch.first_index + span.first;
  letter.batch.storage = ByteBuffer::copy_of(event.entry);
  letter.batch.entries_size = event.entry.size();
  log_limited(LogLevel::warn, options_.stream + "/dead_letter/" + std::string(reason),
              "event goes to the dead letters",
              {{"stream", options_.stream}, {"reason", reason}, {"detail", detail}});

  ++dead_letters_pending_;
  std::vector<spool::DeadLetter> letters;
  letters.push_back(std::move(letter));
  services_.spool.dead_letter(
      std::move(letters), [post = services_.post, span, weak = std::weak_ptr(self_)](bool is_safe) {
        post([weak, span, is_safe] {
          const auto self = weak.lock();
          if (!self || *self == nullptr) return;
          --(*self)->dead_letters_pending_;
          if (is_safe) (*self)->tracker_.finish(span.ticket, span.count);
          (*self)->pump();
        });
      });
}

}  // namespace penstock::delivery
