#include "kinesis_format/request_builder.h"

#include <algorithm>
#include <cstring>

#include "base/big_endian.h"
#include "base/check.h"
#include "codec/base64.h"
#include "codec/json_writer.h"

namespace penstock::kinesis_format {
namespace {

// RFC 8949, section 3: the major type in the upper three bits, then the argument.
constexpr uint8_t kCborText = 0x60;
constexpr uint8_t kCborMap = 0xa0;
constexpr uint8_t kCborArray32 = 0x9a;  // u32 follows
constexpr uint8_t kCborBytes32 = 0x5a;  // u32 follows

void append_cbor_text(ByteBuffer& out, std::string_view text) {
  if (text.size() < 24) {
    out.push_back(static_cast<uint8_t>(kCborText + text.size()));
  } else if (text.size() < 256) {
    out.push_back(kCborText + 24);
    out.push_back(static_cast<uint8_t>(text.size()));
  } else {
    CHECK(text.size() < 65536);
    uint8_t head[3] = {kCborText + 25};
    store_be(head + 1, static_cast<uint16_t>(text.size()));
    out.append(ByteView(head, sizeof head));
  }
  out.append(text);
}

// Leaves the length open; returns where it stands.
size_t append_open_head(ByteBuffer& out, uint8_t first) {
  const uint8_t head[5] = {first};
  out.append(ByteView(head, sizeof head));
  return out.size() - 4;
}

size_t decimal_digits(Uint128 value) {
  char digits[kUint128DigitsMax];
  return static_cast<size_t>(write_decimal(digits, value) - digits);
}

}  // namespace

size_t key_bytes(const RecordKey& key) {
  return key.partition_key.size() +
         (key.explicit_hash_key ? decimal_digits(*key.explicit_hash_key) : 0);
}

size_t Request::memory_bytes() const {
  return body_.capacity() + keys_.capacity() + slots_.capacity() * sizeof(Slot);
}

std::string_view Request::content_type() const {
  return protocol_ == Protocol::cbor ? "application/x-amz-cbor-1.1" : "application/x-amz-json-1.1";
}

std::string_view Request::target() const {
  return service_ == Service::kinesis ? "Kinesis_20131202.PutRecords"
                                      : "Firehose_20150804.PutRecordBatch";
}

RecordKey Request::key(size_t slot) const {
  const Slot& where = slots_[slot];
  RecordKey key;
  key.partition_key = as_text(keys_.view().subspan(where.key_offset, where.key_size));
  if (where.has_hash_key) key.explicit_hash_key = where.hash_key;
  return key;
}

ByteView Request::data(size_t slot, ByteBuffer& scratch) const {
  const Slot& where = slots_[slot];
  const ByteView wire = body_.view().subspan(where.data_offset, where.data_size);
  if (protocol_ == Protocol::cbor) return wire;
  scratch.clear();
  CHECK(codec::decode_base64(scratch, wire));  // we wrote it
  return scratch.view();
}

std::span<uint8_t> Request::data_in_place(size_t slot) {
  CHECK(protocol_ == Protocol::cbor);
  return {body_.data() + slots_[slot].data_offset, slots_[slot].data_size};
}

RequestBuilder::RequestBuilder(Options options) { reconfigure(std::move(options)); }

void RequestBuilder::reconfigure(Options options) {
  CHECK(empty());
  options_ = std::move(options);
  const bool firehose = options_.service == Service::firehose;
  if (firehose) options_.protocol = Protocol::json;
  const auto clamp = [](auto& value, auto max) { value = std::min(value, max); };
  clamp(options_.records_max, firehose ? kFirehoseCountMax : kPutRecordsCountMax);
  clamp(options_.request_bytes_max, firehose ? kFirehoseBytesMax : kPutRecordsBytesMax);
  clamp(options_.record_bytes_max, firehose ? kFirehoseRecordBytesMax : kRecordBytesMax);
  request_.protocol_ = options_.protocol;
  request_.service_ = options_.service;
  clear();
}

void RequestBuilder::clear() {
  request_.body_.clear();
  request_.keys_.clear();
  request_.slots_.clear();
  request_.counted_bytes_ = 0;
}

size_t RequestBuilder::request_bytes_max() const {
  const size_t max = options_.request_bytes_max;
  return max > 2 * kRequestBytesMargin ? max - kRequestBytesMargin : max;
}

size_t RequestBuilder::data_bytes_max(const RecordKey& key) const {
  const size_t record_max = std::min(options_.record_bytes_max, request_bytes_max());
  const size_t beside = options_.line_feed ? 1 : 0;
  const size_t key_size = options_.service == Service::kinesis ? key_bytes(key) : 0;
  return record_max > key_size + beside ? record_max - key_size - beside : 0;
}

bool RequestBuilder::full() const {
  return request_.slots_.size() >= options_.records_max ||
         request_.counted_bytes_ >= request_bytes_max();
}

// {"StreamName":…,"StreamARN":…,"Records":[ up to the first record.
void RequestBuilder::append_head() {
  ByteBuffer& body = request_.body_;
  const bool firehose = options_.service == Service::firehose;
  const std::string_view name_key = firehose ? "DeliveryStreamName" : "StreamName";
  const bool has_name = !options_.stream_name.empty();
  const bool has_arn = !firehose && !options_.stream_arn.empty();
  if (options_.protocol == Protocol::cbor) {
    body.push_back(static_cast<uint8_t>(kCborMap + 1 + (has_name ? 1 : 0) + (has_arn ? 1 : 0)));
    if (has_name) {
      append_cbor_text(body, name_key);
      append_cbor_text(body, options_.stream_name);
    }
    if (has_arn) {
      append_cbor_text(body, "StreamARN");
      append_cbor_text(body, options_.stream_arn);
    }
    append_cbor_text(body, "Records");
    count_at_ = append_open_head(body, kCborArray32);
    return;
  }
  body.push_back('{');
  if (has_name) {
    codec::append_json_string(body, name_key);
    body.push_back(':');
    codec::append_json_string(body, options_.stream_name);
    body.push_back(',');
  }
  if (has_arn) {
    body.append(R"("StreamARN":)");
    codec::append_json_string(body, options_.stream_arn);
    body.push_back(',');
  }
  body.append(R"("Records":[)");
}

void RequestBuilder::append_tail() {
  if (options_.protocol == Protocol::cbor) {
    store_be(request_.body_.data() + count_at_, static_cast<uint32_t>(request_.slots_.size()));
  } else {
    request_.body_.append("]}");
  }
}

ByteBuffer& RequestBuilder::begin_record() {
  ByteBuffer& body = request_.body_;
  if (request_.slots_.empty()) {
    body.clear();
    append_head();
  }
  record_start_ = body.size();
  if (options_.protocol == Protocol::json) {
    aside_.clear();
    return aside_;
  }
  // The entry in one piece: map(2), "Data", bytes with an open length. map(3) is patched in.
  static constexpr uint8_t kEntryHead[] = {kCborMap + 2, 0x64, 'D', 'a', 't', 'a',
                                           kCborBytes32, 0,    0,   0,   0};
  body.append(ByteView(kEntryHead, sizeof kEntryHead));
  data_start_ = body.size();
  return body;
}

void RequestBuilder::cancel_record() { request_.body_.resize(record_start_); }

AddOutcome RequestBuilder::refuse(AddOutcome outcome) {
  cancel_record();
  return outcome;
}

AddOutcome RequestBuilder::end_record(const RecordKey& key, uint64_t cookie) {
  ByteBuffer& body = request_.body_;
  const bool cbor = options_.protocol == Protocol::cbor;
  ByteBuffer& data = cbor ? body : aside_;
  const size_t start = cbor ? data_start_ : 0;
  if (data.size() - start > data_bytes_max(key)) return refuse(AddOutcome::record_too_large);
  if (options_.line_feed) data.push_back('\n');
  const size_t data_size = data.size() - start;
  const bool keyed = options_.service == Service::kinesis;
  const size_t counted = data_size + (keyed ? key_bytes(key) : 0);
  if (request_.slots_.size() >= options_.records_max ||
      request_.counted_bytes_ + counted > request_bytes_max()) {
    return refuse(AddOutcome::request_full);
  }

  Request::Slot slot;
  if (cbor) {
    store_be(body.data() + start - 4, static_cast<uint32_t>(data_size));
    slot.data_offset = static_cast<uint32_t>(start);
    slot.data_size = static_cast<uint32_t>(data_size);
    if (key.explicit_hash_key) body.data()[record_start_] = kCborMap + 3;
    append_cbor_key(key);
  } else {
    if (!empty()) body.push_back(',');
    body.append(R"({"Data":")");
    slot.data_offset = static_cast<uint32_t>(body.size());
    codec::append_base64(body, aside_.view());
    slot.data_size = static_cast<uint32_t>(body.size() - slot.data_offset);
    body.push_back('"');
    if (keyed) append_json_key(key);
    body.push_back('}');
  }
  if (body.size() + 2 > options_.body_bytes_max) {
    return refuse(empty() ? AddOutcome::record_too_large : AddOutcome::request_full);
  }
  slot.key_offset = static_cast<uint32_t>(request_.keys_.size());
  slot.key_size = static_cast<uint32_t>(key.partition_key.size());
  slot.has_hash_key = key.explicit_hash_key.has_value();
  slot.hash_key = key.explicit_hash_key.value_or(0);
  slot.cookie = cookie;
  request_.keys_.append(key.partition_key);
  request_.slots_.push_back(slot);
  request_.counted_bytes_ += counted;
  return AddOutcome::added;
}

AddOutcome RequestBuilder::add_record(ByteView data, const RecordKey& key, uint64_t cookie) {
  // A record taken out of another request has its line feed already.
  ByteView bare = data;
  if (options_.line_feed && !bare.empty() && bare.back() == '\n') {
    bare = bare.first(bare.size() - 1);
  }
  if (bare.size() > data_bytes_max(key)) return AddOutcome::record_too_large;
  begin_record().append(bare);
  return end_record(key, cookie);
}

void RequestBuilder::append_cbor_key(const RecordKey& key) {
  append_cbor_text(request_.body_, "PartitionKey");
  append_cbor_text(request_.body_, key.partition_key);
  if (key.explicit_hash_key) {
    char digits[kUint128DigitsMax];
    const char* end = write_decimal(digits, *key.explicit_hash_key);
    append_cbor_text(request_.body_, "ExplicitHashKey");
    append_cbor_text(request_.body_, {digits, static_cast<size_t>(end - digits)});
  }
}

void RequestBuilder::append_json_key(const RecordKey& key) {
  request_.body_.append(R"(,"PartitionKey":)");
  codec::append_json_string(request_.body_, key.partition_key);
  if (key.explicit_hash_key) {
    char digits[kUint128DigitsMax];
    const char* end = write_decimal(digits, *key.explicit_hash_key);
    request_.body_.append(R"(,"ExplicitHashKey":")");
    request_.body_.append(std::string_view(digits, static_cast<size_t>(end - digits)));
    request_.body_.push_back('"');
  }
}

void RequestBuilder::release_memory() {
  CHECK(empty());
  request_.body_.release();
  request_.keys_.release();
  request_.slots_ = {};
  aside_.release();
}

void RequestBuilder::begin_body(size_t bytes, size_t records) {
  CHECK(empty());
  if (request_.body_.capacity() < bytes) {
    request_.body_.release();  // else realloc copies what nobody reads
    request_.body_.reserve(bytes);
  }
  request_.slots_.reserve(records);
}

Request RequestBuilder::take() {
  CHECK(!empty());
  append_tail();
  // One that is much smaller than usual does not keep the usual one's memory while it is in flight.
  constexpr size_t kWorthGivingBack = 64_KiB;
  const size_t unused = request_.body_.capacity() - request_.body_.size();
  if (unused > kWorthGivingBack && unused > request_.body_.size()) {
    request_.body_ = ByteBuffer::copy_of(request_.body_.view());
  }
  Request finished = std::move(request_);
  request_ = Request();
  request_.protocol_ = options_.protocol;
  request_.service_ = options_.service;
  return finished;
}

void RequestBuilder::reuse(Request&& spent) {
  if (!empty()) return;
  if (spent.body_.capacity() > request_.body_.capacity()) request_.body_ = std::move(spent.body_);
  if (spent.keys_.capacity() > request_.keys_.capacity()) request_.keys_ = std::move(spent.keys_);
  if (spent.slots_.capacity() > request_.slots_.capacity()) {
    request_.slots_ = std::move(spent.slots_);
  }
  clear();
}

}  // namespace penstock::kinesis_format
