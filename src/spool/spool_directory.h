// SpoolDirectory: takes the directory (its lock, its version) and finds out what is in it.
//
//   DIR/lock         held while a process uses the directory; says which
//   DIR/format       "penstock spool 2": the version of all that lies beside it
//   DIR/repeats      see repeat_log.h
//   DIR/streams/     a directory a log, see log_directory.h
//   DIR/dead-letter/ one more log, see dead_letter.h
//
// Thread: one, at start-up.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "spool/file_system.h"
#include "spool/repeat_log.h"

namespace penstock::spool {

class SpoolDirectory {
 public:
  // Errors are written for the operator: in use (by whom), not writable, made by a later version.
  static Result<SpoolDirectory, Error> open(FileSystem& file_system, const std::string& path,
                                            uint64_t repeats_max);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string streams_path() const { return path_ + "/streams"; }
  [[nodiscard]] RepeatLog& repeat_log() { return *repeat_log_; }
  [[nodiscard]] RepeatLog take_repeat_log() { return std::move(*repeat_log_); }

 private:
  std::string path_;
  std::unique_ptr<File> lock_;
  std::optional<RepeatLog> repeat_log_;
};

// The lock of a spool that is there, for a command that changes it while no process uses it; held
// until the file goes. Errors as those of open().
Result<std::unique_ptr<File>, Error> lock_spool(FileSystem& file_system, const std::string& path);

}  // namespace penstock::spool
