#include "delivery/repacker.h"

#include <utility>

namespace penstock::delivery {

void Repacker::repack(const RecordMetadata& meta) {
  std::deque<QueuedRecord> made;
  if (meta.split != 0 && parts_.large.give_back(meta.span.ticket)) {
    // All of its parts at once would take more memory than there is for it: it is cut again.
  } else if (parts_.large.is_let_go(meta)) {
    return parts_.large.when_there([this, meta] { repack(meta); });
  } else if (meta.split == 0) {
    made = records_of(meta);
  } else if (parts_.window.abandon_split(meta.split) && !parts_.splitters.is_for(meta.span)) {
    made = records_of(meta);  // else the splitter makes its parts again
  }
  if (meta.order_key == 0) {
    for (QueuedRecord& record : made) parts_.queuer.add(std::move(record));
  } else if (made.empty()) {
    parts_.retry.done(meta.order_key);
  } else {
    parts_.retry.put_back(std::move(made));
  }
}

std::deque<QueuedRecord> Repacker::records_of(const RecordMetadata& meta) {
  std::deque<QueuedRecord> made;
  parts_.window.for_each_live(meta, [&](const EventSpan& span) {
    for (uint32_t i = 0; i < span.count; ++i) {
      const spool::Entry& entry = parts_.window.entry(span.ticket);
      pack(EventCursor::find(span.ticket, entry, span.first + i), meta, made);
    }
  });
  return made;
}

// Its records keep the place that `meta` has in the order of its key, also if it has none and the
// options ask for one by now.
void Repacker::pack(const Event& event, const RecordMetadata& meta,
                    std::deque<QueuedRecord>& made) {
  // A reload since it was packed may have named another data_key.
  if (!parts_.packer.has_payload(event)) {
    return parts_.dead_letters.write_without_payload(event.span);
  }
  const std::string_view key = parts_.packer.partition_key_of(event);
  Packer::Alone alone =
      parts_.packer.pack_alone(event, key, parts_.assembler.data_bytes_max({key, std::nullopt}),
                               text_bytes_max(event.batch, parts_.memory));
  if (alone.records.empty()) {
    return parts_.dead_letters.write_oversized(event.span, alone.is_text_too_large);
  }
  const auto parts = static_cast<uint32_t>(alone.records.size());
  const uint64_t split = alone.is_split ? parts_.window.begin_split(event.span.ticket, parts) : 0;
  for (QueuedRecord& record : alone.records) {
    record.meta.split = split;
    record.meta.order_key = meta.order_key;
    record.meta.shard = parts_.selector.shard_of(key);
    record.due = parts_.alarm.now();
    made.push_back(std::move(record));
  }
}

}  // namespace penstock::delivery
