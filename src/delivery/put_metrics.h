// What is counted of each request that was answered.
#pragma once

#include <string>

#include "delivery/put_port.h"
#include "metrics/counter.h"

namespace penstock::delivery {

// records: of the request.
void count_put(metrics::Metrics& metrics, const std::string& stream, const PutResult& result,
               size_t records);

}  // namespace penstock::delivery
