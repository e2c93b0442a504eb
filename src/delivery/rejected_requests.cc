#include "delivery/rejected_requests.h"

#include <array>
#include <utility>
#include <vector>

#include "base/log.h"
#include "kinesis_format/md5.h"

namespace penstock::delivery {
namespace {

// Events that moved to an overflow log and are remembered. To forget one costs a pause, no more.
constexpr size_t kSetAsideMax = 4096;

}  // namespace

void RejectedRequests::search(RequestAttempt attempt, const PutResult& result) {
  const size_t records = attempt.request.slots().size();
  const std::string& stream = parts_.options.stream;
  log_limited(LogLevel::warn, stream + "/rejected",
              "request rejected: searching for the record at fault",
              {{"stream", stream}, {"code", result.code}, {"records", records}});
  const RefusalSearch::Rejected rejected{.records = records,
                                         .is_probe = attempt.is_probe,
                                         .probes_open = parts_.requests.has_open_probes(),
                                         .requests_open = parts_.requests.in_flight() > 0,
                                         .set_aside = set_aside_at(attempt.record(0))};
  switch (parts_.search.on_rejected(rejected, parts_.alarm.now())) {
    case RefusalSearch::Action::halve:
      return add_halves(std::move(attempt), true);
    case RefusalSearch::Action::reject_record:
      return reject(attempt.record(0), result.code);
    case RefusalSearch::Action::suspect:
      return add_suspect(extract(attempt, 0));
    case RefusalSearch::Action::pause_stream:
      add_suspect(extract(attempt, 0));
      parts_.pause.begin(result);
      return retest(parts_.search.paused_until());
  }
}

// No verdict is needed on a record whose event goes another way.
void RejectedRequests::add_suspect(QueuedRecord record) {
  if (parts_.queuer.drop_abandoned(record.meta)) return;
  parts_.requests.add_suspect(std::move(record));
}

void RejectedRequests::retest(SteadyTime due) {
  for (QueuedRecord& suspect : parts_.requests.take_suspects()) {
    RequestAttempt probe = request_of_one(std::move(suspect), parts_.assembler.unlimited());
    probe.is_probe = true;
    probe.due = due;
    parts_.requests.add_last(std::move(probe));
  }
  parts_.search.retesting();
}

void RejectedRequests::add_halves(RequestAttempt attempt, bool are_probes) {
  auto halves = halve(std::move(attempt), parts_.assembler.unlimited());
  if (are_probes) {
    for (RequestAttempt& half : halves) {
      half.is_probe = true;
      parts_.requests.add_last(std::move(half));
    }
    return;
  }
  parts_.requests.add(std::move(halves[1]));
  parts_.requests.add(std::move(halves[0]));
}

// An aggregate is taken apart.
void RejectedRequests::put_back(QueuedRecord record) {
  if (record.meta.events() > 1) return parts_.repacker.repack(record.meta);
  parts_.queuer.put_back(std::move(record));
}

bool RejectedRequests::put_suspects_back() {
  bool has_aggregate = false;  // taking one apart costs memory: one at a time
  std::vector<RequestAttempt> taken =
      parts_.requests.take_probes_if([&](const RequestAttempt& probe) {
        if (probe.request.slots().size() != 1) return false;
        const RecordMetadata& meta = probe.record(0);
        if (meta.events() > 1) return !std::exchange(has_aggregate, true);
        const auto key = probe.request.key(0);
        return !meta.any_shard && !key.explicit_hash_key &&
               parts_.overflow.closings().has(
                   bucket_of(kinesis_format::hash_key_of(key.partition_key)));
      });
  for (const RequestAttempt& probe : taken) put_back(extract(probe, 0));
  return !taken.empty();
}

void RejectedRequests::set_suspects_aside() {
  const std::vector<RequestAttempt> probes =
      parts_.requests.take_probes_if([](const RequestAttempt& probe) {
        return probe.request.slots().size() == 1 && probe.record(0).events() == 1;
      });
  for (const RequestAttempt& probe : probes) {
    if (parts_.window.is_abandoned(probe.record(0))) continue;
    remember(probe.record(0));
    // Others may be too large for one record, too: what stays is cut once more.
    const bool stays = !parts_.mover.may_move(probe.record(0));
    if (stays) parts_.splitters.cancel(probe.record(0).span);
  }
  std::vector<QueuedRecord> suspects;
  for (const RequestAttempt& probe : probes) {
    if (!parts_.queuer.drop_abandoned(probe.record(0))) suspects.push_back(extract(probe, 0));
  }
  for (QueuedRecord& suspect : parts_.mover.set_aside(std::move(suspects))) {
    add_suspect(std::move(suspect));
  }
  retest(parts_.search.paused_until());
}

RejectedRequests::EventPlace RejectedRequests::place_of(const EventSpan& event) const {
  const spool::Entry& entry = parts_.window.entry(event.ticket);
  if (!entry.origin) return {entry.position, event.first};
  return {*entry.origin, entry.origin_events.at(event.first)};
}

void RejectedRequests::remember(const RecordMetadata& meta) {
  if (set_aside_.size() >= kSetAsideMax) set_aside_.clear();
  set_aside_[place_of(meta.span)] = parts_.alarm.now();
}

std::optional<SteadyTime> RejectedRequests::set_aside_at(const RecordMetadata& meta) const {
  if (set_aside_.empty() || meta.events() != 1 || parts_.window.is_abandoned(meta)) {
    return std::nullopt;
  }
  const auto found = set_aside_.find(place_of(meta.span));
  return found == set_aside_.end() ? std::nullopt : std::optional(found->second);
}

void RejectedRequests::release_suspects() {
  bool has_aggregate = false;
  for (QueuedRecord& suspect : parts_.requests.take_suspects()) {
    if (suspect.meta.events() == 1 || !std::exchange(has_aggregate, true)) {
      put_back(std::move(suspect));
    } else {
      parts_.requests.add_suspect(std::move(suspect));
    }
  }
  if (!parts_.requests.has_only_suspects()) parts_.search.retesting();
  parts_.alarm.by(parts_.alarm.now());
}

// Rejected alone while the stream accepts others: then it is this record and not the stream. An
// aggregate is taken apart first.
void RejectedRequests::reject(const RecordMetadata& meta, const std::string& code) {
  if (meta.events() > 1) return parts_.repacker.repack(meta);
  if (parts_.queuer.drop_abandoned(meta)) return;
  if (parts_.large.is_let_go(meta)) {
    return parts_.large.when_there([this, meta, code] { reject(meta, code); });
  }
  if (meta.split == 0) {
    parts_.dead_letters.write(meta.span, "refused", code);
  } else if (parts_.window.abandon_split(meta.split)) {
    parts_.splitters.reject(meta.span);
    parts_.dead_letters.write(meta.span, "refused", code);
  }
  parts_.queuer.done(meta);
}

}  // namespace penstock::delivery
