#include "delivery/request_assembler.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"
#include "kinesis_format/aggregate.h"

namespace penstock::delivery {
namespace {

using kinesis_format::AddOutcome;
using kinesis_format::Protocol;
using kinesis_format::RecordKey;
using kinesis_format::Request;

constexpr size_t kFirstLease = 384_KiB;
// Keys, metadata and slots of 500 records, beside the body.
constexpr size_t kBesideBody = 128_KiB;
// A record that is not known to be large has this much room.
constexpr size_t kNextRecord = 64_KiB;
// The body of a new request has room for as much as the last one of the stream had: grown while it
// is filled, its bytes are copied about once more (0.57 of them, dhat and callgrind). Not for
// larger ones: malloc maps those, and mremap grows them without a copy.
constexpr size_t kUsualBodyMax = 4_MiB;
constexpr size_t kUsualBodyMin = 16_KiB;

void seal_one(QueuedRecord& record) {
  const std::span<uint8_t> bytes(record.data.data(), record.data.size());
  kinesis_format::seal({&bytes, 1});
  record.meta.unsealed = false;
}

}  // namespace

RequestAssembler::RequestAssembler(const RequestSettings& settings, memory::MemoryBudget& memory,
                                   memory::MemoryBudget::Member member)
    : settings_(settings),
      memory_(memory),
      member_(std::move(member)),
      builder_(settings_.in_force(SteadyTime{})) {}

RequestSettings::Request RequestAssembler::unlimited() const {
  RequestSettings::Request options = builder_.options();
  options.request_bytes_max = kinesis_format::kPutRecordsBytesMax;
  options.record_bytes_max = kinesis_format::kRecordBytesMax;
  return options;
}

size_t RequestAssembler::first_bytes(size_t data_bytes) const {
  // As base64, and once more in front of that.
  const size_t body =
      builder_.options().protocol == Protocol::json ? data_bytes / 3 * 7 : data_bytes;
  return std::max(body + kBesideBody + kNextRecord, kFirstLease);
}

RequestAssembler::Room RequestAssembler::make_room(size_t data_bytes, SteadyTime now) {
  if (empty()) builder_.reconfigure(settings_.in_force(now));
  const size_t body = builder_.body_bytes();
  const size_t wanted = first_bytes(std::max(data_bytes, kNextRecord)) + body;
  if (lease_.bytes() < wanted) {
    const size_t bytes = empty() ? wanted : wanted + body / 2;
    if (lease_) {
      if (!memory_.try_resize(lease_, bytes)) {
        if (empty()) {
          release_memory();
          return Room::no_memory;
        }
        is_full_ = true;
        return Room::request_full;
      }
    } else {
      if (usual_body_ + kFirstLease > bytes) {
        lease_ = memory_.try_acquire(usual_body_ + kFirstLease, member_);
      }
      if (!lease_) lease_ = memory_.try_acquire(bytes, member_);
      if (!lease_) return Room::no_memory;
    }
  }
  const size_t paid = lease_.bytes() - kBesideBody;
  if (empty()) {
    begin_body(paid);
  } else if (body + kNextRecord > builder_.body_capacity() && 2 * builder_.body_capacity() > paid) {
    builder_.reserve_body(paid);  // in steps of our own: doubled, it could pass the lease
  }
  return Room::ready;
}

void RequestAssembler::begin_body(size_t paid) {
  if (spare_ && spare_->memory_bytes() + kNextRecord <= lease_.bytes()) {
    builder_.reuse(std::move(*spare_));
  }
  spare_.reset();
  const size_t usual = std::max(usual_body_, kUsualBodyMin);
  builder_.begin_body(std::min(paid, usual), usual_records_);
}

size_t RequestAssembler::data_bytes_paid() const {
  const size_t taken = kBesideBody + builder_.body_bytes();
  const size_t left = lease_.bytes() > taken ? lease_.bytes() - taken : 0;
  return builder_.options().protocol == Protocol::json ? left / 7 * 3 : left;
}

ByteBuffer& RequestAssembler::begin_record(SteadyTime now) {
  if (empty()) since_ = now;
  return builder_.begin_record();
}

AddOutcome RequestAssembler::end_record(const RecordKey& key, RecordMetadata meta) {
  const AddOutcome outcome = builder_.end_record(key, records_.size());
  if (outcome == AddOutcome::added) {
    records_.push_back(std::move(meta));  // one for each slot
    is_full_ = builder_.full() || builder_.counted_bytes() >= settings_.flush_bytes();
  } else if (outcome == AddOutcome::request_full) {
    is_full_ = true;
  }
  return outcome;
}

AddOutcome RequestAssembler::add(QueuedRecord& record, SteadyTime now) {
  ByteBuffer& body = begin_record(now);
  if (record.meta.unsealed && builder_.options().protocol == Protocol::json) seal_one(record);
  ByteView data = record.data.view();
  // A record that was in a request before has its line feed already.
  if (builder_.options().line_feed && !data.empty() && data.back() == '\n') {
    data = data.first(data.size() - 1);
  }
  if (data.size() > data_bytes_max(record.key())) {
    cancel_record();
    return AddOutcome::record_too_large;
  }
  body.append(data);
  return end_record(record.key(), RecordMetadata{});
}

// Digests are made here, of all at once, which is faster than of each when it is full.
RequestAttempt RequestAssembler::take() {
  RequestAttempt attempt;
  const size_t body = builder_.body_bytes();
  usual_body_ = std::min(body + body / 8, kUsualBodyMax);
  usual_records_ = builder_.record_count();
  attempt.request = builder_.take();
  CHECK(attempt.request.slots().size() == records_.size());
  attempt.records = std::move(records_);
  records_ = {};
  records_.reserve(attempt.records.size());
  attempt.lease = std::move(lease_);
  attempt.lease.shrink(attempt.request.memory_bytes());
  attempt.number = ++taken_;
  is_full_ = false;
  std::vector<std::span<uint8_t>> unsealed;
  for (size_t slot = 0; slot < attempt.request.slots().size(); ++slot) {
    if (!std::exchange(attempt.record(slot).unsealed, false)) continue;
    unsealed.push_back(attempt.request.data_in_place(slot));
  }
  kinesis_format::seal(unsealed);
  return attempt;
}

void RequestAssembler::release_memory() {
  CHECK(empty());
  lease_.release();
  spare_.reset();
  builder_.release_memory();
}

QueuedRecord extract(const RequestAttempt& attempt, size_t slot) {
  ByteBuffer scratch;
  QueuedRecord record;
  record.data = ByteBuffer::copy_of(attempt.request.data(slot, scratch));
  const RecordKey key = attempt.request.key(slot);
  record.partition_key = key.partition_key;
  record.hash_key = key.explicit_hash_key;
  record.meta = attempt.record(slot);
  return record;
}

std::array<RequestAttempt, 2> halve(RequestAttempt attempt,
                                    const RequestSettings::Request& options) {
  const size_t records = attempt.request.slots().size();
  CHECK(records > 1);
  std::array<RequestAttempt, 2> halves;
  ByteBuffer scratch;
  for (size_t half = 0; half < 2; ++half) {
    RequestAttempt& made = halves[half];
    kinesis_format::RequestBuilder builder(options);
    const size_t end = half == 0 ? records / 2 : records;
    for (size_t slot = half == 0 ? 0 : records / 2; slot < end; ++slot) {
      const AddOutcome added = builder.add_record(attempt.request.data(slot, scratch),
                                                  attempt.request.key(slot), made.records.size());
      CHECK(added == AddOutcome::added);  // it was in a request twice the size
      made.records.push_back(std::move(attempt.record(slot)));
    }
    made.request = builder.take();
    made.lease = attempt.lease.split(std::min(attempt.lease.bytes(), made.request.memory_bytes()));
    made.number = attempt.number;
  }
  return halves;
}

RequestAttempt request_of_one(QueuedRecord record, const RequestSettings::Request& options) {
  RequestAttempt attempt;
  if (record.meta.unsealed) seal_one(record);
  kinesis_format::RequestBuilder builder(options);
  const AddOutcome added = builder.add_record(record.data.view(), record.key(), 0);
  CHECK(added == AddOutcome::added);  // it was in a request of these limits
  attempt.records.push_back(std::move(record.meta));
  attempt.request = builder.take();
  return attempt;
}

}  // namespace penstock::delivery
