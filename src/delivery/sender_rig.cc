#include "delivery/sender_rig.h"

#include <algorithm>

#include "base/check.h"
#include "kinesis_format/md5.h"
#include "kinesis_format/read/kcl_rule.h"
#include "kinesis_format/read/unpack.h"

namespace penstock::delivery {

bool Agenda::step(SteadyTime until) {
  if (work_.empty() || work_.begin()->first > until) {
    if (until > clock_.steady()) clock_.advance(until - clock_.steady());
    return false;
  }
  if (work_.begin()->first > clock_.steady()) {
    clock_.advance(work_.begin()->first - clock_.steady());
  }
  const std::function<void()> work = std::move(work_.begin()->second);
  work_.erase(work_.begin());
  work();
  return true;
}

void FilledLog::add(const std::vector<std::string>& objects, const std::string& tag,
                    std::vector<uint32_t> overflowed) {
  auto batch = std::make_shared<record::Batch>();
  batch->source = "test";
  batch->tag = tag;
  batch->encoding = record::Encoding::json;
  batch->event_count = static_cast<uint32_t>(objects.size());
  batch->received_ns = 1'700'000'000'000'000'000;
  batch->id = {added + 1, 77};
  for (const std::string& object : objects) {
    record::append_json_entry(batch->storage, {1'700'000'000, 0}, as_bytes(object));
  }
  batch->entries_size = batch->storage.size();
  spool::Entry& entry = entries_.emplace_back();
  entry.position = {0, added++};
  entry.batch = std::move(batch);
  entry.overflowed = std::move(overflowed);
  if (wake_) wake_();
}

std::optional<spool::Entry> FilledLog::read() {
  if (entries_.empty() || (wants_room() && !one_more_is_allowed_)) return std::nullopt;
  one_more_is_allowed_ = false;
  spool::Entry entry = std::move(entries_.front());
  entries_.pop_front();
  ++read_count;
  stored_[entry.position.offset] = entry;
  entry.batch = hand_out(entry.batch);
  return entry;
}

std::shared_ptr<const record::Batch> FilledLog::hand_out(
    const std::shared_ptr<const record::Batch>& stored) {
  const size_t bytes = stored->entries_size;
  *held_ += bytes;
  held_bytes_most = std::max(held_bytes_most, *held_);
  return {stored.get(), [stored, bytes, held = held_](const record::Batch*) { *held -= bytes; }};
}

void FilledLog::release(spool::Position position) {
  CHECK(stored_.erase(position.offset) == 1);
  released.push_back(position.offset);
  if (wake_ && !entries_.empty()) wake_();
}

void FilledLog::keep_on_disk(Agenda& agenda) {
  disk_ = &agenda;
  for (size_t number = 0; number < spool::kOverflowLogs; ++number) {
    overflow_.push_back(std::make_unique<FilledLog>(name_));
  }
}

spool::StreamLog* FilledLog::overflow(size_t number) {
  return number < overflow_.size() ? overflow_[number].get() : nullptr;
}

void FilledLog::append_overflow(size_t number, spool::OverflowEntry appended,
                                std::function<void(bool)> done) {
  CHECK(stored_.contains(appended.origin.offset));
  CHECK(appended.batch.event_count == appended.events.size());
  ++overflow_entries;
  overflow_events += appended.events.size();
  auto made = std::make_shared<spool::Entry>();
  made->origin = appended.origin;
  made->origin_events = std::move(appended.events);
  made->buckets = appended.buckets;
  made->batch = std::make_shared<record::Batch>(std::move(appended.batch));
  disk_->after(milliseconds(1), [this, number, made, life = life_, done = std::move(done)] {
    if (life != life_) return;  // lost in the crash
    FilledLog& log = *overflow_[number];
    made->position = {0, log.added++};
    log.entries_.push_back(std::move(*made));
    done(true);
    if (log.wake_) log.wake_();
  });
}

spool::StreamLog::RecoveredOverflow FilledLog::recovered_overflow(size_t number) const {
  return overflow_[number]->recovered_;
}

void FilledLog::recover() {
  ++life_;
  while (!stored_.empty()) {
    const auto last = std::prev(stored_.end());
    entries_.push_front(std::move(last->second));
    stored_.erase(last);
  }
  wake_ = nullptr;
  recovered_ = {};
  for (const spool::Entry& entry : entries_) recovered_.buckets |= entry.buckets;
  recovered_.end = {0, added};
  for (const auto& log : overflow_) {
    log->recover();
    for (const spool::Entry& copy : log->entries_) {
      const auto original = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
        return entry.position == *copy.origin;
      });
      if (original == entries_.end()) continue;
      auto& overflowed = original->overflowed;
      overflowed.insert(overflowed.end(), copy.origin_events.begin(), copy.origin_events.end());
      std::sort(overflowed.begin(), overflowed.end());
      CHECK(std::adjacent_find(overflowed.begin(), overflowed.end()) == overflowed.end());
      if (overflowed.size() == original->batch->event_count) {
        released.push_back(original->position.offset);
        entries_.erase(original);
      }
    }
  }
}

Result<spool::StreamLog*, Error> LetterSpool::open_stream(const spool::StreamOptions&) {
  return static_cast<spool::StreamLog*>(nullptr);
}

void LetterSpool::dead_letter(std::vector<spool::DeadLetter> dead, std::function<void(bool)> done) {
  for (const spool::DeadLetter& letter : dead) {
    record::EntryReader reader(letter.batch);
    for (record::EventView event; reader.next(event);) {
      letters.push_back({letter.reason, letter.detail, std::string(as_text(event.record))});
    }
    ledger_.dead_letter(letter.stream, letter.reason, letter.batch.event_count);
  }
  agenda_.after(milliseconds(1), [done = std::move(done)] { done(true); });
}

PutResult whole(PutError error, std::string code) {
  PutResult result;
  result.error = error;
  result.code = std::move(code);
  return result;
}

std::vector<kinesis::Shard> PlayedStream::even_shards(uint32_t count, uint32_t first) {
  std::vector<kinesis::Shard> shards;
  const kinesis_format::Uint128 size = ~kinesis_format::Uint128{0} / count;
  for (uint32_t i = 0; i < count; ++i) {
    shards.push_back({first + i, size * i + (i > 0 ? 1 : 0),
                      i + 1 == count ? ~kinesis_format::Uint128{0} : size * (i + 1)});
  }
  return shards;
}

void PlayedStream::reshard(std::vector<kinesis::Shard> shards) {
  for (const kinesis::Shard& shard : shards) all_shards[shard.number] = shard;
  shards_ = kinesis::ShardMap(std::move(shards));
}

void PlayedStream::put(kinesis_format::Request request, Callback callback) {
  Call call;
  call.at = clock_.steady();
  call.body = as_text(request.body());
  call.protocol = request.protocol();
  ByteBuffer scratch;
  for (size_t i = 0; i < request.slots().size(); ++i) {
    const kinesis_format::RecordKey key = request.key(i);
    Record record;
    record.data = as_text(request.data(i, scratch));
    record.partition_key = key.partition_key;
    record.hash_key = key.explicit_hash_key;
    call.records.push_back(std::move(record));
  }
  calls.push_back(call);
  in_flight_most = std::max(in_flight_most, ++in_flight);
  auto kept = std::make_shared<kinesis_format::Request>(std::move(request));
  agenda_.after(latency, [this, kept, call = std::move(call), callback = std::move(callback)] {
    --in_flight;
    PutResult result = judge(call);
    result.took = latency;
    callback(std::move(result), std::move(*kept));
  });
}

bool PlayedStream::has_room(uint32_t shard) {
  const auto limit = records_per_second.find(shard);
  if (limit == records_per_second.end()) return true;
  Bucket& bucket = buckets_[shard];
  const double since = std::chrono::duration<double>(clock_.steady() - bucket.at).count();
  bucket.tokens = std::min(limit->second, bucket.tokens + since * limit->second);
  bucket.at = clock_.steady();
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

PutResult PlayedStream::judge(const Call& call) {
  if (on_call) {
    if (auto result = on_call(call)) return std::move(*result);
  }
  PutResult result;
  result.error = PutError::none;
  for (Record record : call.records) {
    const auto* shard = shards_.find(
        record.hash_key ? *record.hash_key : kinesis_format::hash_key_of(record.partition_key));
    CHECK(shard != nullptr);
    if (distributes_records) shard = &shards_.shards()[turn_++ % shards_.size()];
    record.shard = shard->number;
    EntryOutcome outcome = EntryOutcome::accepted;
    if (const auto said = on_record ? on_record(record) : std::nullopt) {
      outcome = *said;
    } else if (!has_room(record.shard)) {
      outcome = EntryOutcome::throttled;
    }
    result.entries.push_back(
        {outcome, outcome == EntryOutcome::internal_failure ? kinesis::kNoShard : record.shard});
    if (outcome == EntryOutcome::accepted) accepted.push_back(std::move(record));
  }
  return result;
}

std::vector<std::string> PlayedStream::accepted_data() const {
  std::vector<std::string> all;
  for (const Record& record : accepted) all.push_back(record.data);
  return all;
}

std::map<uint32_t, size_t> PlayedStream::accepted_by_shard() const {
  std::map<uint32_t, size_t> counts;
  for (const Record& record : accepted) ++counts[record.shard];
  return counts;
}

void World::run_for(nanoseconds time) {
  const SteadyTime until = clock.steady() + time;
  do {
    memory_leased_most = std::max(memory_leased_most, memory.leased_bytes());
  } while (agenda.step(until));
}

void World::run_until_quiet(nanoseconds at_most) {
  const SteadyTime until = clock.steady() + at_most;
  for (SteadyTime before = clock.steady(); agenda.step(until); before = clock.steady()) {
    memory_leased_most = std::max(memory_leased_most, memory.leased_bytes());
  }
}

Rig::Rig(World& in, SenderOptions options, Log kind)
    : world(in),
      name(options.stream),
      log(name),
      stream(in.clock, in.agenda),
      options_(std::move(options)) {
  if (kind == Log::on_disk) log.keep_on_disk(world.agenda);
  start();
}

void Rig::start() {
  SenderServices services{
      .spool = world.spool,
      .ledger = world.ledger,
      .memory = world.memory,
      .metrics = world.metrics,
      .port = stream,
      .clock = world.clock,
      .post =
          [this, weak = std::weak_ptr(alive_)](std::function<void()> work) {
            if (weak.lock()) world.agenda.after(nanoseconds(0), std::move(work));
          },
      .wake_at = [this](SteadyTime when) { wake_at(when); },
      .shards_changed = [this] { ++maps_asked_for; },
  };
  sender = std::make_unique<StreamSender>(log, options_, std::move(services));
}

void Rig::restart() {
  sender.reset();
  log.recover();
  start();
  world.agenda.after(nanoseconds(0), [this, weak = std::weak_ptr(alive_)] {
    if (weak.lock()) sender->pump();
  });
}

Rig::~Rig() { sender.reset(); }

// Like a timer that is set again each time.
void Rig::wake_at(SteadyTime when) {
  // One that wants to be woken at once for ever would keep the clock from moving.
  wakes_at_once_ = when > world.clock.steady() ? 0 : wakes_at_once_ + 1;
  CHECK(wakes_at_once_ < 1'000);
  wake_ = when;
  world.agenda.at(std::max(when, world.clock.steady()), [this, when, weak = std::weak_ptr(alive_)] {
    if (!weak.lock() || wake_ != when) return;
    wake_ = SteadyTime::max();
    sender->pump();
  });
}

void Rig::add(const std::vector<std::string>& added, const std::string& tag,
              const std::vector<uint32_t>& overflowed) {
  const record::Ledger::Admitted part{name, added.size() - overflowed.size()};
  world.ledger.receive("test", {&part, 1});
  log.add(added, tag, overflowed);
}

uint64_t Rig::delivered() const {
  const auto counts = world.ledger.snapshot().delivered;
  const auto found = counts.find(name);
  return found == counts.end() ? 0 : found->second;
}

uint64_t Rig::pending() const {
  const auto counts = world.ledger.snapshot().pending;
  const auto found = counts.find(name);
  return found == counts.end() ? 0 : found->second;
}

namespace {

template <class Wanted>
std::vector<std::string> read(const PlayedStream& stream, Wanted is_wanted) {
  std::vector<std::string> events;
  kinesis_format::Unpacker unpacker(
      [&](ByteView event, const std::string&) { events.emplace_back(as_text(event)); });
  for (const auto& record : stream.accepted) {
    if (is_wanted(record)) unpacker.add(as_bytes(record.data));
  }
  unpacker.finish();
  return events;
}

}  // namespace

std::vector<std::string> read_back(const PlayedStream& stream) {
  return read(stream, [](const auto&) { return true; });
}

std::vector<std::string> read_by_kcl(const PlayedStream& stream) {
  return read(stream, [&](const auto& record) {
    const kinesis::Shard& shard = stream.all_shards.at(record.shard);
    return kinesis_format::dropped_by_kcl(as_bytes(record.data), shard.first, shard.last) == 0;
  });
}

SenderOptions plain_options(std::string stream) {
  SenderOptions options;
  options.stream = std::move(stream);
  options.request.stream_name = options.stream;
  return options;
}

std::string object(uint32_t n, size_t size) {
  std::string text = "{\"n\":" + std::to_string(n);
  const std::string pad = ",\"pad\":\"\"}";
  if (text.size() + pad.size() > size) return text + "}";
  return text + ",\"pad\":\"" + std::string(size - text.size() - pad.size(), 'x') + "\"}";
}

std::vector<std::string> objects(uint32_t first, uint32_t count, size_t size) {
  std::vector<std::string> all;
  for (uint32_t n = first; n < first + count; ++n) all.push_back(object(n, size));
  return all;
}

}  // namespace penstock::delivery
