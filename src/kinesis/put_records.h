// What became of a PutRecords (or Firehose PutRecordBatch) request: the answer read into one
// outcome per record, or one error for the whole of it.
//
// HTTP 200 is not success: each entry tells for itself. Anything else, an answer that cannot be
// read included, is classified by the table of the API reference (Kinesis Data Streams, PutRecords,
// "Errors" and "Common Errors").
//
// Thread: a reader belongs to one thread. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "net/http_exchange.h"

namespace penstock::kinesis {

// The number in "shardId-000000000012".
inline constexpr uint32_t kNoShard = 0xffff'ffff;

enum class EntryOutcome : uint8_t {
  accepted,
  throttled,         // ProvisionedThroughputExceededException; shard: when the text names it
  internal_failure,  // the service's fault; retry
  unknown_code,      // refused with a code we do not know: retry slowly, alert
  unknown,           // the answer does not tell: retry, may double
};

struct EntryResult {
  EntryOutcome outcome = EntryOutcome::unknown;
  uint32_t shard = kNoShard;
};

enum class PutError : uint8_t {
  none,               // look at the entries
  throttled,          // the whole request
  kms_throttled,      // the stream's key is at its rate limit
  server_fault,       // 5xx and the like
  not_found,          // no such stream here, or not ready yet
  access_denied,      // IAM or the stream's KMS key
  credentials,        // missing, wrong, expired
  clock_skew,         // our clock is off: server_time has theirs
  invalid_argument,   // a bad record or parameter: look for it by halves
  serialization,      // the body was not understood: as JSON, then as invalid_argument
  too_large,          // the request
  unknown_operation,  // wrong target or content type: as JSON
  unknown_code,       // refused with a code we do not know
  network,            // never arrived
  unknown_outcome,    // may have arrived; no usable answer
};
[[nodiscard]] std::string_view name_of(PutError error);

struct PutAnswer {
  PutError error = PutError::none;
  std::vector<EntryResult> entries;  // with none: one for each record, in order
  uint32_t failed = 0;               // entries that were not accepted

  // With an error, or when an entry failed (then of the first that did): the service's code and
  // text, bounded, quoted values taken out. Fit for the log.
  std::string code;
  std::string message;
  bool code_is_the_services = false;  // code came with the answer; else it is made up of the status
  std::string request_id;
  int64_t retry_after_ms = -1;
  std::optional<WallTime> server_time;  // from Date, with an error of credentials or clock

  void clear();
};

class PutAnswerReader {
 public:
  PutAnswerReader();
  ~PutAnswerReader();
  PutAnswerReader(const PutAnswerReader&) = delete;
  PutAnswerReader& operator=(const PutAnswerReader&) = delete;

  // record_count: in the request. answer is overwritten; its memory is used again.
  void read(const net::HttpResponse& response, size_t record_count, PutAnswer& answer);

 private:
  struct Json;
  bool read_entries(const net::HttpResponse& response, size_t record_count, PutAnswer& answer);
  void read_error(const net::HttpResponse& response, PutAnswer& answer);

  std::unique_ptr<Json> json_;  // the JSON parser, when one was needed
};

// Sun, 06 Nov 1994 08:49:37 GMT (RFC 9110, IMF-fixdate).
[[nodiscard]] std::optional<WallTime> parse_http_date(std::string_view text);

// "…shardId-000000000012…" to 12; kNoShard when there is none.
[[nodiscard]] uint32_t shard_number_in(std::string_view text);

}  // namespace penstock::kinesis
