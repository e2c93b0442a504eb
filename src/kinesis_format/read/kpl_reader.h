// Reads a KPL aggregate (layout in aggregate.h) that anyone may have written. Pure.
#pragma once

#include <functional>
#include <string_view>

#include "base/bytes.h"

namespace penstock::kinesis_format {

struct KplRecord {
  std::string_view partition_key;
  std::string_view explicit_hash_key;  // empty: none
  ByteView data;
};

// Calls visit for each record of the aggregate, in order; or for none, and returns false, when the
// bytes are not an aggregate: no magic, wrong MD5, or a protobuf that is not whole.
bool read_kpl(ByteView bytes, const std::function<void(const KplRecord&)>& visit);

}  // namespace penstock::kinesis_format
