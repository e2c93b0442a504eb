// VolumeWatch: how full the file system of the spool is. Asked on a thread of its own: a file
// system that does not answer must not stop the daemon.
//
// Thread: any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace penstock::daemon {

class VolumeWatch {
 public:
  explicit VolumeWatch(std::string directory);
  ~VolumeWatch();
  VolumeWatch(const VolumeWatch&) = delete;
  VolumeWatch& operator=(const VolumeWatch&) = delete;

  // 0: not known yet.
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] uint64_t bytes_free() const { return bytes_free_; }

 private:
  void look();

  const std::string directory_;
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> bytes_free_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace penstock::daemon
