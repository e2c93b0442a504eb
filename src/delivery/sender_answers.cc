// What a Sender does with the answer to a request. See sender.h.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/log.h"
#include "delivery/sender.h"
#include "kinesis/back_off.h"
#include "kinesis/shard_map.h"

namespace penstock::delivery {

using kinesis::BackOff;
using kinesis::kEntryBackOff;
using kinesis::kFaultBackOff;
using kinesis::kHoldMax;
using kinesis::kHoldMin;
using kinesis::kThrottleBackOff;

namespace {

// After about a second of trying a stream whose credentials are refused is held.
constexpr uint32_t kCredentialTries = 4;

}  // namespace

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::answered:
      return "answered";
    case Verdict::throttled:
      return "throttled";
    case Verdict::fault:
      return "fault";
    case Verdict::credentials:
      return "credentials";
    case Verdict::refused:
      return "refused";
    case Verdict::too_large:
      return "too_large";
    case Verdict::other_protocol:
      return "other_protocol";
    case Verdict::hold:
      return "hold";
  }
  return "fault";
}

void Sender::count_request(const PutResult& result, size_t records) {
  const std::string& stream = options_.stream;
  services_.metrics.put_latency.with(stream).observe(result.took);
  uint64_t throttled = 0;
  uint64_t failed = 0;
  for (const PutResult::Entry& entry : result.entries) {
    if (entry.result == EntryResult::throttled) {
      ++throttled;
      if (entry.shard != PutResult::kNoShard) {
        services_.metrics.shard_throttled.with(stream, kinesis::shard_id_text(entry.shard)).add();
      }
    } else if (entry.result == EntryResult::failed) {
      ++failed;
    }
  }
  const bool is_whole = result.verdict == Verdict::answered && throttled + failed == 0;
  const char* label = is_whole                              ? "ok"
                      : result.verdict == Verdict::answered ? "partial"
                                                            : to_string(result.verdict);
  services_.metrics.put_requests.with(stream, label).add();
  auto& put_records = services_.metrics.put_records;
  if (result.verdict == Verdict::answered) {
    put_records.with(stream, "accepted").add(records - throttled - failed);
    if (throttled > 0) put_records.with(stream, "throttled").add(throttled);
    if (failed > 0) put_records.with(stream, "failed").add(failed);
  } else {
    put_records.with(stream, to_string(result.verdict)).add(records);
  }
}

void Sender::answered(Flight flight, PutResult result) {
  --in_flight_;
  if (flight.is_probe) probe_in_flight_ = false;
  const size_t records = flight.request.slots().size();
  if (result.verdict == Verdict::answered && result.entries.size() != records) {
    // An answer that does not fit its request says nothing of any record.
    result.verdict = Verdict::fault;
    result.code = "answer of another length";
  }
  count_request(result, records);
  switch (result.verdict) {
    case Verdict::answered:
      if (!held_because_.empty()) {
        log_info("stream flows again", {{"stream", options_.stream}, {"was", held_because_}});
        held_because_.clear();
      }
      in_flight_allowed_ = std::min(in_flight_allowed_ + 1, options_.requests_in_flight_max);
      settle_entries(flight, result);
      return;
    case Verdict::throttled:
      in_flight_allowed_ = std::max(in_flight_allowed_ / 2, 1u);
      retry_whole(std::move(flight), result);
      return;
    case Verdict::fault:
      retry_whole(std::move(flight), result);
      return;
    case Verdict::credentials:
      // The first time the port has fresh ones at once, or will have any in a moment; when those
      // fail too, there is no hurry before credentials_renewed().
      if (flight.tries < kCredentialTries) {
        retry_whole(std::move(flight), result);
      } else {
        hold(std::move(flight), result);
      }
      return;
    case Verdict::hold:
      hold(std::move(flight), result);
      return;
    case Verdict::refused:
      search(std::move(flight), result);
      return;
    case Verdict::too_large:
      if (records > 1) {
        split_in_two(std::move(flight), false, again_);
      } else {
        search(std::move(flight), result);
      }
      return;
    case Verdict::other_protocol:
      rebuild_as_json(std::move(flight));
      return;
  }
}

// True when with this record all of its events are accepted: always, but for a part of a split one.
bool Sender::completes(const RecordNote& note) {
  if (note.split == 0) return true;
  const auto group = parts_left_.find(note.split);
  if (group == parts_left_.end()) return false;  // the event was given up for another part of it
  if (--group->second > 0) return false;
  parts_left_.erase(group);
  return true;
}

