// What a StreamSender does with the answer to a request. See stream_sender.h.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "delivery/stream_sender.h"
#include "kinesis/back_off.h"
#include "kinesis/shard_map.h"
#include "kinesis_format/md5.h"

namespace penstock::delivery {

using kinesis::BackOff;
using kinesis::EntryOutcome;
using kinesis::PutError;

namespace {

// After about a second of trying a stream whose credentials are rejected is paused.
constexpr uint32_t kCredentialAttempts = 4;

bool is_accepted(const kinesis::EntryResult& entry) {
  return entry.outcome == EntryOutcome::accepted;
}

}  // namespace

void StreamSender::count_request(const PutResult& result, size_t records) {
  const std::string& stream = options_.stream;
  services_.metrics.put_latency.with(stream).observe(result.took);
  uint64_t throttled = 0;
  uint64_t failed = 0;
  for (const kinesis::EntryResult& entry : result.entries) {
    if (entry.outcome == EntryOutcome::throttled) {
      ++throttled;
      if (entry.shard != kinesis::kNoShard) {
        services_.metrics.shard_throttled.with(stream, kinesis::shard_id_text(entry.shard)).add();
      }
    } else if (!is_accepted(entry)) {
      ++failed;
    }
  }
  const bool is_answered = result.error == PutError::none;
  const std::string_view label = !is_answered              ? kinesis::name_of(result.error)
                                 : throttled + failed == 0 ? "ok"
                                                           : "partial";
  services_.metrics.put_requests.with(stream, label).add();
  auto& put_records = services_.metrics.put_records;
  if (!is_answered) {
    put_records.with(stream, label).add(records);
    return;
  }
  put_records.with(stream, "accepted").add(records - throttled - failed);
  if (throttled > 0) put_records.with(stream, "throttled").add(throttled);
  if (failed > 0) put_records.with(stream, "failed").add(failed);
}

void StreamSender::on_answer(RequestAttempt attempt, PutResult result) {
  requests_.answered(attempt);
  const size_t records = attempt.request.slots().size();
  if (result.error == PutError::none && result.entries.size() != records) {
    // An answer that does not fit its request says nothing of any record.
    result.error = PutError::unknown_outcome;
    result.code = "answer of another length";
    result.entries.clear();
  }
  count_request(result, records);
  switch (result.error) {
    case PutError::none: {
      const std::string was = search_.on_answered();
      if (!was.empty()) log_info("stream flows again", {{"stream", options_.stream}, {"was", was}});
      requests_.speed_up();
      settle(attempt, result);
      return;
    }
    case PutError::throttled:
    case PutError::kms_throttled:
      requests_.slow_down();
      return retry_whole(std::move(attempt), result);
    case PutError::server_fault:
    case PutError::network:
    case PutError::unknown_outcome:
    case PutError::unknown_code:
      return retry_whole(std::move(attempt), result);
    case PutError::credentials:
    case PutError::clock_skew:
      // The first time the port has fresh ones at once, or will have any in a moment; when those
      // fail too, there is no hurry before credentials_renewed().
      if (attempt.attempts < kCredentialAttempts) return retry_whole(std::move(attempt), result);
      return pause(std::move(attempt), result);
    case PutError::not_found:
    case PutError::access_denied:
      return pause(std::move(attempt), result);
    case PutError::invalid_argument:
    case PutError::serialization:
      return search(std::move(attempt), result);
    case PutError::too_large:
      if (records > 1) return retry_halves(std::move(attempt), false);
      return search(std::move(attempt), result);
    case PutError::unknown_operation:
      return retry_as_json(std::move(attempt), std::move(result));
  }
}

// Marks what is final with this answer. Of a split event that is the last part alone.
uint64_t StreamSender::count_delivered(RequestAttempt& attempt, const PutResult& result) {
  uint64_t delivered = 0;
  for (size_t slot = 0; slot < result.entries.size(); ++slot) {
    if (!is_accepted(result.entries[slot])) continue;
    RecordMetadata& meta = attempt.record(slot);
    meta.is_final = meta.split == 0 || window_.part_accepted(meta.split);
    if (!meta.is_final) continue;
    meta.for_each_span([&](const EventSpan& span) {
      if (!window_.is_given_back(span.ticket)) delivered += span.count;
    });
  }
  return delivered;
}

void StreamSender::settle(RequestAttempt& attempt, const PutResult& result) {
  const SteadyTime now = services_.clock.steady();
  // The ledger first, in one go: a scrape between the two must not find released events pending
  // nowhere.
  keep_misplaced(attempt, result);
  const uint64_t delivered = count_delivered(attempt, result);
  if (delivered > 0) services_.ledger.deliver(options_.stream, delivered);
  learn(attempt, result, now);

  bool any_accepted = false;
  const auto finish = [&](const EventSpan& span) {
    if (!window_.is_given_back(span.ticket)) window_.finish(span.ticket, span.count);
  };
  EventSpan run;  // neighbors of one entry are finished together
  const auto finish_run = [&] {
    if (run.count > 0) finish(run);
    run.count = 0;
  };
  for (size_t slot = 0; slot < result.entries.size(); ++slot) {
    const kinesis::EntryResult& entry = result.entries[slot];
    if (!is_accepted(entry)) {
      QueuedRecord record = extract(attempt, slot);
      ++record.meta.attempts;
      const bool is_throttled = entry.outcome == EntryOutcome::throttled;
      const BackOff& back_off = is_throttled ? kinesis::kThrottleBackOff : kinesis::kEntryBackOff;
      record.due = now + back_off.delay(record.meta.attempts, random_());
      if (is_throttled && entry.shard != kinesis::kNoShard) record.meta.shard = entry.shard;
      put_back(std::move(record));
      continue;
    }
    any_accepted = true;
    RecordMetadata& meta = attempt.record(slot);
    if (large_ && meta.span.ticket == large_->ticket) large_->progress = now;
    if (meta.order_key != 0) retry_.done(meta.order_key);
    if (!meta.is_final) continue;
    if (!meta.more.empty()) {
      meta.for_each_span(finish);
    } else if (meta.span.ticket == run.ticket && run.count > 0) {
      run.count += meta.span.count;
    } else {
      finish_run();
      run = meta.span;
    }
  }
  finish_run();
  if (any_accepted) large_barred_ = false;
  assembler_.reuse(std::move(attempt.request));
  if (any_accepted && search_.on_accepted(now)) retest_suspects(now);
}

// What the answer says of the shards.
void StreamSender::learn(const RequestAttempt& attempt, const PutResult& result, SteadyTime now) {
  for (size_t slot = 0; slot < result.entries.size(); ++slot) {
    const kinesis::EntryResult& entry = result.entries[slot];
    const bool is_throttled = entry.outcome == EntryOutcome::throttled;
    if (!is_accepted(entry) && !is_throttled) continue;
    const kinesis_format::Request::Slot& where = attempt.request.slots()[slot];
    const uint32_t shard =
        entry.shard != kinesis::kNoShard ? entry.shard : attempt.record(slot).shard;
    const size_t bytes = where.data_size + where.key_size;
    if (is_throttled) {
      selector_.throttled(shard, bytes, now);
    } else {
      selector_.accepted(shard, bytes, now);
    }
  }
  selector_.end_answer(now);
  if ((selector_.needs_map() || misplaced_.has_undecided()) && services_.shards_changed) {
    services_.shards_changed();
  }
}

// A failed record is retried: in its key queue before any other; at its shard's pace where that is
// known; else after its own pause. One with a key of our choosing need not go where it was refused;
// one whose bucket overflows goes there, unless its key's order is kept by the key queue.
void StreamSender::put_back(QueuedRecord record) {
  RecordMetadata& meta = record.meta;
  if (is_abandoned(meta)) {
    if (meta.order_key != 0) retry_.done(meta.order_key);
    return;  // its event goes another way
  }
  if (!meta.any_shard && meta.shard == kinesis::kNoShard && selector_.knows_shards()) {
    meta.shard = record.hash_key ? selector_.shard_of(*record.hash_key)
                                 : selector_.shard_of(record.partition_key);
  }
  if (meta.order_key != 0) {
    std::deque<QueuedRecord> one;
    one.push_back(std::move(record));
    return retry_.put_back(std::move(one));
  }
  if (meta.any_shard) {
    record.hash_key = selector_.random_hash_key();
    meta.shard = kinesis::kNoShard;
    return retry_.add(std::move(record));
  }
  if (overflow_.is_active() && !record.hash_key && is_of_main(meta) &&
      overflow_.is_occupied(bucket_of(kinesis_format::hash_key_of(record.partition_key)))) {
    std::vector<QueuedRecord> one;
    one.push_back(std::move(record));
    return spill(std::move(one));
  }
  if (selector_.knows_shards() && selector_.is_limited(meta.shard)) {
    return retry_.park(std::move(record));
  }
  retry_.add(std::move(record));
}

void StreamSender::retry_whole(RequestAttempt attempt, const PutResult& result) {
  ++attempt.attempts;
  const bool is_throttled =
      result.error == PutError::throttled || result.error == PutError::kms_throttled;
  const BackOff& back_off = is_throttled ? kinesis::kThrottleBackOff : kinesis::kFaultBackOff;
  const milliseconds delay = std::max(back_off.delay(attempt.attempts, random_()),
                                      std::min(result.retry_after, kinesis::kHoldMin));
  attempt.due = services_.clock.steady() + delay;
  const std::string_view name = kinesis::name_of(result.error);
  log_limited(LogLevel::warn, options_.stream + "/" + std::string(name),
              "request failed and is retried; nothing is lost",
              {{"stream", options_.stream},
               {"result", name},
               {"code", result.code},
               {"attempt", attempt.attempts},
               {"records", attempt.request.slots().size()}});
  requests_.add(std::move(attempt));
}

// Everything waits; one request asks after a while whether it still has to.
void StreamSender::pause(RequestAttempt attempt, const PutResult& result) {
  pause_stream(result);
  ++attempt.attempts;
  attempt.due = search_.paused_until();
  requests_.add(std::move(attempt));
}

void StreamSender::pause_stream(const PutResult& result) {
  const auto span = static_cast<uint64_t>((kinesis::kHoldMax - kinesis::kHoldMin).count());
  const milliseconds wait =
      kinesis::kHoldMin + milliseconds(static_cast<int64_t>(random_() % span));
  const bool is_for_credentials =
      result.error == PutError::credentials || result.error == PutError::clock_skew;
  is_missing_ = result.error == PutError::not_found;
  search_.pause(result.code.empty() ? std::string(kinesis::name_of(result.error)) : result.code,
                is_for_credentials, wait, services_.clock.steady());
  log_limited(LogLevel::error, options_.stream + "/paused",
              "delivery is paused and probed until it succeeds; nothing is lost; fix the stream's "
              "name, its region or the permissions",
              {{"stream", options_.stream},
               {"code", result.code},
               {"probe_in_s", std::chrono::duration_cast<seconds>(wait).count()}});
}

// ---- rejected requests

void StreamSender::search(RequestAttempt attempt, const PutResult& result) {
  const SteadyTime now = services_.clock.steady();
  const size_t records = attempt.request.slots().size();
  log_limited(LogLevel::warn, options_.stream + "/rejected",
              "request rejected: searching for the record at fault",
              {{"stream", options_.stream}, {"code", result.code}, {"records", records}});
  const RefusalSearch::Rejected rejected{.records = records,
                                         .is_probe = attempt.is_probe,
                                         .probes_open = requests_.has_open_probes(),
                                         .requests_open = requests_.in_flight() > 0};
  switch (search_.on_rejected(rejected, now)) {
    case RefusalSearch::Action::halve:
      return retry_halves(std::move(attempt), true);
    case RefusalSearch::Action::reject_record:
      return reject(extract(attempt, 0), result.code);
    case RefusalSearch::Action::suspect:
      return requests_.add_suspect(extract(attempt, 0));
    case RefusalSearch::Action::pause_stream:
      requests_.add_suspect(extract(attempt, 0));
      pause_stream(result);
      return retest_suspects(search_.paused_until());
  }
}

void StreamSender::retry_halves(RequestAttempt attempt, bool are_probes) {
  auto halves = halve(std::move(attempt), assembler_.unlimited());
  if (are_probes) {
    for (RequestAttempt& half : halves) {
      half.is_probe = true;
      requests_.add_last(std::move(half));
    }
    return;
  }
  requests_.add(std::move(halves[1]));
  requests_.add(std::move(halves[0]));
}

// Suspects that others cannot speak against, because they themselves are in the way of all others:
// one aggregate, whose events others are, and what an overflow waits for.
bool StreamSender::put_suspects_back(SteadyTime now) {
  bool has_aggregate = false;  // taking one apart costs memory: one at a time
  std::vector<RequestAttempt> taken = requests_.take_probes_if([&](const RequestAttempt& probe) {
    if (probe.request.slots().size() != 1) return false;
    const RecordMetadata& meta = probe.record(0);
    if (meta.events() > 1) return !std::exchange(has_aggregate, true);
    const auto key = probe.request.key(0);
    return !meta.any_shard && !key.explicit_hash_key &&
           overflow_.is_closing(bucket_of(kinesis_format::hash_key_of(key.partition_key)));
  });
  for (RequestAttempt& probe : taken) {
    QueuedRecord record = extract(probe, 0);
    if (record.meta.events() > 1) {
      repack(std::move(record), now);
    } else {
      put_back(std::move(record));
    }
  }
  return !taken.empty();
}

// An overflow waits for suspects, and nothing is left that could speak against them: all others may
// wait for that overflow.
void StreamSender::release_suspects(SteadyTime now) {
  bool has_aggregate = false;
  for (QueuedRecord& suspect : requests_.take_suspects()) {
    if (suspect.meta.events() == 1) {
      put_back(std::move(suspect));
    } else if (!std::exchange(has_aggregate, true)) {
      repack(std::move(suspect), now);
    } else {
      requests_.add_suspect(std::move(suspect));
    }
  }
  if (!requests_.has_only_suspects()) search_.retesting();
  wake_by(now);
}

void StreamSender::retry_as_json(RequestAttempt attempt, PutResult result) {
  const SteadyTime now = services_.clock.steady();
  if (!assembler_.fall_back_to_json(attempt.request, now)) {
    return pause(std::move(attempt), result);  // JSON is not understood either
  }
  log_limited(LogLevel::warn, options_.stream + "/json",
              "the service does not understand CBOR: requests go in JSON for a while",
              {{"stream", options_.stream}, {"code", result.code}});
  for (size_t slot = 0; slot < attempt.request.slots().size(); ++slot) {
    put_back(extract(attempt, slot));
  }
}

// Rejected alone while the stream accepts others: then it is this record and not the stream. An
// aggregate is taken apart first.
void StreamSender::reject(QueuedRecord record, const std::string& code) {
  const RecordMetadata& meta = record.meta;
  if (meta.events() > 1) return repack(std::move(record), services_.clock.steady());
  if (is_abandoned(meta)) {
    // Its event goes another way.
  } else if (meta.split == 0) {
    dead_letter(meta.span, "refused", code);
  } else if (window_.abandon_split(meta.split)) {
    splitter_.reject(meta.span);
    dead_letter(meta.span, "refused", code);
  }
  if (meta.order_key != 0) retry_.done(meta.order_key);
}

// The events of a record in records of their own, by the limits and options in force.
void StreamSender::repack(QueuedRecord record, SteadyTime now) {
  const RecordMetadata& meta = record.meta;
  std::deque<QueuedRecord> made;
  if (meta.split == 0) {
    made = repack_events(meta, now);
  } else if (large_ && large_->ticket == meta.span.ticket && give_back_large()) {
    // All of its parts at once would take more memory than there is for it: it is cut again.
  } else if (window_.abandon_split(meta.split) && !splitter_.is_for(meta.span)) {
    made = repack_events(meta, now);  // else the splitter makes its parts again
  }
  if (meta.order_key == 0) {
    for (QueuedRecord& again : made) enqueue(std::move(again), now);
  } else if (made.empty()) {
    retry_.done(meta.order_key);
  } else {
    retry_.put_back(std::move(made));
  }
}

// They keep the place that the record has in the order of its key, also if it has none and the
// options ask for one by now.
std::deque<QueuedRecord> StreamSender::repack_events(const RecordMetadata& meta, SteadyTime now) {
  std::deque<QueuedRecord> made;
  meta.for_each_span([&](const EventSpan& span) {
    if (window_.is_given_back(span.ticket)) return;
    for (uint32_t i = 0; i < span.count; ++i) {
      const Event event =
          EventCursor::find(span.ticket, window_.entry(span.ticket), span.first + i);
      // A reload since it was packed may have named another data_key.
      if (!packer_.has_payload(event)) {
        dead_letter(event.span, "no_data_key", kNoPayload);
        continue;
      }
      const std::string_view key = packer_.partition_key_of(event);
      Packer::Alone alone =
          packer_.pack_alone(event, key, assembler_.data_bytes_max({key, std::nullopt}));
      if (alone.records.empty()) {
        dead_letter(event.span, "oversized", kTooLarge);
      }
      const auto parts = static_cast<uint32_t>(alone.records.size());
      const uint64_t split = alone.is_split ? window_.begin_split(span.ticket, parts) : 0;
      for (QueuedRecord& record : alone.records) {
        record.meta.split = split;
        record.meta.order_key = meta.order_key;
        record.meta.shard = selector_.shard_of(key);
        record.due = now;
        made.push_back(std::move(record));
      }
    }
  });
  return made;
}

void StreamSender::dead_letter(const EventSpan& span, std::string_view reason,
                               std::string_view detail) {
  const Event event = EventCursor::find(span.ticket, window_.entry(span.ticket), span.first);
  if (large_ && large_->ticket == span.ticket) large_->is_leaving = true;
  spool::DeadLetter letter;
  letter.stream = options_.stream;
  letter.reason = reason;
  letter.detail = detail;
  letter.batch.source = event.batch.source;
  letter.batch.tag = event.batch.tag;
  letter.batch.encoding = event.batch.encoding;
  letter.batch.event_count = 1;
  letter.batch.received_ns = event.batch.received_ns;
  letter.batch.id = event.batch.id;
  letter.batch.first_index = event.batch.first_index + event.id_index;
  letter.batch.storage = ByteBuffer::copy_of(event.view.entry);
  letter.batch.entries_size = event.view.entry.size();
  log_limited(LogLevel::warn, options_.stream + "/dead_letter/" + std::string(reason),
              "event goes to the dead letters",
              {{"stream", options_.stream}, {"reason", reason}, {"detail", detail}});
  std::vector<spool::DeadLetter> letters;
  letters.push_back(std::move(letter));
  services_.spool.dead_letter(
      std::move(letters), [post = services_.post, span, weak = std::weak_ptr(self_)](bool is_safe) {
        post([weak, span, is_safe] {
          const auto self = weak.lock();
          if (!self || *self == nullptr) return;
          if (is_safe) (*self)->window_.finish(span.ticket, span.count);
          (*self)->pump();
        });
      });
}

}  // namespace penstock::delivery
