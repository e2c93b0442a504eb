// ObjectReader: an archived object (what a Kinesis channel or Firehose wrote to S3) back to the
// Kinesis records that it was made of, from bytes that come in pieces of any size.
//
// Nothing in an object says where one record ends and the next begins; what the records are says
// it:
//
//   JSON objects      one after the other, with white space between them or none: `}{`
//   KPL aggregates    one after the other; an aggregate ends where its MD5 fits
//   gzip, zstd        around the whole object, around each record, or both
//   anything else     is cut into lines
//
// White space between records is left out. Anyone may have written to the bucket: memory is bounded
// by record_bytes_max whatever comes, and a record that would be larger is given out in pieces.
//
// Pure; owned by one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace penstock::kinesis_format {

enum class ObjectError : uint8_t {
  corrupt,    // compressed data that is damaged
  truncated,  // compressed data that ends early
  too_deep,   // compressed more than twice
};
[[nodiscard]] std::string_view to_string(ObjectError error);

class ObjectReader {
 public:
  using Sink = std::function<void(ByteView record)>;

  explicit ObjectReader(Sink sink, size_t record_bytes_max = 64_MiB);
  ~ObjectReader();
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;

  // After an error the reader is spent. What it gave out before comes from undamaged data, but the
  // checksum of its gzip member or zstd frame was perhaps not reached.
  [[nodiscard]] Result<void, ObjectError> add(ByteView bytes);
  // Nothing follows. Gives out what is left.
  [[nodiscard]] Result<void, ObjectError> finish();

 private:
  class Level;
  const Sink sink_;
  std::unique_ptr<Level> outermost_;
};

}  // namespace penstock::kinesis_format
