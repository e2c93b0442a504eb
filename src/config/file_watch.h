// FileWatch: tells when the content of one of some small files changes: certificates, keys,
// secrets, credentials, the configuration itself.
//
// The directories of the files are watched by inotify, so that editors that rename, and Kubernetes,
// which swaps the symlink `..data`, are noticed at once; and every poll_interval the files are
// looked at anyway, for file systems that tell nothing (NFS, some CSI drivers) and for symlinks
// that lead elsewhere. Only a different content counts: a touch, or a file that is gone, tells
// nothing. Changes that come together (a certificate and its key) are told together.
//
// Ownership: one thread of its own, joined by the destructor. changed runs on that thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace penstock::config {

class FileWatch {
 public:
  using Changed = std::function<void(const std::vector<std::string>& files)>;
  struct Options {
    std::chrono::milliseconds poll_interval{10'000};
    std::chrono::milliseconds settle{300};  // told when this long nothing more has happened
    bool use_inotify = true;
  };

  FileWatch(std::vector<std::string> files, Changed changed, Options options);
  FileWatch(std::vector<std::string> files, Changed changed)
      : FileWatch(std::move(files), std::move(changed), Options()) {}
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // Call it before reading the files: what they hold now is not told again, what is written from
  // now on is. Any thread.
  void expect_read();
  // From now on these files. What those hold that were not watched before is what they are compared
  // with. Any thread.
  void watch(std::vector<std::string> files);

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace penstock::config
