#include "spool/disk_reservation.h"

#include <algorithm>

#include "base/check.h"
#include "spool/checkpoint.h"

namespace penstock::spool {

uint64_t DiskReservation::planned_with(uint64_t entry_bytes) const {
  const bool fits = round_up(entry_bytes, kBlockBytes) <= planned_room_;
  return planned() + (fits ? 0 : new_segment(entry_bytes));
}

void DiskReservation::give_back(uint64_t bytes) {
  CHECK(bytes <= held_);
  held_ -= bytes;
}

void DiskReservation::clear() {
  held_ = 0;
  spare_ = 0;
}

void DiskReservation::add_segment(uint64_t file_bytes, bool from_spare) {
  held_ += file_bytes;
  if (!from_spare) return;
  give_back(spare_);
  spare_ = 0;
}

void DiskReservation::add_spare(uint64_t file_bytes) {
  held_ += file_bytes;
  spare_ = file_bytes;
}

void DiskReservation::set_spare(uint64_t file_bytes) {
  CHECK(file_bytes <= held_);
  spare_ = file_bytes;
}

void DiskReservation::plan(uint64_t entry_bytes) {
  const uint64_t size = round_up(entry_bytes, kBlockBytes);
  if (size <= planned_room_) {
    planned_room_ -= size;
    return;
  }
  planned_files_ += new_segment(entry_bytes);
  const uint64_t segment = std::max(segment_bytes_, segment_bytes_for(entry_bytes));
  if (segment == segment_bytes_) spare_is_planned_ = true;
  planned_room_ = segment - segment_bytes_for(entry_bytes);
}

// What a segment for this entry adds to the files; the spare is counted already.
uint64_t DiskReservation::new_segment(uint64_t entry_bytes) const {
  const uint64_t segment = std::max(segment_bytes_, segment_bytes_for(entry_bytes));
  const bool is_first = planned() == 0;
  return (segment == segment_bytes_ && !spare_is_planned_ ? 0 : segment) +
         (is_first ? CheckpointFile::kFileBytes : 0);
}

void DiskReservation::plan_again(uint64_t room, const std::deque<QueuedEntry>& queued) {
  planned_files_ = 0;
  spare_is_planned_ = spare_ != segment_bytes_;
  planned_room_ = room;
  for (const QueuedEntry& entry : queued) plan(entry.bytes);
}

}  // namespace penstock::spool
