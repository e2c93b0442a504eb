// What the Kinesis Client Library makes of an aggregate: it takes each sub-record's hash key (its
// explicit one, else the MD5 of its partition key), and when one lies outside the range of the
// shard that the record was read from, it drops the whole aggregate without a word
// (awslabs/amazon-kinesis-client, AggregatorUtil). Other consumers take no notice. Pure.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "kinesis_format/u128.h"

namespace penstock::kinesis_format {

// How many sub-records of the data of a record KCL consumers would drop: all or none; none of what
// is no aggregate. first, last: the shard's range, both inclusive.
[[nodiscard]] uint64_t dropped_by_kcl(ByteView data, Uint128 first, Uint128 last);

}  // namespace penstock::kinesis_format
