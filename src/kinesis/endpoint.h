// Where a service of a region listens: the rules of the SDKs (plain, FIPS, dual-stack, partitions,
// account-based), or an address given by the operator (VPC endpoint, emulator).
//
// Pure. Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "kinesis/environment.h"

namespace penstock::kinesis {

enum class EndpointMode : uint8_t { regional, account };

// Account-based hosts differ for calls that move records and calls that ask or change things.
enum class Operation : uint8_t { data, control };

struct EndpointOptions {
  std::string service = "kinesis";  // kinesis, firehose, sts
  std::string region;
  std::string override_url;  // http(s)://host[:port][/path]; wins over all that follows
  bool fips = false;
  bool dual_stack = false;
  EndpointMode mode = EndpointMode::regional;
  std::string account_id;  // for EndpointMode::account
};

struct Endpoint {
  std::string url;   // what to connect to, path included, no '/' at the end of a bare host
  std::string host;  // the Host header: with a port only when it is not the scheme's own
  std::string path;  // "/" or what the override named
  std::string region;
  std::string service;
};

[[nodiscard]] Result<Endpoint, Error> resolve_endpoint(const EndpointOptions& options,
                                                       Operation operation = Operation::data);

// AWS_ENDPOINT_URL_<SERVICE>, else AWS_ENDPOINT_URL, else "". AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
// switches both off.
[[nodiscard]] std::string endpoint_override(const Environment& environment,
                                            std::string_view service);

// AWS_REGION, else AWS_DEFAULT_REGION, else "".
[[nodiscard]] std::string environment_region(const Environment& environment);

// arn:aws:kinesis:us-east-1:111122223333:stream/logs, taken apart.
struct Arn {
  std::string partition;
  std::string service;
  std::string region;
  std::string account_id;
  std::string resource;                    // "stream/logs"
  [[nodiscard]] std::string name() const;  // "logs"
};
[[nodiscard]] Result<Arn, Error> parse_arn(std::string_view text);

// "aws", "aws-cn", "aws-us-gov", …; for the ARNs of a policy.
[[nodiscard]] std::string_view partition_of(std::string_view region);

}  // namespace penstock::kinesis
