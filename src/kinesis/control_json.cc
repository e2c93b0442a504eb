#include "kinesis/control_json.h"

#include <simdjson.h>

#include "codec/base64.h"

namespace penstock::kinesis {
namespace {

using simdjson::dom::element;

std::string text_of(const element& parent, std::string_view key) {
  std::string_view text;
  return parent[key].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

uint64_t number_of(const element& parent, std::string_view key) {
  uint64_t number = 0;
  return parent[key].get(number) == simdjson::SUCCESS ? number : 0;
}

bool has(const element& parent, std::string_view key) {
  element value;
  return parent[key].get(value) == simdjson::SUCCESS && !value.is_null();
}

// The object an answer is; false when it is none. Elements borrow from the parser.
bool parse_object(simdjson::dom::parser& parser, ByteView json, element& object) {
  return parser.parse(reinterpret_cast<const char*>(json.data()), json.size()).get(object) ==
             simdjson::SUCCESS &&
         object.is_object();
}

std::optional<ShardDescription> read_shard(const element& item) {
  ShardDescription description;
  description.id = text_of(item, "ShardId");
  description.parent_id = text_of(item, "ParentShardId");
  description.adjacent_parent_id = text_of(item, "AdjacentParentShardId");
  description.shard.number = shard_number_in(description.id);
  element range, sequence;
  if (item["HashKeyRange"].get(range) != simdjson::SUCCESS) return std::nullopt;
  const auto first = kinesis_format::parse_decimal(text_of(range, "StartingHashKey"));
  const auto last = kinesis_format::parse_decimal(text_of(range, "EndingHashKey"));
  if (!first || !last || *first > *last || description.shard.number == kNoShard) {
    return std::nullopt;
  }
  description.shard.first = *first;
  description.shard.last = *last;
  if (item["SequenceNumberRange"].get(sequence) == simdjson::SUCCESS) {
    description.closed = !text_of(sequence, "EndingSequenceNumber").empty();
  }
  return description;
}

std::optional<StoredRecord> read_record(const element& item) {
  StoredRecord record;
  record.sequence_number = text_of(item, "SequenceNumber");
  record.partition_key = text_of(item, "PartitionKey");
  std::string_view data;
  if (record.sequence_number.empty() || item["Data"].get(data) != simdjson::SUCCESS ||
      !codec::decode_base64(record.data, as_bytes(data))) {
    return std::nullopt;
  }
  double arrival = 0;  // seconds
  if (item["ApproximateArrivalTimestamp"].get(arrival) == simdjson::SUCCESS && arrival > 0 &&
      arrival < 1e11) {
    record.arrival_ms = static_cast<int64_t>(arrival * 1000 + 0.5);
  }
  return record;
}

}  // namespace

std::string stream_call(const StreamId& stream, std::string_view more) {
  std::string body = "{";
  const auto add = [&](std::string_view member) {
    if (member.empty()) return;
    if (body.size() > 1) body += ',';
    body += member;
  };
  add(stream.arn.empty() ? "\"StreamName\":" + json_string(stream.name)
                         : "\"StreamARN\":" + json_string(stream.arn));
  add(more);
  return body + "}";
}

std::optional<StreamSummary> parse_stream_summary(ByteView json) {
  simdjson::dom::parser parser;
  element answer, description;
  if (!parse_object(parser, json, answer)) return std::nullopt;
  StreamSummary summary;
  const bool is_summary = answer["StreamDescriptionSummary"].get(description) == simdjson::SUCCESS;
  if (is_summary) {
    summary.open_shard_count = static_cast<uint32_t>(number_of(description, "OpenShardCount"));
  } else if (answer["StreamDescription"].get(description) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  summary.arn = text_of(description, "StreamARN");
  summary.status = text_of(description, "StreamStatus");
  summary.retention_hours = static_cast<uint32_t>(number_of(description, "RetentionPeriodHours"));
  summary.encrypted = text_of(description, "EncryptionType") == "KMS";
  summary.key_id = text_of(description, "KeyId");
  const std::string strategy = text_of(description, "RecordDistributionStrategy");
  if (strategy == "AUTO") summary.distribution = RecordDistribution::automatic;
  if (strategy.empty() && !is_summary) summary.distribution = RecordDistribution::unknown;
  summary.knows_dry_run =
      !strategy.empty() || has(description, "ChannelCount") || has(description, "QueueCount");
  summary.record_bytes_max = number_of(description, "MaxRecordSizeInKiB") << 10;
  element mode;
  if (description["StreamModeDetails"].get(mode) == simdjson::SUCCESS) {
    summary.on_demand = text_of(mode, "StreamMode") == "ON_DEMAND";
  }
  return summary;
}

std::optional<ShardPage> parse_shards(ByteView json) {
  simdjson::dom::parser parser;
  element answer;
  simdjson::dom::array shards;
  if (!parse_object(parser, json, answer) || answer["Shards"].get(shards) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  ShardPage page;
  page.next_token = text_of(answer, "NextToken");
  for (const element item : shards) {
    auto shard = read_shard(item);
    if (!shard) return std::nullopt;
    page.shards.push_back(std::move(*shard));
  }
  return page;
}

std::optional<std::string> parse_shard_iterator(ByteView json) {
  simdjson::dom::parser parser;
  element answer;
  if (!parse_object(parser, json, answer)) return std::nullopt;
  std::string iterator = text_of(answer, "ShardIterator");
  if (iterator.empty()) return std::nullopt;
  return iterator;
}

std::optional<std::string> parse_delivery_stream_status(ByteView json) {
  simdjson::dom::parser parser;
  element answer, description;
  if (!parse_object(parser, json, answer) ||
      answer["DeliveryStreamDescription"].get(description) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return text_of(description, "DeliveryStreamStatus");
}

std::optional<RecordPage> parse_records(ByteView json) {
  simdjson::dom::parser parser;
  element answer;
  simdjson::dom::array records;
  if (!parse_object(parser, json, answer) || answer["Records"].get(records) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  RecordPage page;
  page.next_iterator = text_of(answer, "NextShardIterator");
  page.behind_ms = static_cast<int64_t>(number_of(answer, "MillisBehindLatest"));
  for (const element item : records) {
    auto record = read_record(item);
    if (!record) return std::nullopt;
    page.records.push_back(std::move(*record));
  }
  return page;
}

}  // namespace penstock::kinesis
