// RequestAssembler: the request that is being filled: its records, its memory, its limits and its
// protocol. Nothing else in delivery knows CBOR from JSON.
//
// Invariants, checked here:
//   the metadata has one entry for each record of the request
//   a record without its digest leaves only sealed, and goes into JSON only sealed
//   the protocol and the limits change between requests, never within one
//   make_room() comes before a record: the body never has more bytes than the lease paid for
//
// Thread: the delivery thread's.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "delivery/records.h"

namespace penstock::delivery {

class RequestAssembler {
 public:
  using RequestOptions = kinesis_format::RequestBuilder::Options;
  struct Options {
    RequestOptions request;
    size_t flush_bytes = 5_MiB;
    // What memory allows, however large a record the stream takes.
    size_t request_bytes_max = kinesis_format::kPutRecordsBytesMax;
  };
  RequestAssembler(Options options, memory::MemoryBudget& memory,
                   memory::MemoryBudget::Member member);

  // ---- settings, in force from the next request on

  void configure(Options options);
  // The largest record, as the service says.
  void limit_records(size_t record_bytes_max);
  // The same, key included, as far as our requests take it.
  [[nodiscard]] size_t record_bytes_max() const;
  // The service does not know CBOR: JSON for a while, longer each time. False: this was JSON.
  bool fall_back_to_json(const kinesis_format::Request& rejected, SteadyTime now);
  // For a request made of records that were in one already: no limit but the service's own.
  [[nodiscard]] RequestOptions unlimited() const;

  // ---- filling

  enum class Room : uint8_t {
    ready,
    request_full,  // it has to be sent first
    no_memory,     // not even for an empty one: await first_bytes(), then adopt()
  };
  // data_bytes: of the record that comes next, when it is known to be large.
  [[nodiscard]] Room make_room(size_t data_bytes, SteadyTime now);
  [[nodiscard]] size_t first_bytes(size_t data_bytes) const;
  void adopt(memory::MemoryLease lease) { lease_ = std::move(lease); }

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
  struct JsonFallback {
    SteadyTime until{};
    nanoseconds next{std::chrono::minutes(10)};  // for how long, when it happens again
  };
  void apply_options(SteadyTime now);
  void begin_body(size_t paid);

  memory::MemoryBudget& memory_;
  const memory::MemoryBudget::Member member_;
  Options options_;
  size_t stream_record_bytes_ = 0;  // what the service said; 0: nothing
  JsonFallback json_;
  kinesis_format::RequestBuilder builder_;
  std::vector<RecordMetadata> records_;  // of the builder, by cookie
  memory::MemoryLease lease_;
  std::optional<kinesis_format::Request> spare_;  // a spent request, for its memory
  size_t usual_body_ = 0;  // of the last request, and a little more
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
                                                  const RequestAssembler::RequestOptions& options);
[[nodiscard]] RequestAttempt request_of_one(QueuedRecord record,
                                            const RequestAssembler::RequestOptions& options);

}  // namespace penstock::delivery
