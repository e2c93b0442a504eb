#include "delivery/answer_handler.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "delivery/put_metrics.h"
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

void AnswerHandler::handle(RequestAttempt attempt, PutResult result) {
  parts_.requests.answered(attempt);
  const size_t records = attempt.request.slots().size();
  if (result.error == PutError::none && result.entries.size() != records) {
    // An answer that does not fit its request says nothing of any record.
    result.error = PutError::unknown_outcome;
    result.code = "answer of another length";
    result.entries.clear();
  }
  count_put(parts_.services.metrics, parts_.options.stream, result, records);
  switch (result.error) {
    case PutError::none:
      parts_.pause.end();
      parts_.requests.speed_up();
      return settle(attempt, result);
    case PutError::throttled:
    case PutError::kms_throttled:
      parts_.requests.slow_down();
      return retry_whole(std::move(attempt), result);
    case PutError::server_fault:
    case PutError::network:
    case PutError::unknown_outcome:
    case PutError::unknown_code:
      return retry_whole(std::move(attempt), result);
    case PutError::credentials:
    case PutError::clock_skew:
      // The first time the port has fresh ones at once, or will have any in a moment; when those
      // fail too, there is no hurry before StreamSender::credentials_renewed().
      if (attempt.attempts < kCredentialAttempts) return retry_whole(std::move(attempt), result);
      return pause(std::move(attempt), result);
    case PutError::not_found:
    case PutError::access_denied:
      return pause(std::move(attempt), result);
    case PutError::invalid_argument:
    case PutError::serialization:
      return parts_.rejected.search(std::move(attempt), result);
    case PutError::too_large:
      if (records > 1) return parts_.rejected.retry_halves(std::move(attempt));
      return parts_.rejected.search(std::move(attempt), result);
    case PutError::unknown_operation:
      return retry_as_json(std::move(attempt), result);
  }
}

// ---- answered record by record

void AnswerHandler::settle(RequestAttempt& attempt, const PutResult& result) {
  keep_misplaced(attempt, result);
  count_delivered(mark_final(attempt, result));
  learn(attempt, result);
  finish_accepted(attempt, result);
  retry_failed(attempt, result);
  parts_.assembler.reuse(std::move(attempt.request));
  const bool any_accepted = std::any_of(result.entries.begin(), result.entries.end(), is_accepted);
  const SteadyTime now = parts_.alarm.now();
  if (any_accepted && parts_.search.on_accepted(now)) parts_.rejected.retest(now);
}

// Takes the aggregates out of the answer that are not, or perhaps not, in their place. What is left
// of them is a record without events.
void AnswerHandler::keep_misplaced(RequestAttempt& attempt, const PutResult& result) {
  for (size_t slot = 0; slot < result.entries.size(); ++slot) {
    RecordMetadata& meta = attempt.record(slot);
    const kinesis::EntryResult& entry = result.entries[slot];
    if (!meta.is_kpl || !is_accepted(entry) || entry.shard == kinesis::kNoShard) continue;
    if (meta.events() < 2) continue;
    const kinesis_format::RecordKey key = attempt.request.key(slot);
    MisplacedAggregates::Accepted aggregate{
        .meta = {},
        .hash_key = key.explicit_hash_key ? *key.explicit_hash_key
                                          : kinesis_format::hash_key_of(key.partition_key),
        .shard = entry.shard,
        .request = attempt.number,
    };
    const MisplacedAggregates::Place place =
        parts_.misplaced.place_of(aggregate, parts_.options.keys_are_ignored);
    if (place == MisplacedAggregates::Place::owned) continue;
    if (place == MisplacedAggregates::Place::foreign) {
      log_limited(LogLevel::warn, parts_.options.stream + "/misplaced",
                  "Kinesis put an aggregate into a shard that does not own its key (record "
                  "distribution AUTO): its events are sent again, each in a record of its own",
                  {{"stream", parts_.options.stream},
                   {"shard", kinesis::shard_id_text(entry.shard)},
                   {"events", meta.events()}});
    }
    aggregate.meta = std::exchange(meta, {});
    parts_.misplaced.add(std::move(aggregate), place);
  }
}

// Marks what is final with this answer: of a split event that is the last part alone. Returns how
// many events are.
uint64_t AnswerHandler::mark_final(RequestAttempt& attempt, const PutResult& result) {
  uint64_t events = 0;
  for (size_t slot = 0; slot < result.entries.size(); ++slot) {
    if (!is_accepted(result.entries[slot])) continue;
    RecordMetadata& meta = attempt.record(slot);
    meta.is_final = meta.split == 0 || parts_.window.part_accepted(meta.split);
    if (meta.is_final) events += parts_.window.live_events(meta);
  }
  return events;
}

void AnswerHandler::count_delivered(uint64_t events) {
  if (events > 0) parts_.services.ledger.deliver(parts_.options.stream, events);
}

