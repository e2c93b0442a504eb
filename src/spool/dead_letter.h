// What is particular about the log of dead letters. Its segments are like all others (with stream,
// reason and detail filled in); besides, its directory has
//
//   gone              which letters were replayed and delivered: 16 bytes each
//   replay-*.request  what somebody asked to be replayed; it goes when that is done
//
// A letter leaves only when it is in `gone`, synced; a segment when all of its letters did.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spool/file_system.h"
#include "spool/position.h"

namespace penstock::spool {

// Offsets of letters that are gone, sorted, by segment.
class GoneLetters {
 public:
  void add(Position position);
  [[nodiscard]] bool contains(Position position) const;
  void forget_segment(uint64_t segment) { offsets_.erase(segment); }
  [[nodiscard]] const std::map<uint64_t, std::vector<uint32_t>>& by_segment() const {
    return offsets_;
  }

 private:
  std::map<uint64_t, std::vector<uint32_t>> offsets_;
};

// The file of them. Thread: one, the commit thread.
class GoneFile {
 public:
  // What the file says; a torn end is left out.
  static IoResult<GoneLetters> load(FileSystem& file_system, const std::string& directory);
  // Writes the file anew with these, so that it holds nothing of segments that are no more.
  static IoResult<GoneFile> begin(FileSystem& file_system, const std::string& directory,
                                  const GoneLetters& letters);
  // Appends and syncs. After an error begin() again.
  IoResult<void> append(const std::vector<Position>& positions);
  [[nodiscard]] uint64_t size() const { return size_; }

 private:
  std::unique_ptr<File> file_;
  uint64_t size_ = 0;
};

struct ReplayRequest {
  std::string reason;  // empty: every one
  std::string stream;
  [[nodiscard]] bool takes_all() const { return reason.empty() && stream.empty(); }
  [[nodiscard]] bool matches(std::string_view letter_stream, std::string_view letter_reason) const {
    return (reason.empty() || reason == letter_reason) &&
           (stream.empty() || stream == letter_stream);
  }
};

// Where the dead letters lie when somebody names the spool's directory, or theirs.
[[nodiscard]] std::string dead_letter_directory_in(FileSystem& file_system,
                                                   const std::string& directory);
[[nodiscard]] bool is_replay_request(std::string_view file_name);
// Leaves the request in the directory of the dead letters for the process that has it open, or for
// the next one. Returns the path of the file; it is removed when everything was delivered.
IoResult<std::string> write_replay_request(FileSystem& file_system, const std::string& directory,
                                           const ReplayRequest& request);
// nullopt: not a request.
IoResult<std::optional<ReplayRequest>> read_replay_request(FileSystem& file_system,
                                                           const std::string& path);

}  // namespace penstock::spool
