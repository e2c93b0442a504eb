#include "played_kinesis.h"

#include <algorithm>

#include "kinesis_format/md5.h"
#include "trace.h"

namespace penstock::sim {

using delivery::PutResult;
using kinesis::EntryOutcome;
using kinesis::PutError;

namespace {

constexpr std::string_view kPartMarker = R"("penstock":{"split")";

}  // namespace

void Schedule::run_until(SteadyTime until) {
  while (!work_.empty() && work_.begin()->first <= until) {
    const auto first = work_.begin();
    if (first->first > clock_.steady()) clock_.advance(first->first - clock_.steady());
    const std::function<void()> run = std::move(first->second.run);
    work_.erase(first);
    run();
  }
  if (until > clock_.steady()) clock_.advance(until - clock_.steady());
}

std::vector<uint32_t> numbers_in(std::string_view text) {
  std::vector<uint32_t> numbers;
  for (size_t at = text.find("\"n\":"); at != std::string_view::npos;
       at = text.find("\"n\":", at + 4)) {
    uint32_t number = 0;
    for (size_t digit = at + 4; digit < text.size() && text[digit] >= '0' && text[digit] <= '9';
         ++digit) {
      number = number * 10 + static_cast<uint32_t>(text[digit] - '0');
    }
    numbers.push_back(number);
  }
  return numbers;
}

PlayedKinesis::PlayedKinesis(Schedule& schedule, std::mt19937_64& random, Fault fault,
                             Reached& reached)
    : schedule_(schedule),
      random_(random),
      fault_(fault),
      reached_(reached),
      unpacker_([this](ByteView event, const std::string&) {
        const std::string_view text = as_text(event);
        // A part whose siblings were cut again.
        if (text.find(kPartMarker) != std::string_view::npos) return;
        const auto numbers = numbers_in(text);
        if (numbers.size() == 1 && on_event) on_event(numbers.front(), text, is_readable_);
      }) {
  reshard(1);
}

bool PlayedKinesis::happens(double chance) {
  return chance > 0 && static_cast<double>(random_() % 1'000'000) < chance * 1'000'000;
}

void PlayedKinesis::reject_some(uint32_t events) {
  const auto first = static_cast<uint32_t>(random_() % events);
  const uint64_t count = random_() % 2 == 0 ? 1 : 2 + random_() % 4;
  for (uint32_t i = 0; i < count && first + i < events; ++i) trouble.rejected.insert(first + i);
}

void PlayedKinesis::lose_some() {
  trouble.lost_answer = random_() % 2 == 0 ? 0.1 : 0;
  trouble.lost_request = random_() % 2 == 0 ? 0.1 : 0;
  trouble.throttled_request = random_() % 3 == 0 ? 0.1 : 0;
}

void PlayedKinesis::take_nothing(uint64_t kind) {
  trouble.rejects_all = kind == 0;
  trouble.is_missing = kind == 1;
  if (kind == 2) trouble.lost_request = 1;
}

void PlayedKinesis::recover() {
  Trouble left;
  left.rejected = std::move(trouble.rejected);
  left.distributes = trouble.distributes;
  trouble = std::move(left);
}

void PlayedKinesis::reshard(uint32_t count) {
  std::vector<kinesis::Shard> shards;
  const kinesis::HashKey size = ~kinesis::HashKey{0} / count;
  for (uint32_t i = 0; i < count; ++i) {
    shards.push_back({next_shard_++, size * i + (i > 0 ? 1 : 0),
                      i + 1 == count ? ~kinesis::HashKey{0} : size * (i + 1)});
  }
  shards_ = std::make_shared<const kinesis::ShardMap>(std::move(shards));
}

bool PlayedKinesis::Record::is_aggregate() const {
  return data.starts_with("\xF3\x89\x9A\xC2") && numbers_in(data).size() > 1;
}

const kinesis::Shard& PlayedKinesis::choose_shard(kinesis::HashKey hash_key) {
  if (!trouble.distributes) return *shards_->find(hash_key);
  return shards_->shards()[random_() % shards_->shards().size()];
}

void PlayedKinesis::accept(const Record& record, const kinesis::Shard& shard) {
  const bool is_owned = shard.first <= record.hash_key && record.hash_key <= shard.last;
  is_readable_ = is_owned || !record.is_aggregate();
  if (!is_readable_) ++reached_["misplaced aggregate"];
  if (record.data.find(kPartMarker) != std::string::npos) {
    for (const uint32_t number : numbers_in(record.data)) in_parts_.insert(number);
  }
  unpacker_.add(as_bytes(record.data));
}

PutResult PlayedKinesis::judge(std::vector<Record>& records, bool is_cbor) {
  PutResult result;
  const auto whole = [&](PutError error, const char* code) {
    result.error = error;
    result.code = code;
    ++reached_["request: " + std::string(code)];
    return result;
  };
  if (trouble.is_missing) return whole(PutError::not_found, "ResourceNotFoundException");
  if (is_cbor && !trouble.knows_cbor) {
    return whole(PutError::unknown_operation, "UnknownOperationException");
  }
  if (happens(trouble.throttled_request)) return whole(PutError::throttled, "SlowDown");
  if (happens(trouble.lost_request)) return whole(PutError::network, "lost request");
  for (const Record& record : records) {
    const std::vector<uint32_t> numbers = numbers_in(record.data);
    const bool is_too_large = record.data.size() > trouble.record_bytes_max;
    const bool is_rejected =
        trouble.rejects_all || std::any_of(numbers.begin(), numbers.end(), [&](uint32_t number) {
          return trouble.rejected.contains(number);
        });
    if (!is_too_large && !is_rejected) continue;
    if (records.size() == 1 && numbers.size() == 1) rejected_alone_.insert(numbers.front());
    return whole(PutError::invalid_argument,
                 is_too_large ? "too large" : "InvalidArgumentException");
  }
  result.error = PutError::none;
  for (Record& record : records) {
    const kinesis::Shard& shard = choose_shard(record.hash_key);
    record.shard = shard.number;
    kinesis::EntryResult entry{EntryOutcome::accepted, shard.number};
    if (trouble.dead.contains(shard.number)) {
      entry.outcome =
          shard.number % 2 == 0 ? EntryOutcome::throttled : EntryOutcome::internal_failure;
    } else if (happens(trouble.failed_record)) {
      entry.outcome = EntryOutcome::internal_failure;
    }
    if (entry.outcome == EntryOutcome::accepted) accept(record, shard);
    result.entries.push_back(entry);
  }
  if (happens(trouble.lost_answer)) {
    for (size_t i = 0; i < records.size(); ++i) {
      if (result.entries[i].outcome != EntryOutcome::accepted) continue;
      if (on_lost_answer) on_lost_answer(numbers_in(records[i].data));
    }
    result.entries.clear();
    return whole(PutError::unknown_outcome, "lost answer");
  }
  for (kinesis::EntryResult& entry : result.entries) {
    if (fault_ == Fault::answer_misread && entry.outcome != EntryOutcome::accepted) {
      entry.outcome = EntryOutcome::accepted;
    } else if (fault_ == Fault::accepted_taken_for_failed && happens(0.02)) {
      entry.outcome = EntryOutcome::internal_failure;
    }
  }
  return result;
}

void PlayedKinesis::put(kinesis_format::Request request, Callback callback) {
  std::vector<Record> records;
  ByteBuffer scratch;
  for (size_t slot = 0; slot < request.slots().size(); ++slot) {
    const kinesis_format::RecordKey key = request.key(slot);
    records.push_back({std::string(as_text(request.data(slot, scratch))),
                       key.explicit_hash_key ? *key.explicit_hash_key
                                             : kinesis_format::hash_key_of(key.partition_key)});
  }
  const bool is_cbor = request.protocol() == kinesis_format::Protocol::cbor;
  for (const Record& record : records) trace_numbers("  sent:", numbers_in(record.data));
  if (!is_cbor) ++reached_["request in JSON"];
  auto kept = std::make_shared<kinesis_format::Request>(std::move(request));
  auto result = std::make_shared<PutResult>();
  const auto there = milliseconds(1 + random_() % 20);
  const auto back = milliseconds(1 + random_() % 40);
  // It arrives whatever becomes of the process meanwhile; the answer does not.
  for (const Record& record : records) {
    for (const uint32_t number : numbers_in(record.data)) on_the_way_.insert(number);
  }
  const auto sent = std::make_shared<std::vector<Record>>(std::move(records));
  const auto arrive = [this, sent, is_cbor, result] {
    for (const Record& record : *sent) {
      for (const uint32_t number : numbers_in(record.data)) {
        on_the_way_.erase(on_the_way_.find(number));
      }
    }
    *result = judge(*sent, is_cbor);
  };
  schedule_.after(there, arrive, true);
  schedule_.after(there + back, [this, sent, kept, result, callback = std::move(callback)] {
    for (size_t i = 0; i < result->entries.size(); ++i) {
      const Record& record = (*sent)[i];
      if (result->entries[i].outcome != EntryOutcome::accepted || !record.is_aggregate()) continue;
      if (on_aggregate) on_aggregate(numbers_in(record.data), record.shard, record.hash_key);
    }
    callback(std::move(*result), std::move(*kept));
  });
}

}  // namespace penstock::sim