// What the answer says of the shards.
void AnswerHandler::learn(const RequestAttempt& attempt, const PutResult& result) {
  const SteadyTime now = parts_.alarm.now();
  for (size_t slot = 0; slot < result.entries.size(); ++slot) {
    const kinesis::EntryResult& entry = result.entries[slot];
    const bool is_throttled = entry.outcome == EntryOutcome::throttled;
    if (!is_accepted(entry) && !is_throttled) continue;
    const kinesis_format::Request::Slot& where = attempt.request.slots()[slot];
    const uint32_t shard =
        entry.shard != kinesis::kNoShard ? entry.shard : attempt.record(slot).shard;
    const size_t bytes = where.data_size + where.key_size;
    if (is_throttled) {
      parts_.selector.throttled(shard, bytes, now);
    } else {
      parts_.selector.accepted(shard, bytes, now);
    }
  }
  parts_.selector.end_answer(now);
  const bool needs_shards = parts_.selector.needs_map() || parts_.misplaced.has_undecided();
  if (needs_shards && parts_.services.shards_changed) parts_.services.shards_changed();
}

void AnswerHandler::finish(const EventSpan& span) {
  if (span.count > 0) parts_.window.finish(span.ticket, span.count);
}

void AnswerHandler::finish_accepted(RequestAttempt& attempt, const PutResult& result) {
  EventSpan run;  // neighbors of one entry are finished together
  for (size_t slot = 0; slot < result.entries.size(); ++slot) {
    if (!is_accepted(result.entries[slot])) continue;
    const RecordMetadata& meta = attempt.record(slot);
    parts_.large.accepted(meta.span.ticket);
    parts_.queuer.done(meta);
    if (!meta.is_final) continue;
    parts_.window.for_each_live(meta, [&](const EventSpan& span) {
      if (span.ticket != run.ticket) finish(std::exchange(run, {span.ticket, 0, 0}));
      run.count += span.count;
    });
  }
  finish(run);
}

void AnswerHandler::retry_failed(const RequestAttempt& attempt, const PutResult& result) {
  for (size_t slot = 0; slot < result.entries.size(); ++slot) {
    const kinesis::EntryResult& entry = result.entries[slot];
    if (is_accepted(entry)) continue;
    QueuedRecord record = extract(attempt, slot);
    ++record.meta.attempts;
    const bool is_throttled = entry.outcome == EntryOutcome::throttled;
    const BackOff& back_off = is_throttled ? kinesis::kThrottleBackOff : kinesis::kEntryBackOff;
    record.due = parts_.alarm.now() + back_off.delay(record.meta.attempts, random_());
    if (is_throttled && entry.shard != kinesis::kNoShard) record.meta.shard = entry.shard;
    parts_.queuer.put_back(std::move(record));
  }
}

void AnswerHandler::decide_misplaced() {
  if (!parts_.misplaced.has_undecided()) return;
  const std::vector<RecordMetadata> owned =
      parts_.misplaced.decide(parts_.options.keys_are_ignored);
  uint64_t events = 0;
  for (const RecordMetadata& meta : owned) events += parts_.window.live_events(meta);
  count_delivered(events);
  for (const RecordMetadata& meta : owned) {
    parts_.queuer.done(meta);
    parts_.window.for_each_live(meta, [&](const EventSpan& span) { finish(span); });
  }
  if (parts_.misplaced.has_undecided() && parts_.services.shards_changed) {
    parts_.services.shards_changed();
  }
}

// ---- failed as a whole

void AnswerHandler::retry_whole(RequestAttempt attempt, const PutResult& result) {
  ++attempt.attempts;
  const bool is_throttled =
      result.error == PutError::throttled || result.error == PutError::kms_throttled;
  const BackOff& back_off = is_throttled ? kinesis::kThrottleBackOff : kinesis::kFaultBackOff;
  const milliseconds delay = std::max(back_off.delay(attempt.attempts, random_()),
                                      std::min(result.retry_after, kinesis::kHoldMin));
  attempt.due = parts_.alarm.now() + delay;
  const std::string_view name = kinesis::name_of(result.error);
  const std::string& stream = parts_.options.stream;
  log_limited(LogLevel::warn, stream + "/" + std::string(name),
              "request failed and is retried; nothing is lost",
              {{"stream", stream},
               {"result", name},
               {"code", result.code},
               {"attempt", attempt.attempts},
               {"records", attempt.request.slots().size()}});
  parts_.requests.add(std::move(attempt));
}

// Everything waits; one request asks after a while whether it still has to.
void AnswerHandler::pause(RequestAttempt attempt, const PutResult& result) {
  parts_.pause.begin(result);
  ++attempt.attempts;
  attempt.due = parts_.search.paused_until();
  parts_.requests.add(std::move(attempt));
}

void AnswerHandler::retry_as_json(RequestAttempt attempt, const PutResult& result) {
  if (!parts_.settings.fall_back_to_json(attempt.request, parts_.alarm.now())) {
    return pause(std::move(attempt), result);  // JSON is not understood either
  }
  log_limited(LogLevel::warn, parts_.options.stream + "/json",
              "the service does not understand CBOR: requests go in JSON for a while",
              {{"stream", parts_.options.stream}, {"code", result.code}});
  // No request is left that would ask for a stream that was paused: a new one does.
  parts_.search.resume();
  for (size_t slot = 0; slot < attempt.request.slots().size(); ++slot) {
    parts_.queuer.put_back(extract(attempt, slot));
  }
}

}  // namespace penstock::delivery
