// What the service takes: counts and sizes, each with where it is written down. The values that a
// stream may raise (UpdateMaxRecordSize) or an account may differ in are defaults, not constants of
// nature: RequestBuilder takes its limits at run time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace penstock::kinesis_format {

// Kinesis Data Streams API reference, PutRecords: "Each PutRecords request can support up to 500
// records."
inline constexpr uint32_t kPutRecordsCountMax = 500;

// The same page: "up to 10 MiB for the entire request, including partition keys"; 5 MiB until
// October 2025, and still so at older gateways and emulators: hence the default.
inline constexpr size_t kPutRecordsBytesMax = 10_MiB;
inline constexpr size_t kPutRecordsBytesDefault = 5_MiB;

// Developer guide, "Large records": data before base64 plus partition key; 1 MiB unless the stream
// was raised, 10 MiB at most (DescribeStreamSummary: MaxRecordSizeInKiB, 1024 to 10240).
inline constexpr size_t kRecordBytesDefault = 1_MiB;
inline constexpr size_t kRecordBytesMax = 10_MiB;

// How the service counts a request is not written down to the byte: stay this much below.
inline constexpr size_t kRequestBytesMargin = 1_KiB;

// PutRecordsRequestEntry: PartitionKey has 1 to 256 Unicode characters (not bytes).
inline constexpr size_t kPartitionKeyCharactersMax = 256;

// Whether the front end takes the 14 MB that 10 MiB become as base64 is not written down; CBOR
// bodies pass the sum of their records by about 70 bytes each. Nothing of ours is larger than this.
inline constexpr size_t kBodyBytesMax = 14_MiB;

// PUT payload unit: what a record costs is rounded up to this (Kinesis Data Streams pricing).
inline constexpr size_t kPayloadUnitBytes = 25'600;

// Amazon Data Firehose API reference, PutRecordBatch: "up to 500 records", "each record can be as
// large as 1,000 KB (before base64 encoding), up to a limit of 4 MB for the entire request".
inline constexpr uint32_t kFirehoseCountMax = 500;
inline constexpr size_t kFirehoseBytesMax = 4_MiB;
inline constexpr size_t kFirehoseRecordBytesMax = 1'000 * 1'024;

}  // namespace penstock::kinesis_format
