// RequestAssembler: the request that is being filled: its records and its memory. Nothing else in
// delivery makes CBOR or JSON of it.
//
// Invariants, checked here:
//   the metadata has one entry for each record of the request
//   a record without its digest leaves only sealed, and goes into JSON only sealed
//   the protocol and the limits change between requests, never within one
//   make_room() comes before a record: the body never has more bytes than the lease paid for
//
// It has 21 functions, nine of which only answer questions: records, their metadata and the memory
// that pays for them change in one step or not at all.
//
// Thread: the delivery thread's.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "delivery/records.h"
#include "delivery/request_settings.h"

namespace penstock::delivery {

class RequestAssembler {
 public:
  RequestAssembler(const RequestSettings& settings, memory::MemoryBudget& memory,
                   memory::MemoryBudget::Member member);

  // For a request made of records that were in one already: no limit but the service's own.
  [[nodiscard]] RequestSettings::Request unlimited() const;

  // ---- filling

  enum class Room : uint8_t {
    ready,
    request_full,  // it has to be sent first
    no_memory,     // not even for an empty one: await first_bytes(), then adopt()
  };
  // data_bytes: of the record that comes next, when it is known to be large.
  [[nodiscard]] Room make_room(size_t data_bytes, SteadyTime now);
  [[nodiscard]] size_t first_bytes(size_t data_bytes) const;
  // Memory that was waited for; what was found meanwhile may be more.
  void adopt(memory::MemoryLease lease) {
    if (lease.bytes() > lease_.bytes()) lease_ = std::move(lease);
  }

  // Appends to what this returns, then end_record() or cancel_record().
  [[nodiscard]] ByteBuffer& begin_record(SteadyTime now);
  [[nodiscard]] kinesis_format::AddOutcome end_record(const kinesis_format::RecordKey& key,
                                                      RecordMetadata meta);
  void cancel_record() { builder_.cancel_record(); }
  // For a record that has bytes already; when it was added, describe() follows with its metadata.
  [[nodiscard]] kinesis_format::AddOutcome add(QueuedRecord& record, SteadyTime now);
  void describe(RecordMetadata meta) { records_.back() = std::move(meta); }
  // The most data a record with this key may have; and what there is memory for now.
  [[nodiscard]] size_t data_bytes_max(const kinesis_format::RecordKey& key) const {
    return builder_.data_bytes_max(key);
  }
  [[nodiscard]] size_t data_bytes_paid() const;

  [[nodiscard]] bool empty() const { return builder_.empty(); }
  [[nodiscard]] bool is_full() const { return is_full_; }
  [[nodiscard]] size_t counted_bytes() const { return builder_.counted_bytes(); }
  [[nodiscard]] SteadyTime since() const { return since_; }  // of its first record
  // The number that the request being filled will have.
  [[nodiscard]] uint64_t number() const { return taken_ + 1; }

  [[nodiscard]] RequestAttempt take();
  // Its memory, for the next one.
  void reuse(kinesis_format::Request spent) { spare_ = std::move(spent); }
  void release_memory();

 private:
  void begin_body(size_t paid);

  const RequestSettings& settings_;  // in force from the next request on
  memory::MemoryBudget& memory_;
  const memory::MemoryBudget::Member member_;
  kinesis_format::RequestBuilder builder_;
  std::vector<RecordMetadata> records_;  // of the builder, by cookie
  memory::MemoryLease lease_;
  std::optional<kinesis_format::Request> spare_;  // a spent request, for its memory
  size_t usual_body_ = 0;                         // of the last request, and a little more
  size_t usual_records_ = 0;
  SteadyTime since_{};
  uint64_t taken_ = 0;
  bool is_full_ = false;
};

// ---- requests that are taken apart, or made of one record

// The record of a slot with bytes of its own.
[[nodiscard]] QueuedRecord extract(const RequestAttempt& attempt, size_t slot);
// Two requests with half of the records each. Requires two records. options: unlimited().
[[nodiscard]] std::array<RequestAttempt, 2> halve(RequestAttempt attempt,
                                                  const RequestSettings::Request& options);
[[nodiscard]] RequestAttempt request_of_one(QueuedRecord record,
                                            const RequestSettings::Request& options);

}  // namespace penstock::delivery
