// RequestSettings: what is in force for the next request: the limits of the stream, as configured
// and as the service says, and the protocol, which is JSON for a while where CBOR is not
// understood.
//
// Thread: the delivery thread's.
#pragma once

#include "base/clock.h"
#include "kinesis_format/request_builder.h"

namespace penstock::delivery {

class RequestSettings {
 public:
  using Request = kinesis_format::RequestBuilder::Options;
  struct Options {
    Request request;
    size_t flush_bytes = 5_MiB;
    // What memory allows, however large a record the stream takes.
    size_t request_bytes_max = kinesis_format::kPutRecordsBytesMax;
  };

  explicit RequestSettings(Options options) : options_(std::move(options)) {}

  void configure(Options options) { options_ = std::move(options); }
  // The largest record, as the service says.
  void limit_records(size_t record_bytes_max) { stream_record_bytes_ = record_bytes_max; }
  // The service does not know CBOR: JSON for a while, longer each time. False: this was JSON.
  bool fall_back_to_json(const kinesis_format::Request& rejected, SteadyTime now);

  [[nodiscard]] Request in_force(SteadyTime now) const;
  // The largest record, key included, as far as our requests take it.
  [[nodiscard]] size_t record_bytes_max() const;
  [[nodiscard]] size_t flush_bytes() const { return options_.flush_bytes; }

 private:
  [[nodiscard]] size_t request_bytes_max() const;

  Options options_;
  size_t stream_record_bytes_ = 0;  // what the service said; 0: nothing
  SteadyTime json_until_{};
  nanoseconds next_json_{std::chrono::minutes(10)};  // for how long, when it happens again
};

}  // namespace penstock::delivery
