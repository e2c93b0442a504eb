#include "delivery/request_settings.h"

#include <algorithm>

namespace penstock::delivery {
namespace {

using kinesis_format::Protocol;
using kinesis_format::Service;

constexpr auto kJsonAtMost = std::chrono::hours(24);
// Keys and framing beside the largest record.
constexpr size_t kBesideRecord = 64_KiB;

}  // namespace

// A record may be as large as the stream takes and a request of ours can be.
size_t RequestSettings::request_bytes_max() const {
  return std::min(
      {std::max(options_.request.request_bytes_max, stream_record_bytes_ + kBesideRecord),
       options_.request_bytes_max, kinesis_format::kPutRecordsBytesMax});
}

RequestSettings::Request RequestSettings::in_force(SteadyTime now) const {
  Request request = options_.request;
  if (stream_record_bytes_ > 0 && request.service == Service::kinesis) {
    request.request_bytes_max = request_bytes_max();
    request.record_bytes_max = stream_record_bytes_;
  }
  if (now < json_until_) request.protocol = Protocol::json;
  return request;
}

size_t RequestSettings::record_bytes_max() const {
  if (stream_record_bytes_ == 0 || options_.request.service != Service::kinesis) {
    return std::min(options_.request.record_bytes_max, options_.request.request_bytes_max);
  }
  return std::min(stream_record_bytes_, request_bytes_max());
}

bool RequestSettings::fall_back_to_json(const kinesis_format::Request& rejected, SteadyTime now) {
  if (rejected.protocol() == Protocol::json) return false;
  if (now >= json_until_) {  // else it was on its way when an earlier one was rejected
    json_until_ = now + next_json_;
    next_json_ = std::min<nanoseconds>(2 * next_json_, kJsonAtMost);
  }
  return true;
}

}  // namespace penstock::delivery
