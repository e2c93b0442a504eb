#include "daemon/volume_watch.h"

#include <sys/statvfs.h>

#include "base/clock.h"

namespace penstock::daemon {
namespace {
constexpr seconds kInterval{5};
}  // namespace

VolumeWatch::VolumeWatch(std::string directory) : directory_(std::move(directory)) {
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      lock.unlock();
      look();
      lock.lock();
      wake_.wait_for(lock, kInterval, [this] { return stopping_; });
    }
  });
}

VolumeWatch::~VolumeWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void VolumeWatch::look() {
  struct statvfs found {};
  if (::statvfs(directory_.c_str(), &found) != 0) return;
  bytes_ = uint64_t{found.f_blocks} * found.f_frsize;
  bytes_free_ = uint64_t{found.f_bavail} * found.f_frsize;
}

}  // namespace penstock::daemon
