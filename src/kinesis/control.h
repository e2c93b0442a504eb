// ControlClient: the calls that ask about a stream and read it back, blocking: for commands, and
// for the thread that keeps shard maps and limits. JSON protocol. Throttles, faults and expired
// keys are dealt with inside, for as long as `patience` lasts.
//
// Thread: one at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "kinesis/clock_offset.h"
#include "kinesis/credentials/credentials.h"
#include "kinesis/endpoint.h"
#include "kinesis/put_records.h"
#include "kinesis/request_signer.h"
#include "kinesis/shard_map.h"
#include "net/https_client.h"

namespace penstock::kinesis {

// A stream, asked for by its ARN when there is one (another account's can only be named so), else
// by name. Emulators know names only: give them no ARN.
struct StreamId {
  std::string name;
  std::string arn;
};

// Why a call failed, for people and for decisions.
struct ServiceError {
  PutError error = PutError::none;
  std::string code;
  std::string text;  // "ListShards: ResourceNotFoundException: Stream logs … not found."
};

// Who chooses a record's shard. With automatic (RecordDistributionStrategy AUTO, on-demand streams
// only) the service does: partition keys and hash keys mean nothing, and no order is kept.
enum class RecordDistribution : uint8_t { unknown, by_key, automatic };

struct StreamSummary {
  std::string arn;
  std::string status;  // ACTIVE, UPDATING, CREATING, DELETING
  bool on_demand = false;
  uint32_t open_shard_count = 0;
  uint32_t retention_hours = 0;
  bool encrypted = false;
  std::string key_id;           // with which KMS key
  size_t record_bytes_max = 0;  // 0: the service did not say
  RecordDistribution distribution = RecordDistribution::by_key;
  // It names members that the service has since it knows DryRun: others would write the record.
  bool knows_dry_run = false;
};

struct ShardDescription {
  Shard shard;
  std::string id;
  std::string parent_id;           // "": none
  std::string adjacent_parent_id;  // of a merge
  bool closed = false;
};

struct StoredRecord {
  std::string sequence_number;
  std::string partition_key;  // "": written without one
  int64_t arrival_ms = 0;     // since 1970, as the service noted it
  ByteBuffer data;
};

struct RecordPage {
  std::vector<StoredRecord> records;
  std::string next_iterator;  // "": the shard is closed and read to its end
  int64_t behind_ms = 0;      // how far behind the shard's tip
};

struct IteratorStart {
  enum class Type : uint8_t { oldest, latest, at_time, after_sequence_number };
  Type type = Type::oldest;
  WallTime time{};              // at_time
  std::string sequence_number;  // after_sequence_number
};

class ControlClient {
 public:
  struct Options {
    Endpoint data;     // GetShardIterator, GetRecords
    Endpoint control;  // the others; the same host unless account-based
    net::HttpOptions http;
    milliseconds patience{20'000};
    std::function<void(nanoseconds)> sleep;  // empty: the thread sleeps
  };
  // renew: those given last were refused.
  using CredentialSupply = std::function<Result<Credentials, Error>(bool renew)>;
  template <class T>
  using Answer = Result<T, ServiceError>;

  ControlClient(Options options, CredentialSupply credentials, const Clock& clock,
                ClockOffset& clock_offset);

  // By DescribeStream where DescribeStreamSummary is unknown or not allowed.
  [[nodiscard]] Answer<StreamSummary> describe_stream(const StreamId& stream);
  // Every shard there still is; or, with open_only, those that take records now.
  [[nodiscard]] Answer<std::vector<ShardDescription>> list_shards(const StreamId& stream,
                                                                  bool open_only);
  [[nodiscard]] Answer<std::string> shard_iterator(const StreamId& stream,
                                                   const std::string& shard_id,
                                                   const IteratorStart& start);
  [[nodiscard]] Answer<RecordPage> get_records(const StreamId& stream, const std::string& iterator,
                                               uint32_t count_max);
  // Whether PutRecords would be allowed; nothing is written. Only for streams whose summary says
  // knows_dry_run. Rights on a KMS key are not looked at by the service.
  [[nodiscard]] Answer<void> try_put_records(const StreamId& stream);
  // Its status: ACTIVE, CREATING, … For a client whose endpoints are Firehose's.
  [[nodiscard]] Answer<std::string> describe_delivery_stream(const std::string& name);

  // The service's clock less ours, as of the last answer.
  [[nodiscard]] std::optional<nanoseconds> clock_difference() const { return clock_difference_; }

 private:
  [[nodiscard]] Answer<ByteBuffer> call(RequestSigner& signer, std::string_view operation,
                                        std::string_view body);
  [[nodiscard]] std::optional<ServiceError> amend(const PutAnswer& answer,
                                                  std::string_view operation, uint32_t tries,
                                                  SteadyTime until);
  [[nodiscard]] Answer<const Credentials*> credentials(bool renew);

  Options options_;
  CredentialSupply supply_;
  const Clock& clock_;
  ClockOffset& clock_offset_;
  net::HttpsClient http_;
  RequestSigner data_signer_;
  RequestSigner control_signer_;
  PutAnswerReader reader_;
  std::optional<Credentials> credentials_;
  std::optional<nanoseconds> clock_difference_;
  uint64_t random_ = 0x9e3779b97f4a7c15;
};

// The open shards of a listing.
[[nodiscard]] ShardMap open_shards(const std::vector<ShardDescription>& shards);

}  // namespace penstock::kinesis