void Sender::settle_spans(const RecordNote& note) {
  tracker_.finish(note.span.ticket, note.span.count);
  for (const EventSpan& span : note.more) tracker_.finish(span.ticket, span.count);
}

void Sender::settle_entries(Flight& flight, const PutResult& result) {
  const SteadyTime now = services_.clock.steady();
  // The ledger first, in one go: a scrape between the two must not find released events pending
  // nowhere.
  uint64_t delivered = 0;
  bool any_accepted = false;
  for (size_t i = 0; i < result.entries.size(); ++i) {
    if (result.entries[i].result != EntryResult::accepted) continue;
    any_accepted = true;
    RecordNote& note = flight.notes[flight.request.slots()[i].cookie];
    note.is_final = completes(note);
    if (note.is_final) delivered += note.events();
  }
  if (delivered > 0) services_.ledger.deliver(options_.stream, delivered);
  if (any_accepted) last_accepted_ = now;

  learn(flight, result, now);

  EventSpan run;  // neighbours of one entry are finished together
  const auto finish_run = [&] {
    if (run.count > 0) tracker_.finish(run.ticket, run.count);
    run.count = 0;
  };
  for (size_t i = 0; i < result.entries.size(); ++i) {
    RecordNote& note = flight.notes[flight.request.slots()[i].cookie];
    if (result.entries[i].result != EntryResult::accepted) {
      Waiting record = take_out(flight, i);
      ++record.note.tries;
      const bool is_throttled = result.entries[i].result == EntryResult::throttled;
      const BackOff& back_off = is_throttled ? kThrottleBackOff : kEntryBackOff;
      record.due = now + back_off.delay(record.note.tries, random_());
      if (is_throttled && result.entries[i].shard != PutResult::kNoShard) {
        record.note.shard = result.entries[i].shard;
      }
      put_back(std::move(record));
      continue;
    }
    if (note.lane != 0) queue_.lane_done(note.lane);
    if (!note.is_final) continue;
    if (!note.more.empty()) {
      settle_spans(note);
    } else if (note.span.ticket == run.ticket && run.count > 0) {
      run.count += note.span.count;
    } else {
      finish_run();
      run = note.span;
    }
  }
  finish_run();
  spare_ = std::move(flight.request);
  if (!suspects_.empty() && any_accepted) judge_suspects();
}

// The record of a slot with bytes of its own.
Waiting Sender::take_out(const Flight& flight, size_t slot) {
  ByteBuffer scratch;
  Waiting record;
  record.data = ByteBuffer::copy_of(flight.request.data(slot, scratch));
  const kinesis_format::RecordKey key = flight.request.key(slot);
  record.partition_key = key.partition_key;
  record.hash_key = key.explicit_hash_key;
  record.note = flight.notes[flight.request.slots()[slot].cookie];
  return record;
}

// A failed record goes again: in its lane before any other; at its shard's pace where that is
// known; else after its own pause. One with a key of our choosing need not go where it was refused.
void Sender::put_back(Waiting record) {
  RecordNote& note = record.note;
  if (!note.anywhere && note.shard == kinesis::kNoShard && placement_.knows_shards()) {
    note.shard = record.hash_key ? placement_.shard_of(*record.hash_key)
                                 : placement_.shard_of(record.partition_key);
  }
  if (record.note.lane != 0) {
    queue_.lane_return(std::move(record));
    return;
  }
  if (record.note.anywhere) {
    record.hash_key = placement_.random_hash_key();
    record.note.shard = kinesis::kNoShard;
  } else if (placement_.knows_shards() && placement_.limited(record.note.shard)) {
    queue_.park(std::move(record), true);
    return;
  }
  queue_.add(std::move(record));
}

// What the answer tells of the shards.
void Sender::learn(const Flight& flight, const PutResult& result, SteadyTime now) {
  for (size_t i = 0; i < result.entries.size(); ++i) {
    const PutResult::Entry& entry = result.entries[i];
    if (entry.result == EntryResult::failed) continue;
    const kinesis_format::Request::Slot& slot = flight.request.slots()[i];
    const uint32_t predicted = flight.notes[slot.cookie].shard;
    const uint32_t shard = entry.shard != PutResult::kNoShard ? entry.shard : predicted;
    const size_t bytes = slot.data_size + slot.key_size;
    if (entry.result == EntryResult::accepted) {
      placement_.accepted(shard, bytes, now);
    } else {
      placement_.throttled(shard, bytes, now);
    }
  }
  placement_.answer_ends(now);
  if (placement_.needs_map() && services_.shards_changed) services_.shards_changed();
}

