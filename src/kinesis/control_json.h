// The bodies of control calls and their answers, as JSON. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/json_writer.h"
#include "kinesis/control.h"

namespace penstock::kinesis {

// {"StreamName":"logs",more} or {"StreamARN":…,more}; more as it is: "" or `"Limit":10`.
[[nodiscard]] std::string stream_call(const StreamId& stream, std::string_view more);
using codec::json_string;

// Each takes an answer of status 200; nothing: it is not what the service answers.
[[nodiscard]] std::optional<StreamSummary> parse_stream_summary(ByteView json);
struct ShardPage {
  std::vector<ShardDescription> shards;
  std::string next_token;
};
[[nodiscard]] std::optional<ShardPage> parse_shards(ByteView json);
[[nodiscard]] std::optional<std::string> parse_shard_iterator(ByteView json);
[[nodiscard]] std::optional<std::string> parse_delivery_stream_status(ByteView json);
[[nodiscard]] std::optional<RecordPage> parse_records(ByteView json);

}  // namespace penstock::kinesis
