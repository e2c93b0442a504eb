// Slices: a batch of many events that is larger than a few MiB becomes several, each an entry of
// the spool with memory of its own. So whoever reads it back holds a slice of it and never the
// whole; only an event that is large by itself stays as large as it is.
//
// Where a batch is cut depends on its bytes alone: a chunk that is sent again has the same slices.
//
// Pure; thread: any.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "record/batch.h"

namespace penstock::ingest {

inline constexpr size_t kSliceBytes = 4_MiB;

struct SlicePlan {
  struct Slice {
    size_t begin = 0;  // in the batch's entries
    size_t size = 0;
    uint32_t events = 0;
  };
  std::vector<Slice> slices;
  size_t largest = 0;  // bytes that cutting needs beside the batch
};

[[nodiscard]] inline bool is_sliced(const record::Batch& batch) {
  return batch.entries_size > kSliceBytes && batch.event_count > 1;
}
[[nodiscard]] SlicePlan plan_slices(const record::Batch& batch);

// Each slice's lease is carved out of the batch's, whose storage goes back piece by piece.
[[nodiscard]] std::vector<record::Batch> cut(record::Batch batch, const SlicePlan& plan);

}  // namespace penstock::ingest
