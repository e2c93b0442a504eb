// FileSystem: the few calls on files that the spool needs, as an interface: the seam where tests
// lose power, tear writes, fail syncs and fill disks.
//
// Errors are errno values. Paths are plain strings.
// Thread: a FileSystem may be used from any thread, a File from one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace penstock::spool {

struct IoError {
  int code = 0;  // errno
  [[nodiscard]] std::string text() const;
};

template <class T>
using IoResult = Result<T, IoError>;

class File {
 public:
  virtual ~File() = default;
  // Writes all of bytes. With OpenMode::direct, offset, size and address are multiples of 4096.
  virtual IoResult<void> write_at(uint64_t offset, ByteView bytes) = 0;
  // Fills `into`; less only at the end of the file.
  virtual IoResult<size_t> read_at(uint64_t offset, std::span<uint8_t> into) = 0;
  // What was written is on stable storage when it returns (fdatasync). ENOENT: no directory names
  // the file any more.
  virtual IoResult<void> sync() = 0;
  // Forgets what memory knows of the file, so that reads show what the disk has. After a failed
  // sync Linux takes lost pages for clean: they can be read until then, and are gone afterwards.
  virtual void drop_cache() = 0;
  // Reserves room for [0, bytes) and makes the file that long; new bytes read as zeros.
  virtual IoResult<void> allocate(uint64_t bytes) = 0;
  virtual IoResult<void> truncate(uint64_t bytes) = 0;
  [[nodiscard]] virtual IoResult<uint64_t> size() = 0;
};

struct OpenMode {
  bool write = false;
  bool create = false;  // with mode 0600
  bool direct = false;  // past the page cache; EINVAL where the file system does not take it
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual IoResult<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // Opens or creates the file and locks it; EWOULDBLOCK when somebody else holds it. The lock goes
  // with the File, or with the process.
  virtual IoResult<std::unique_ptr<File>> lock(const std::string& path) = 0;
  virtual IoResult<void> rename(const std::string& from, const std::string& to) = 0;
  virtual IoResult<void> remove(const std::string& path) = 0;
  virtual IoResult<void> make_directory(const std::string& path) = 0;  // 0700; fine if it exists
  virtual IoResult<void> remove_directory(const std::string& path) = 0;
  // Births, renames and deaths in the directory are on stable storage when it returns.
  virtual IoResult<void> sync_directory(const std::string& path) = 0;
  // Names in no order, without . and ..
  virtual IoResult<std::vector<std::string>> list(const std::string& path) = 0;

  static FileSystem& posix();
};

}  // namespace penstock::spool
