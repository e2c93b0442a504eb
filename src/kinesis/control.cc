#include "kinesis/control.h"

#include <algorithm>
#include <thread>

#include "kinesis/back_off.h"
#include "kinesis/control_json.h"

namespace penstock::kinesis {
namespace {

// A page of GetRecords is up to 10 MiB of data, a third more as base64, and keys around it.
constexpr size_t kAnswerBytesMax = 24u << 20;
constexpr size_t kShardPagesMax = 64;  // of 1,000 shards
// The service's hint may lengthen a wait to this, and never shortens it.
constexpr milliseconds kHintMax{5'000};

// nullptr: the same call again would change nothing.
const BackOff* back_off_of(PutError error) {
  switch (error) {
    case PutError::throttled:
      return &kThrottledCallBackOff;
    case PutError::kms_throttled:
      return &kSlowCallBackOff;
    case PutError::server_fault:
    case PutError::network:
    case PutError::unknown_outcome:
      return &kCallBackOff;
    default:
      return nullptr;
  }
}

ServiceError unreadable(std::string_view operation) {
  return {PutError::unknown_outcome, "unreadable_answer",
          std::string(operation) + ": the answer is not what the service sends"};
}

}  // namespace

ControlClient::ControlClient(Options options, CredentialSupply supply, const Clock& clock,
                             ClockOffset& clock_offset)
    : options_(std::move(options)),
      supply_(std::move(supply)),
      clock_(clock),
      clock_offset_(clock_offset),
      http_(options_.http),
      data_signer_(options_.data),
      control_signer_(options_.control) {
  if (!options_.sleep) {
    options_.sleep = [](nanoseconds time) { std::this_thread::sleep_for(time); };
  }
}

ControlClient::Answer<const Credentials*> ControlClient::credentials(bool renew) {
  const bool expired =
      credentials_ && credentials_->expiry && *credentials_->expiry < clock_.wall() + seconds(60);
  if (!credentials_ || renew || expired) {
    auto found = supply_(renew || expired);
    if (!found) {
      return failure(ServiceError{PutError::credentials, "no_credentials", found.error().message});
    }
    credentials_ = std::move(*found);
  }
  return &*credentials_;
}

// Mends what can be mended and waits; an error when there is nothing more to try.
std::optional<ServiceError> ControlClient::amend(const PutAnswer& answer,
                                                 std::string_view operation, uint32_t tries,
                                                 SteadyTime until) {
  ServiceError error{answer.error, answer.code, std::string(operation) + ": " + answer.code};
  if (!answer.message.empty() && answer.message != answer.code) error.text += ": " + answer.message;
  if (answer.error == PutError::unknown_code) return error;  // the caller may know it
  if (answer.error == PutError::credentials && tries <= 1) {
    if (const auto renewed = credentials(true); !renewed) return renewed.error();
    return std::nullopt;
  }
  if (answer.error == PutError::clock_skew && tries <= 1 && answer.server_time) {
    clock_offset_.learn(*answer.server_time, clock_.wall());
    return std::nullopt;
  }
  const BackOff* const back_off = back_off_of(answer.error);
  if (back_off == nullptr) return error;
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;
  const milliseconds hint(std::max<int64_t>(answer.retry_after_ms, 0));
  const milliseconds wait =
      std::max(back_off->delay(tries, random_ >> 16), std::min(hint, kHintMax));
  if (clock_.steady() + wait > until) return error;
  options_.sleep(wait);
  return std::nullopt;
}

ControlClient::Answer<ByteBuffer> ControlClient::call(RequestSigner& signer,
                                                      std::string_view operation,
                                                      std::string_view body) {
  const SteadyTime until = clock_.steady() + options_.patience;
  const bool is_firehose = signer.endpoint().service == "firehose";
  const std::string target =
      (is_firehose ? "Firehose_20150804." : "Kinesis_20131202.") + std::string(operation);
  PutAnswer answer;
  PutError last_error = PutError::none;
  uint32_t tries = 0;
  for (;;) {
    const auto keys = credentials(false);
    if (!keys) return failure(keys.error());
    net::HttpRequest request =
        signer.sign({.content_type = kJsonContentType, .target = target, .body = as_bytes(body)},
                    **keys, clock_offset_.correct(clock_.wall()));
    request.body = ByteBuffer::copy_of(as_bytes(body));
    request.response_bytes_max = kAnswerBytesMax;
    net::HttpResponse response = http_.fetch(std::move(request));
    if (const auto theirs = parse_http_date(response.date)) {
      clock_difference_ = *theirs - clock_.wall();
    }
    if (response.answered() && response.status == 200) return std::move(response.body);
    reader_.read(response, 0, answer);
    tries = answer.error == last_error ? tries + 1 : 1;
    last_error = answer.error;
    if (auto error = amend(answer, operation, tries, until)) return failure(std::move(*error));
  }
}

ControlClient::Answer<StreamSummary> ControlClient::describe_stream(const StreamId& stream) {
  auto answer = call(control_signer_, "DescribeStreamSummary", stream_call(stream, ""));
  std::string_view operation = "DescribeStreamSummary";
  if (!answer && (answer.error().error == PutError::unknown_operation ||
                  answer.error().error == PutError::unknown_code ||
                  answer.error().error == PutError::access_denied)) {
    operation = "DescribeStream";
    auto older = call(control_signer_, operation, stream_call(stream, "\"Limit\":1"));
    if (!older) return failure(answer.error());
    answer = std::move(older);
  }
  if (!answer) return failure(answer.error());
  auto summary = parse_stream_summary(answer->view());
  if (!summary) return failure(unreadable(operation));
  return std::move(*summary);
}

ControlClient::Answer<std::vector<ShardDescription>> ControlClient::list_shards(
    const StreamId& stream, bool open_only) {
  std::vector<ShardDescription> shards;
  std::string body = stream_call(stream, open_only ? R"("ShardFilter":{"Type":"AT_LATEST"})" : "");
  for (size_t pages = 0; pages < kShardPagesMax; ++pages) {
    const auto answer = call(control_signer_, "ListShards", body);
    if (!answer) return failure(answer.error());
    auto page = parse_shards(answer->view());
    if (!page) return failure(unreadable("ListShards"));
    for (ShardDescription& shard : page->shards) {
      // Emulators ignore the filter.
      if (!open_only || !shard.closed) shards.push_back(std::move(shard));
    }
    if (page->next_token.empty()) return shards;
    // The token says the rest; nothing else is allowed beside it.
    body = "{\"NextToken\":" + json_string(page->next_token) + "}";
  }
  return failure(ServiceError{PutError::unknown_outcome, "too_many_shards",
                              "ListShards: more shards than any stream can have"});
}

ControlClient::Answer<std::string> ControlClient::shard_iterator(const StreamId& stream,
                                                                 const std::string& shard_id,
                                                                 const IteratorStart& start) {
  std::string more = "\"ShardId\":" + json_string(shard_id) + ",\"ShardIteratorType\":";
  switch (start.type) {
    case IteratorStart::Type::oldest:
      more += "\"TRIM_HORIZON\"";
      break;
    case IteratorStart::Type::latest:
      more += "\"LATEST\"";
      break;
    case IteratorStart::Type::at_time: {
      const int64_t ms = unix_nanoseconds(start.time) / 1'000'000;
      const std::string fraction = std::to_string(ms % 1000);
      more += "\"AT_TIMESTAMP\",\"Timestamp\":" + std::to_string(ms / 1000) + "." +
              std::string(3 - fraction.size(), '0') + fraction;
      break;
    }
    case IteratorStart::Type::after_sequence_number:
      more += "\"AFTER_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":" +
              json_string(start.sequence_number);
      break;
  }
  const auto answer = call(data_signer_, "GetShardIterator", stream_call(stream, more));
  if (!answer) return failure(answer.error());
  auto iterator = parse_shard_iterator(answer->view());
  if (!iterator) return failure(unreadable("GetShardIterator"));
  return std::move(*iterator);
}

ControlClient::Answer<RecordPage> ControlClient::get_records(const StreamId& stream,
                                                             const std::string& iterator,
                                                             uint32_t count_max) {
  std::string body =
      "{\"ShardIterator\":" + json_string(iterator) + ",\"Limit\":" + std::to_string(count_max);
  if (!stream.arn.empty()) body += ",\"StreamARN\":" + json_string(stream.arn);
  const auto answer = call(data_signer_, "GetRecords", body + "}");
  if (!answer) return failure(answer.error());
  auto page = parse_records(answer->view());
  if (!page) return failure(unreadable("GetRecords"));
  return std::move(*page);
}

ControlClient::Answer<void> ControlClient::try_put_records(const StreamId& stream) {
  constexpr std::string_view kOperation = "PutRecords";
  const auto answer = call(
      data_signer_, kOperation,
      stream_call(stream, R"("DryRun":true,"Records":[{"Data":"e30=","PartitionKey":"dry-run"}])"));
  if (answer) {
    return failure(ServiceError{PutError::unknown_operation, "no_dry_run",
                                "PutRecords: the service knows no DryRun and took a record {}"});
  }
  if (answer.error().code == "DryRunOperationException") return {};
  return failure(answer.error());
}

ControlClient::Answer<std::string> ControlClient::describe_delivery_stream(
    const std::string& name) {
  constexpr std::string_view kOperation = "DescribeDeliveryStream";
  const auto answer =
      call(control_signer_, kOperation, "{\"DeliveryStreamName\":" + json_string(name) + "}");
  if (!answer) return failure(answer.error());
  auto status = parse_delivery_stream_status(answer->view());
  if (!status) return failure(unreadable(kOperation));
  return std::move(*status);
}

ShardMap open_shards(const std::vector<ShardDescription>& shards) {
  std::vector<Shard> open;
  for (const ShardDescription& shard : shards) {
    if (!shard.closed) open.push_back(shard.shard);
  }
  return ShardMap(std::move(open));
}

}  // namespace penstock::kinesis
