// What is wrong with one stream. Pure.
#pragma once

#include <vector>

#include "admin/diagnosis.h"

namespace penstock::admin {

// Adds to findings; the worst of them first.
[[nodiscard]] StreamView diagnose_stream(const Observation& seen,
                                         const metrics::StreamStatus& stream,
                                         std::vector<Finding>& findings);

}  // namespace penstock::admin