void Sender::retry_whole(Flight flight, const PutResult& result) {
  ++flight.tries;
  const BackOff& back_off = result.verdict == Verdict::throttled ? kThrottleBackOff : kFaultBackOff;
  const milliseconds delay =
      std::max(back_off.delay(flight.tries, random_()), std::min(result.retry_after, kHoldMin));
  flight.due = services_.clock.steady() + delay;
  log_limited(LogLevel::warn, options_.stream + "/" + to_string(result.verdict),
              "request will be sent again",
              {{"stream", options_.stream},
               {"result", to_string(result.verdict)},
               {"code", result.code},
               {"try", flight.tries},
               {"records", flight.request.slots().size()}});
  (flight.is_probe ? probes_ : again_).push_front(std::move(flight));
}

// Everything waits; one request asks again after a while whether it still has to.
void Sender::hold(Flight flight, const PutResult& result) {
  hold_stream(result);
  ++flight.tries;
  flight.due = held_until_;
  (flight.is_probe ? probes_ : again_).push_front(std::move(flight));
}

void Sender::hold_stream(const PutResult& result) {
  const auto span = static_cast<uint64_t>((kHoldMax - kHoldMin).count());
  const milliseconds wait = kHoldMin + milliseconds(static_cast<int64_t>(random_() % span));
  held_until_ = services_.clock.steady() + wait;
  held_because_ = result.code.empty() ? to_string(result.verdict) : result.code;
  held_for_credentials_ = result.verdict == Verdict::credentials;
  log_limited(LogLevel::error, options_.stream + "/held",
              "stream is held: nothing is lost, it is asked again; mend the stream, its region or "
              "the permissions",
              {{"stream", options_.stream},
               {"code", result.code},
               {"again_in_s", std::chrono::duration_cast<seconds>(wait).count()}});
}

void Sender::credentials_renewed() {
  if (held_because_.empty() || !held_for_credentials_) return;
  held_until_ = services_.clock.steady();
  for (Flight& flight : again_) flight.due = std::min(flight.due, held_until_);
  for (Flight& flight : probes_) flight.due = std::min(flight.due, held_until_);
  pump();
}

// Two requests with half of the records each: next in line, but of a search behind all that is to
// be asked, so that the largest parts come first. Where any larger part is good it is accepted
// early, and shows that the stream is.
void Sender::split_in_two(Flight flight, bool is_probe, std::deque<Flight>& into) {
  const size_t records = flight.request.slots().size();
  CHECK(records > 1);
  std::array<Flight, 2> halves;
  ByteBuffer scratch;
  for (size_t half = 0; half < 2; ++half) {
    kinesis_format::RequestBuilder builder(limitless());
    const size_t begin = half == 0 ? 0 : records / 2;
    const size_t end = half == 0 ? records / 2 : records;
    for (size_t i = begin; i < end; ++i) {
      auto& notes = halves[half].notes;
      const auto added =
          builder.add_record(flight.request.data(i, scratch), flight.request.key(i), notes.size());
      CHECK(added == kinesis_format::AddOutcome::added);  // it was in a request twice the size
      notes.push_back(std::move(flight.notes[flight.request.slots()[i].cookie]));
    }
    halves[half].request = builder.take();
    halves[half].is_probe = is_probe;
    halves[half].lease =
        flight.lease.split(std::min(flight.lease.bytes(), halves[half].request.memory_bytes()));
  }
  if (is_probe) {
    for (Flight& half : halves) into.push_back(std::move(half));
  } else {
    into.push_front(std::move(halves[1]));
    into.push_front(std::move(halves[0]));
  }
}

void Sender::rebuild_as_json(Flight flight) {
  if (options_.request.protocol == kinesis_format::Protocol::cbor) {
    log_warn("the service does not speak CBOR: going on in JSON", {{"stream", options_.stream}});
    options_.request.protocol = kinesis_format::Protocol::json;
  }
  if (flight.request.protocol() == kinesis_format::Protocol::json) {
    // JSON is not understood either: then it is not a protocol problem.
    PutResult result;
    result.verdict = Verdict::hold;
    result.code = "UnknownOperationException";
    hold(std::move(flight), result);
    return;
  }
  // What is in the builder is CBOR as well: it comes back here by itself.
  for (size_t i = 0; i < flight.request.slots().size(); ++i) put_back(take_out(flight, i));
  if (builder_.empty()) builder_.reconfigure(options_.request);
}

}  // namespace penstock::delivery
