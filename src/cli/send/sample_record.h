// Records made up for `penstock send --generate`: of the shape OpenShift's collector sends for a
// container (5.9), about 1.2 KB, the same for the same number, with the event's id in a field.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "codec/event_time.h"

namespace penstock::cli {

// The field that holds the id.
inline constexpr std::string_view kIdField = "penstock_id";
// A tag under which the collector sends such records: application, so the stream for projects.
inline constexpr std::string_view kSampleTag =
    "kubernetes.var.log.pods.shop-frontend_web-5f7b9d7c6d-9vmbr_"
    "2c1748ad-2288-4ac0-ba8e-6b70e264e25d.nginx.0.log";

void append_sample_record(ByteBuffer& out, uint64_t number, std::string_view id,
                          codec::EventTime time);

}  // namespace penstock::cli
