#include "ingest/slices.h"

#include <algorithm>
#include <utility>

#include "record/event.h"

namespace penstock::ingest {

SlicePlan plan_slices(const record::Batch& batch) {
  SlicePlan plan;
  SlicePlan::Slice slice;
  const auto end_slice = [&] {
    plan.largest = std::max(plan.largest, slice.size);
    plan.slices.push_back(slice);
    slice = {slice.begin + slice.size, 0, 0};
  };
  record::EntryReader reader(batch);
  record::EventView event;
  while (reader.next(event)) {
    const size_t size = event.entry.size();
    if (slice.events > 0 && slice.size + size > kSliceBytes) end_slice();
    slice.size += size;
    ++slice.events;
  }
  if (slice.events > 0) end_slice();
  return plan;
}

std::vector<record::Batch> cut(record::Batch batch, const SlicePlan& plan) {
  std::vector<record::Batch> parts;
  parts.reserve(plan.slices.size());
  uint32_t events = 0;
  for (const SlicePlan::Slice& slice : plan.slices) {
    record::Batch part;
    part.source = batch.source;
    part.tag = batch.tag;
    part.encoding = batch.encoding;
    part.event_count = slice.events;
    part.received_ns = batch.received_ns;
    part.id = batch.id;
    part.first_index = batch.first_index + events;
    part.storage = ByteBuffer::copy_of(batch.entries().subspan(slice.begin, slice.size));
    part.entries_size = slice.size;
    part.lease = batch.lease.split(std::min(slice.size, batch.lease.bytes()));
    parts.push_back(std::move(part));
    events += slice.events;
    const size_t begin = batch.entries_offset + slice.begin;
    batch.storage.discard(begin, begin + slice.size);
  }
  return parts;
}

}  // namespace penstock::ingest
