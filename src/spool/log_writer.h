// LogWriter: the files of one log as the commit thread sees them. A round is store(), sync(), and
// then either keep_round() or fail_round(); between rounds segments are retired and the checkpoint
// is written.
//
// A segment in which a write or a sync failed is closed for good: what it held before the round
// stays readable, what the round put into it is cut off (SegmentCut) and stored again elsewhere.
// It has 13 members because a round that fails undoes all that it did: five of them are what the
// round has done since the last sync.
//
// Thread: one, the commit thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "spool/checkpoint.h"
#include "spool/log_totals.h"
#include "spool/position.h"
#include "spool/segment_writer.h"

namespace penstock::spool {

class LogWriter {
 public:
  struct Options {
    std::string directory;
    uint64_t next_number = 1;
    std::vector<SegmentCut> cuts;  // that could not be carried out when the log was recovered
    uint64_t spare_bytes = 0;      // size of the spare file, when there is one
    Tally stored;                  // in the log since it was begun
    bool direct = true;
    bool with_checkpoint = true;  // dead letters have none
    bool overflow = false;        // its directory is made when it is first written to
    std::function<uint64_t()> make_salt;
    std::function<int64_t()> wall_ns;
  };
  LogWriter(FileSystem& file_system, AlignedBuffer& staging, Options options)
      : file_system_(file_system),
        staging_(staging),
        options_(std::move(options)),
        direct_(options_.direct) {}

  struct SegmentBirth {
    uint64_t number = 0;
    uint64_t file_bytes = 0;
    bool from_spare = false;
  };
  // What a round did, for the books of the log.
  struct Round {
    std::vector<Position> positions;  // of the entries, in their order
    std::vector<uint64_t> ends;       // first byte behind each
    std::vector<SegmentBirth> born;   // in order
    std::vector<uint64_t> sealed;     // numbers
  };

  // Writes the entries; nothing is safe yet. A new segment is segment_bytes, or as large as its
  // only entry needs; smaller where the disk has less room than that.
  IoResult<void> store(std::span<const EntryToStore> entries, uint64_t segment_bytes);
  IoResult<void> sync();
  Round keep_round();
  // The files of this round are cut; returns the number of the segment that was being filled
  // before it and is closed now, if there was one.
  std::optional<uint64_t> fail_round();

  // Bytes of a spare file that was used up by a segment that failed: its file is removed. Once.
  [[nodiscard]] uint64_t take_lost_bytes() { return std::exchange(lost_bytes_, 0); }

  // Removes the file of a segment whose entries are all final, or keeps it as the spare.
  // sync_directory() afterwards. Returns how many bytes of the files that freed.
  IoResult<uint64_t> retire(uint64_t number, uint64_t file_bytes, uint64_t segment_bytes);
  // Removes the spare, and returns its size.
  IoResult<uint64_t> drop_spare();
  IoResult<void> sync_directory();
  IoResult<void> write_checkpoint(Checkpoint checkpoint);
  // Every file of the log, its overflow log, and its directory. They must hold nothing any more.
  IoResult<void> remove_all(const std::string& parent_directory);

  // Bytes of entries that the segment being filled still takes.
  [[nodiscard]] uint64_t room() const { return active_ ? active_->room() : 0; }
  [[nodiscard]] const std::string& directory() const { return options_.directory; }
  [[nodiscard]] uint64_t spare_bytes() const { return options_.spare_bytes; }

 private:
  IoResult<void> make_directory();
  IoResult<void> begin_segment(uint64_t entry_bytes, uint64_t segment_bytes);
  IoResult<void> create_segment(uint64_t entry_bytes, uint64_t segment_bytes);
  IoResult<void> seal_active();
  IoResult<void> open_checkpoint();

  FileSystem& file_system_;
  AlignedBuffer& staging_;
  Options options_;
  bool direct_;
  std::unique_ptr<SegmentWriter> active_;
  std::optional<CheckpointFile> checkpoint_;

  // Of the round:
  std::optional<SegmentCut> before_;  // the segment that was being filled, and how far
  std::vector<std::unique_ptr<SegmentWriter>> full_;
  Tally stored_in_round_;
  bool directory_touched_ = false;
  bool directory_made_ = false;
  uint64_t lost_bytes_ = 0;
  Round round_;
};

}  // namespace penstock::spool
