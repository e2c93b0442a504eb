#include "model.h"

#include <map>
#include <utility>

#include "spool/spool_inspection.h"

namespace penstock::sim {

void violate(std::string what) { throw Violation{std::move(what)}; }

record::Batch batch_of(const Part& part) {
  record::Batch batch;
  batch.source = "forward";
  batch.tag = "tag of " + part.stream;
  batch.event_count = part.events;
  batch.id = part.id;
  batch.storage = ByteBuffer::copy_of(as_bytes(part.payload));
  batch.entries_size = part.payload.size();
  return batch;
}

void check_unchanged(const record::Batch& batch, const Part& part, std::string_view stream) {
  if (as_text(batch.entries()) == part.payload && stream == part.stream &&
      batch.tag == "tag of " + part.stream && batch.event_count == part.events) {
    return;
  }
  violate("part of " + part.stream + " of chunk " + std::to_string(part.id.low) + " was changed");
}

void check_ledger(const record::Ledger& ledger) {
  const auto counts = ledger.snapshot();
  const auto sum = [](const auto& labels) {
    uint64_t all = 0;
    for (const auto& [label, count] : labels) all += count;
    return all;
  };
  if (sum(counts.received) != sum(counts.delivered) + sum(counts.dropped) + sum(counts.duplicate) +
                                  sum(counts.dead_lettered) + sum(counts.pending)) {
    violate("the ledger does not add up");
  }
}

std::multimap<Hash128, std::string> letters_in(spool::FileSystem& files) {
  std::multimap<Hash128, std::string> found;
  const auto log = spool::inspect_dead_letters(files, "/spool", {.every_payload = true});
  if (!log) violate("the dead letters cannot be read: " + log.error().message);
  const auto visited = spool::visit_entries(files, *log, [&](const spool::InspectedEntry& entry) {
    if (!entry.final) found.emplace(entry.batch.id, as_text(entry.batch.entries()));
    return true;
  });
  if (!visited) violate("the dead letters cannot be read: " + visited.error().message);
  return found;
}

void check_letters(spool::FileSystem& files, const std::vector<Chunk>& chunks, bool with_drops) {
  const auto found = letters_in(files);
  for (const Chunk& chunk : chunks) {
    for (const Part& part : chunk.parts) {
      if (!part.buried) continue;
      const auto letter = found.find(part.id);
      if (letter == found.end()) {
        if (part.resurrected || with_drops) continue;
        violate("a dead letter is lost");
      }
      if (letter->second != part.payload) violate("a dead letter was changed");
    }
  }
}

}  // namespace penstock::sim
