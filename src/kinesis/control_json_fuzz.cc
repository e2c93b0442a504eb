// Any bytes as the answer of a control call: nothing, or a value within what its type promises.
#include "kinesis/control_json.h"

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;  // NOLINT(google-build-using-namespace)
  const ByteView json{data, size};
  (void)kinesis::parse_stream_summary(json);
  (void)kinesis::parse_shard_iterator(json);
  (void)kinesis::parse_delivery_stream_status(json);
  if (const auto page = kinesis::parse_shards(json)) {
    for (const kinesis::ShardDescription& shard : page->shards) {
      CHECK(shard.shard.first <= shard.shard.last);
    }
  }
  if (const auto page = kinesis::parse_records(json)) {
    for (const kinesis::StoredRecord& record : page->records) {
      CHECK(record.data.size() <= size);  // base64 makes nothing longer
    }
  }
  return 0;
}
