// The names and the description of one log's directory:
//
//   streams/<stream, escaped>.<generation>/
//     description           stream, target and settings: enough to deliver what is stored here
//     description.copy      the same
//     checkpoint            see checkpoint.h
//     <number, 16 hex>.seg  see segment_format.h
//     spare.seg             a file kept to be used again
//     overflow-0/ … -3/     the overflow logs: checkpoint and segments of their own
//     <number>.damaged      a segment without a whole header, set aside for a person to look at
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "spool/file_system.h"

namespace penstock::spool {

struct LogDescription {
  std::string stream;
  std::string target;
  std::string settings;
  bool operator==(const LogDescription&) const = default;
};

[[nodiscard]] std::string directory_name(std::string_view stream, uint64_t generation);
struct DirectoryName {
  std::string stream;
  uint64_t generation = 0;
};
[[nodiscard]] std::optional<DirectoryName> parse_directory_name(std::string_view name);

// Tells the segments of this log from those of another stream, of its overflow logs and of the dead
// letters.
[[nodiscard]] uint64_t log_id(std::string_view directory, bool of_letters);

[[nodiscard]] std::string segment_path(const std::string& directory, uint64_t number);
[[nodiscard]] std::string spare_path(const std::string& directory);
// Of an overflow log of the log in this directory.
[[nodiscard]] std::string overflow_path(const std::string& directory, size_t slot);
[[nodiscard]] bool is_overflow_name(std::string_view name);
// Of "0000000000000012.seg"; nullopt for every other name.
[[nodiscard]] std::optional<uint64_t> parse_segment_name(std::string_view name);

// Both copies, one after the other: each is written aside, synced, renamed, and the directory
// synced.
IoResult<void> write_description(FileSystem& file_system, const std::string& directory,
                                 const LogDescription& description);
// The description, or its copy when that cannot be read. nullopt: neither is whole.
IoResult<std::optional<LogDescription>> read_description(FileSystem& file_system,
                                                         const std::string& directory);

// Whether both copies are whole and equal.
[[nodiscard]] bool has_both_descriptions(FileSystem& file_system, const std::string& directory);

// The last line of a small text file: "checksum " and that of what is before it.
[[nodiscard]] std::string checksum_line(std::string_view text);
// The same steps for any small file. What was written aside is removed when a step fails.
IoResult<void> replace_file(FileSystem& file_system, const std::string& directory,
                            const std::string& name, std::string_view content);
// Files over 1 MiB are none of ours: EFBIG.
IoResult<std::string> read_small_file(FileSystem& file_system, const std::string& path);

}  // namespace penstock::spool
