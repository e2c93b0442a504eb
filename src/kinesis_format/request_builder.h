// RequestBuilder: fills the body of one PutRecords (or Firehose PutRecordBatch) request to its
// limits and remembers which record is where. An event is encoded straight into the body:
//
//   ByteBuffer& data = builder.begin_record();
//   encoder.append(data, batch, event, index, builder.data_bytes_max(key));   // append only
//   builder.end_record(key, cookie)                                           // or cancel_record()
//
// Request: the finished body with its slots. A record the service refused is taken out of it again,
// raw, and put into another builder with add_record().
//
// CBOR bodies (application/x-amz-cbor-1.1) carry data raw, JSON ones (application/x-amz-json-1.1)
// as base64: there begin_record() gives a buffer aside. Lengths that are known only at the end have
// a head of fixed width, which RFC 8949 allows, and are patched.
//
// Pure; owned by one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "kinesis_format/put_records_limits.h"
#include "kinesis_format/u128.h"

namespace penstock::kinesis_format {

enum class Protocol : uint8_t { cbor, json };
enum class Service : uint8_t { kinesis, firehose };  // firehose speaks json only

// Where Kinesis puts a record. Firehose has no keys and ignores them.
struct RecordKey {
  std::string_view partition_key;  // 1 to 256 characters of valid UTF-8
  std::optional<Uint128> explicit_hash_key;
};

// As the service counts a record besides its data. Whether it counts the explicit hash key is not
// written down: it is counted.
[[nodiscard]] size_t key_bytes(const RecordKey& key);

class Request {
 public:
  struct Slot {
    uint32_t data_offset = 0;  // in the body, as it stands on the wire
    uint32_t data_size = 0;
    uint32_t key_offset = 0;  // in keys_
    uint32_t key_size = 0;
    bool has_hash_key = false;
    Uint128 hash_key = 0;
    uint64_t cookie = 0;  // the caller's
  };

  [[nodiscard]] ByteView body() const { return body_.view(); }
  // Hands the body to whoever sends it; until it is returned only slots() and key() may be asked.
  [[nodiscard]] ByteBuffer take_body() { return std::move(body_); }
  void give_back_body(ByteBuffer body) { body_ = std::move(body); }
  [[nodiscard]] const std::vector<Slot>& slots() const { return slots_; }
  // The sum the service's limits are about.
  [[nodiscard]] size_t counted_bytes() const { return counted_bytes_; }
  // What this request holds in memory.
  [[nodiscard]] size_t memory_bytes() const;
  [[nodiscard]] Protocol protocol() const { return protocol_; }
  // For the Content-Type and X-Amz-Target headers.
  [[nodiscard]] std::string_view content_type() const;
  [[nodiscard]] std::string_view target() const;

  // The key of a record; borrowed from this request.
  [[nodiscard]] RecordKey key(size_t slot) const;
  // The data of a record, raw: a view into the body, or, decoded, into scratch.
  [[nodiscard]] ByteView data(size_t slot, ByteBuffer& scratch) const;
  // The same, to be changed where it stands. Requires CBOR.
  [[nodiscard]] std::span<uint8_t> data_in_place(size_t slot);

 private:
  friend class RequestBuilder;

  ByteBuffer body_;
  ByteBuffer keys_;
  std::vector<Slot> slots_;
  size_t counted_bytes_ = 0;
  Protocol protocol_ = Protocol::cbor;
  Service service_ = Service::kinesis;
};

enum class AddOutcome : uint8_t {
  added,
  request_full,      // cut off again: it belongs into the next request
  record_too_large,  // cut off again: it fits into no request
};

class RequestBuilder {
 public:
  struct Options {
    Service service = Service::kinesis;
    Protocol protocol = Protocol::cbor;
    std::string stream_name;  // either or both; of Firehose the delivery stream's name
    std::string stream_arn;
    uint32_t records_max = kPutRecordsCountMax;  // these are lowered to what the service takes
    size_t request_bytes_max = kPutRecordsBytesDefault;
    size_t record_bytes_max = kRecordBytesDefault;
    size_t body_bytes_max = kBodyBytesMax;
    // Ends each record with a line feed, so that what Firehose joins stays lines.
    bool line_feed = false;
  };
  explicit RequestBuilder(Options options);

  // Where the data of the next record goes: append to it, and touch nothing it holds. Until
  // end_record() or cancel_record() nothing else may be called but data_bytes_max().
  [[nodiscard]] ByteBuffer& begin_record();
  [[nodiscard]] AddOutcome end_record(const RecordKey& key, uint64_t cookie);
  void cancel_record();
  [[nodiscard]] AddOutcome add_record(ByteView data, const RecordKey& key, uint64_t cookie);

  // The most data a record with this key may have, in any request.
  [[nodiscard]] size_t data_bytes_max(const RecordKey& key) const;

  [[nodiscard]] bool empty() const { return request_.slots_.empty(); }
  [[nodiscard]] size_t record_count() const { return request_.slots_.size(); }
  [[nodiscard]] size_t counted_bytes() const { return request_.counted_bytes_; }
  // Of the body as it stands, and what it has memory for.
  [[nodiscard]] size_t body_bytes() const { return empty() ? 0 : request_.body_.size(); }
  [[nodiscard]] size_t body_capacity() const { return request_.body_.capacity(); }
  void reserve_body(size_t bytes) { request_.body_.reserve(bytes); }
  // Room for a body and records of this size before the first record. Requires that it is empty.
  void begin_body(size_t bytes, size_t records);
  // No further record fits, whatever its size.
  [[nodiscard]] bool full() const;

  // The finished request; the builder is empty again. Requires that there is a record.
  [[nodiscard]] Request take();
  // Gives a request's memory to the next one.
  void reuse(Request&& spent);
  void clear();
  // Requires that it is empty.
  void release_memory();

  [[nodiscard]] const Options& options() const { return options_; }
  // For the next request on; requires that the builder is empty.
  void reconfigure(Options options);

 private:
  void append_head();
  void append_tail();
  void append_cbor_key(const RecordKey& key);
  void append_json_key(const RecordKey& key);
  AddOutcome refuse(AddOutcome outcome);
  [[nodiscard]] size_t request_bytes_max() const;

  Options options_;
  Request request_;
  ByteBuffer aside_;         // json: the data before it becomes base64
  size_t record_start_ = 0;  // in the body: of the open record
  size_t data_start_ = 0;    // of its data
  size_t count_at_ = 0;      // of the number of records (cbor)
};

}  // namespace penstock::kinesis_format
