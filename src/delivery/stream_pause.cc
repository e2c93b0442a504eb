#include "delivery/stream_pause.h"

#include "base/log.h"
#include "kinesis/back_off.h"

namespace penstock::delivery {

using kinesis::PutError;

void StreamPause::begin(const PutResult& result) {
  const auto span = static_cast<uint64_t>((kinesis::kHoldMax - kinesis::kHoldMin).count());
  const milliseconds wait =
      kinesis::kHoldMin + milliseconds(static_cast<int64_t>(random_() % span));
  const bool is_for_credentials =
      result.error == PutError::credentials || result.error == PutError::clock_skew;
  is_missing_ = result.error == PutError::not_found;
  search_.pause(result.code.empty() ? std::string(kinesis::name_of(result.error)) : result.code,
                is_for_credentials, wait, alarm_.now());
  log_limited(LogLevel::error, options_.stream + "/paused",
              "delivery is paused and probed until it succeeds; nothing is lost; fix the stream's "
              "name, its region or the permissions",
              {{"stream", options_.stream},
               {"code", result.code},
               {"probe_in_s", std::chrono::duration_cast<seconds>(wait).count()}});
}

void StreamPause::end() {
  const std::string was = search_.on_answered();
  if (!was.empty()) log_info("stream flows again", {{"stream", options_.stream}, {"was", was}});
}

}  // namespace penstock::delivery
