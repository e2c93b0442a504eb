#include "spool/log_writer.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "spool/log_directory.h"
#include "spool/set_aside.h"

namespace penstock::spool {
namespace {

// The last bytes of a disk are left to whatever else must be written to give room back.
constexpr uint64_t kSmallerSegmentBytesMin = 1 << 20;

}  // namespace

IoResult<void> LogWriter::store(std::span<const EntryToStore> entries, uint64_t segment_bytes) {
  before_.reset();
  if (active_) before_ = SegmentCut{active_->number(), active_->end()};
  for (const EntryToStore& entry : entries) {
    const uint64_t size = stored_size(entry);
    if (active_ && !active_->has_room_for(size)) {
      if (auto done = seal_active(); !done) return done;
    }
    if (!active_) {
      if (auto done = begin_segment(size, segment_bytes); !done) return done;
    }
    const auto offset = active_->append(entry);
    if (!offset) return failure(offset.error());
    stored_in_round_ += {1, entry.batch->event_count};
    round_.positions.push_back({active_->number(), *offset});
    round_.ends.push_back(*offset + size);
  }
  return active_ ? active_->finish_run() : IoResult<void>{};
}

IoResult<void> LogWriter::seal_active() {
  if (auto done = active_->finish_run(); !done) return done;
  // The index is believed without looking at the entries: so they must be safe before it is.
  if (auto done = active_->sync(); !done) return done;
  if (auto done = active_->seal(); !done) return done;
  round_.sealed.push_back(active_->number());
  full_.push_back(std::move(active_));
  return {};
}

IoResult<void> LogWriter::begin_segment(uint64_t entry_bytes, uint64_t segment_bytes) {
  if (auto done = make_directory(); !done) return done;
  // Before anything can fill the disk: without a checkpoint no segment can be given back.
  if (options_.with_checkpoint) {
    if (auto done = open_checkpoint(); !done && done.error().code == ENOSPC) return done;
  }
  auto done = create_segment(entry_bytes, segment_bytes);
  // A disk with less room than a whole segment takes smaller ones. They need no more room than was
  // planned for the whole one, because that much is not there.
  const uint64_t least = std::max(kSmallerSegmentBytesMin, segment_bytes_for(entry_bytes));
  while (!done && done.error().code == ENOSPC && segment_bytes > least) {
    segment_bytes = std::max(round_up(segment_bytes / 2, kBlockBytes), least);
    done = create_segment(entry_bytes, segment_bytes);
  }
  return done;
}

IoResult<void> LogWriter::make_directory() {
  if (!options_.overflow || directory_made_) return {};
  if (auto done = file_system_.make_directory(options_.directory); !done) return done;
  const std::string above = options_.directory.substr(0, options_.directory.find_last_of('/'));
  if (auto done = file_system_.sync_directory(above); !done) return done;
  directory_made_ = true;
  return {};
}

IoResult<void> LogWriter::create_segment(uint64_t entry_bytes, uint64_t segment_bytes) {
  // The header says what was stored before: by then the files that hold it have their names.
  if (!round_.born.empty()) {
    if (auto done = sync_directory(); !done) return done;
  }
  SegmentWriter::Options segment;
  segment.number = options_.next_number;
  segment.path = segment_path(options_.directory, segment.number);
  segment.file_bytes = std::max(segment_bytes, segment_bytes_for(entry_bytes));
  if (segment.file_bytes > kSegmentFileBytesMax) return failure(IoError{EFBIG});
  segment.cuts = options_.cuts;
  segment.direct = direct_;
  segment.overflow = options_.overflow;
  segment.log = log_id(options_.directory, !options_.with_checkpoint);
  segment.before = options_.stored + stored_in_round_;
  segment.salt = options_.make_salt();
  segment.created_ns = options_.wall_ns();
  const bool from_spare = options_.spare_bytes == segment.file_bytes;
  if (from_spare) {
    if (auto done = file_system_.rename(spare_path(options_.directory), segment.path); !done) {
      return done;
    }
    options_.spare_bytes = 0;
  }
  ++options_.next_number;  // used up even if the next step fails: the file may be there
  directory_touched_ = true;
  const std::string path = segment.path;
  const uint64_t file_bytes = segment.file_bytes;
  auto writer = SegmentWriter::create(file_system_, std::move(segment), staging_);
  if (!writer) {
    if (from_spare) lost_bytes_ += file_bytes;
    // A half-made file holds room that is needed. Where it may come back, later segments say that
    // nothing was in it.
    if (!file_system_.remove(path) || !file_system_.sync_directory(options_.directory)) {
      options_.cuts.push_back({options_.next_number - 1, kBlockBytes});
    }
    return failure(writer.error());
  }
  active_ = std::move(*writer);
  direct_ = active_->direct();
  round_.born.push_back({active_->number(), file_bytes, from_spare});
  return {};
}

IoResult<void> LogWriter::sync() {
  for (const auto& segment : full_) {
    if (auto done = segment->sync(); !done) return done;
  }
  if (active_) {
    if (auto done = active_->sync(); !done) return done;
    // What is safe in a directory that was moved away is not found by the next start.
    const auto named = file_system_.open(segment_path(options_.directory, active_->number()), {});
    if (!named) return failure(named.error());
  }
  return directory_touched_ ? sync_directory() : IoResult<void>{};
}

LogWriter::Round LogWriter::keep_round() {
  full_.clear();
  options_.stored += std::exchange(stored_in_round_, {});
  return std::exchange(round_, {});
}

std::optional<uint64_t> LogWriter::fail_round() {
  if (before_) options_.cuts.push_back(*before_);
  for (const SegmentBirth& born : round_.born) {
    // Removed for the room, cut because the removal may not outlive a loss of power.
    (void)file_system_.remove(segment_path(options_.directory, born.number));
    options_.cuts.push_back({born.number, kBlockBytes});
    if (born.from_spare) lost_bytes_ += born.file_bytes;
  }
  if (options_.cuts.size() > SegmentHeader::kCutsMax) {
    options_.cuts.erase(options_.cuts.begin(), options_.cuts.end() - SegmentHeader::kCutsMax);
  }
  active_.reset();
  full_.clear();
  round_ = {};
  stored_in_round_ = {};
  if (!before_) return std::nullopt;
  return std::exchange(before_, std::nullopt)->segment;
}

IoResult<uint64_t> LogWriter::retire(uint64_t number, uint64_t file_bytes, uint64_t segment_bytes) {
  CHECK(!active_ || active_->number() != number);
  const std::string path = segment_path(options_.directory, number);
  // A spare of another size than segments have now is replaced by this file.
  const bool keep = file_bytes == segment_bytes && options_.spare_bytes != segment_bytes;
  auto done =
      keep ? file_system_.rename(path, spare_path(options_.directory)) : file_system_.remove(path);
  if (!done && done.error().code != ENOENT) return failure(done.error());
  directory_touched_ = true;
  std::erase_if(options_.cuts, [&](const SegmentCut& cut) { return cut.segment == number; });
  if (!keep || !done) return file_bytes;
  return std::exchange(options_.spare_bytes, file_bytes);
}

IoResult<uint64_t> LogWriter::drop_spare() {
  auto done = file_system_.remove(spare_path(options_.directory));
  if (!done && done.error().code != ENOENT) return failure(done.error());
  directory_touched_ = true;
  return std::exchange(options_.spare_bytes, 0);
}

IoResult<void> LogWriter::sync_directory() {
  auto done = file_system_.sync_directory(options_.directory);
  if (done) directory_touched_ = false;
  return done;
}

IoResult<void> LogWriter::open_checkpoint() {
  if (checkpoint_) return {};
  if (auto done = make_directory(); !done) return done;
  auto opened = CheckpointFile::open(file_system_, options_.directory + "/checkpoint");
  if (!opened) return failure(opened.error());
  if (auto done = sync_directory(); !done) return done;
  checkpoint_ = std::move(*opened);
  return {};
}

IoResult<void> LogWriter::write_checkpoint(Checkpoint checkpoint) {
  if (auto done = open_checkpoint(); !done) return done;
  return checkpoint_->write(std::move(checkpoint));
}

IoResult<void> LogWriter::remove_all(const std::string& parent_directory) {
  active_.reset();
  checkpoint_.reset();
  const auto remove_directory = [this](const std::string& directory) -> IoResult<void> {
    auto names = file_system_.list(directory);
    if (!names && names.error().code == ENOENT) return {};
    if (!names) return failure(names.error());
    // The descriptions last: without them what is left of the directory is known to be nothing.
    std::stable_partition(names->begin(), names->end(),
                          [](const std::string& name) { return !name.starts_with("description"); });
    bool kept = false;
    for (const std::string& name : *names) {
      kept |= is_set_aside(name);
      if (is_overflow_name(name) || is_set_aside(name)) continue;
      if (auto done = file_system_.remove(directory + "/" + name); !done) return done;
    }
    if (!kept) return file_system_.remove_directory(directory);
    const auto aside = set_aside(file_system_, directory);
    return aside ? IoResult<void>{} : failure(aside.error());
  };
  for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
    if (auto done = remove_directory(overflow_path(options_.directory, slot)); !done) return done;
  }
  if (auto done = remove_directory(options_.directory); !done) return done;
  return file_system_.sync_directory(parent_directory);
}

}  // namespace penstock::spool
