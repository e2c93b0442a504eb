// Any order of adding, cancelling, taking and re-adding: a body always parses, holds exactly what
// was added, and keeps to its limits.
#include "kinesis_format/request_builder.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/check.h"
#include "codec/base64.h"

namespace {

using namespace penstock;
using nlohmann::json;

struct Added {
  std::string data;
  std::string key;
  uint64_t cookie;
};

void check_request(const kinesis_format::Request& request, const std::vector<Added>& added) {
  CHECK(request.slots().size() == added.size());
  const ByteView body = request.body();
  const bool cbor = request.protocol() == kinesis_format::Protocol::cbor;
  const json read = cbor ? json::from_cbor(body.begin(), body.end(), true, false)
                         : json::parse(body.begin(), body.end(), nullptr, false);
  CHECK(!read.is_discarded() && read["Records"].size() == added.size());
  ByteBuffer scratch;
  for (size_t i = 0; i < added.size(); ++i) {
    CHECK(as_text(request.data(i, scratch)) == added[i].data);
    CHECK(request.key(i).partition_key == added[i].key);
    CHECK(request.slots()[i].cookie == added[i].cookie);
    const json& record = read["Records"][i];
    CHECK(record["PartitionKey"] == added[i].key);
    if (cbor) {
      const auto& data = record["Data"].get_binary();
      CHECK(std::string(data.begin(), data.end()) == added[i].data);
    } else {
      ByteBuffer data;
      CHECK(codec::decode_base64(data, as_bytes(record["Data"].get_ref<const std::string&>())));
      CHECK(as_text(data.view()) == added[i].data);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 4) return 0;
  kinesis_format::RequestBuilder::Options options;
  options.protocol =
      (bytes[0] & 1) != 0 ? kinesis_format::Protocol::cbor : kinesis_format::Protocol::json;
  options.stream_name = "logs";
  options.records_max = 1 + bytes[1] % 8;
  options.request_bytes_max = 3000 + size_t{bytes[2]} * 8;
  options.record_bytes_max = 64 + size_t{bytes[3]} * 8;
  kinesis_format::RequestBuilder builder(options);
  std::vector<Added> added;
  for (size_t i = 4; i + 2 < size; i += 3) {
    const std::string data(size_t{bytes[i]} * (bytes[i + 1] % 32), static_cast<char>(bytes[i + 2]));
    const std::string key(1 + bytes[i + 1] % 60, '"');
    kinesis_format::RecordKey record_key{key, std::nullopt};
    if ((bytes[i + 2] & 1) != 0)
      record_key.explicit_hash_key = kinesis_format::Uint128{bytes[i]} << 100;
    const uint64_t cookie = i;
    if (bytes[i + 1] % 7 == 0) {
      builder.begin_record().append(data);
      builder.cancel_record();
      continue;
    }
    auto outcome = builder.add_record(as_bytes(data), record_key, cookie);
    if (outcome == kinesis_format::AddOutcome::request_full) {
      CHECK(!added.empty());
      kinesis_format::Request request = builder.take();
      CHECK(request.counted_bytes() <= options.request_bytes_max);
      check_request(request, added);
      builder.reuse(std::move(request));
      added.clear();
      outcome = builder.add_record(as_bytes(data), record_key, cookie);
      CHECK(outcome == kinesis_format::AddOutcome::added);
    }
    if (outcome == kinesis_format::AddOutcome::added) {
      added.push_back({data, key, cookie});
    } else {
      CHECK(data.size() > builder.data_bytes_max(record_key));
    }
  }
  if (!builder.empty()) check_request(builder.take(), added);
  return 0;
}
