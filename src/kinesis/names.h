// Which names AWS takes: regions, streams, ARNs of streams and roles. A complaint is what is wrong
// and how to write it instead; "" when there is nothing wrong.
//
// Pure. Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "kinesis/endpoint.h"

namespace penstock::kinesis {

// Emulators take any region; it must still fit into a host name and a signature.
[[nodiscard]] std::string region_complaint(std::string_view region);

enum class StreamService : uint8_t { kinesis, firehose };
[[nodiscard]] std::string stream_name_complaint(std::string_view name, StreamService service);

// arn:aws:kinesis:us-east-1:123456789012:stream/name, or :firehose:…:deliverystream/name.
struct StreamArn {
  StreamService service = StreamService::kinesis;
  std::string region;
  std::string account_id;
  std::string name;
};
// The error is the complaint.
[[nodiscard]] Result<StreamArn, std::string> parse_stream_arn(std::string_view text);

// arn:aws:iam::123456789012:role/path/name
[[nodiscard]] std::string role_arn_complaint(std::string_view text);

}  // namespace penstock::kinesis
