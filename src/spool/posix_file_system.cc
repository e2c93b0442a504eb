#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"
#include "spool/file_system.h"

namespace penstock::spool {
namespace {

auto last_error() { return failure(IoError{errno}); }

IoResult<void> checked(int result) {
  if (result < 0) return last_error();
  return {};
}

class PosixFile final : public File {
 public:
  explicit PosixFile(UniqueFd fd) : fd_(std::move(fd)) {}

  IoResult<void> write_at(uint64_t offset, ByteView bytes) override {
    while (!bytes.empty()) {
      const ssize_t written =
          ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return last_error();
      if (written == 0) return failure(IoError{EIO});
      offset += static_cast<uint64_t>(written);
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
    return {};
  }

  IoResult<size_t> read_at(uint64_t offset, std::span<uint8_t> into) override {
    size_t filled = 0;
    while (filled < into.size()) {
      const ssize_t got = ::pread(fd_.get(), into.data() + filled, into.size() - filled,
                                  static_cast<off_t>(offset + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return last_error();
      if (got == 0) break;
      filled += static_cast<size_t>(got);
    }
    return filled;
  }

  IoResult<void> sync() override {
    if (::fdatasync(fd_.get()) < 0) return last_error();
    // What no directory names is gone with the process: somebody deleted the spool.
    struct stat status {};
    if (::fstat(fd_.get(), &status) < 0) return last_error();
    if (status.st_nlink == 0) return failure(IoError{ENOENT});
    return {};
  }

  void drop_cache() override { ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED); }

  IoResult<void> allocate(uint64_t bytes) override {
    int result = 0;
    do {
      result = ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(bytes));
    } while (result < 0 && errno == EINTR);
    // Where the file system cannot reserve (NFS, some overlays) the file is only made long; a full
    // disk then shows at the write.
    if (result < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
      result = ::ftruncate(fd_.get(), static_cast<off_t>(bytes));
    }
    return checked(result);
  }

  IoResult<void> truncate(uint64_t bytes) override {
    return checked(::ftruncate(fd_.get(), static_cast<off_t>(bytes)));
  }

  IoResult<uint64_t> size() override {
    struct stat status {};
    if (::fstat(fd_.get(), &status) < 0) return last_error();
    return static_cast<uint64_t>(status.st_size);
  }

 private:
  UniqueFd fd_;
};

class PosixFileSystem final : public FileSystem {
 public:
  IoResult<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    const int flags = (mode.write ? O_RDWR : O_RDONLY) | (mode.create ? O_CREAT : 0) |
                      (mode.direct ? O_DIRECT : 0) | O_CLOEXEC | O_NOFOLLOW;
    UniqueFd fd(::open(path.c_str(), flags, 0600));
    if (!fd) return last_error();
    return std::make_unique<PosixFile>(std::move(fd));
  }

  IoResult<std::unique_ptr<File>> lock(const std::string& path) override {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return last_error();
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) < 0) return last_error();
    return std::make_unique<PosixFile>(std::move(fd));
  }

  IoResult<void> rename(const std::string& from, const std::string& to) override {
    return checked(::rename(from.c_str(), to.c_str()));
  }

  IoResult<void> remove(const std::string& path) override {
    return checked(::unlink(path.c_str()));
  }

  IoResult<void> make_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) return last_error();
    return {};
  }

  IoResult<void> remove_directory(const std::string& path) override {
    return checked(::rmdir(path.c_str()));
  }

  IoResult<void> sync_directory(const std::string& path) override {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return last_error();
    return checked(::fsync(fd.get()));
  }

  IoResult<std::vector<std::string>> list(const std::string& path) override {
    struct Close {
      void operator()(DIR* directory) const { ::closedir(directory); }
    };
    const std::unique_ptr<DIR, Close> directory(::opendir(path.c_str()));
    if (!directory) return last_error();
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(directory.get());
      if (entry == nullptr) break;
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    if (errno != 0) return last_error();
    return names;
  }
};

}  // namespace

std::string IoError::text() const {
  char buffer[128];
  return ::strerror_r(code, buffer, sizeof buffer);
}

FileSystem& FileSystem::posix() {
  static PosixFileSystem instance;
  return instance;
}

}  // namespace penstock::spool
