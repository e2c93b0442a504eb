#include "config/file_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "config/secret_ref.h"

namespace penstock::config {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |
                             IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
// A file that is written to without end is told about after this many settle times.
constexpr int kSettleRoundsMax = 10;

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// What a file holds; nullopt while it cannot be read. The hash is kept, never the content.
std::optional<Hash128> content_of(const std::string& path) {
  const auto content = read_small_file(path);
  if (!content) return std::nullopt;
  return hash128(as_bytes(*content));
}

}  // namespace

class FileWatch::Loop {
 public:
  Loop(std::vector<std::string> files, Changed changed, Options options)
      : changed_(std::move(changed)), options_(options), wake_(::eventfd(0, EFD_CLOEXEC)) {
    CHECK(static_cast<bool>(wake_));
    if (options_.use_inotify) {
      inotify_ = UniqueFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
      if (!inotify_) {
        log_warn(
            "watching files by looking only",
            {{"reason", std::strerror(errno)}, {"seconds", options_.poll_interval.count() / 1000}});
      }
    }
    watch(std::move(files));
    thread_ = std::thread([this] { run(); });
  }

  ~Loop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake();
    thread_.join();
  }

  void expect_read() { changed_files(); }

  void watch(std::vector<std::string> files) {
    const std::lock_guard lock(mutex_);
    std::map<std::string, std::optional<Hash128>> contents;
    for (std::string& file : files) {
      const auto known = contents_.find(file);
      const auto content = known != contents_.end() ? known->second : content_of(file);
      contents.emplace(std::move(file), content);
    }
    contents_ = std::move(contents);
    watch_directories();
  }

 private:
  void wake() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  }

  // With the lock held. Adds what is missing; a directory that came back is added again.
  void watch_directories() {
    if (!inotify_) return;
    std::set<std::string> wanted;
    for (const auto& [file, content] : contents_) wanted.insert(directory_of(file));
    for (auto watched = directories_.begin(); watched != directories_.end();) {
      if (wanted.contains(watched->first)) {
        ++watched;
      } else {
        ::inotify_rm_watch(inotify_.get(), watched->second);
        watched = directories_.erase(watched);
      }
    }
    for (const std::string& directory : wanted) {
      const int descriptor = ::inotify_add_watch(inotify_.get(), directory.c_str(), kEvents);
      if (descriptor >= 0) {
        directories_[directory] = descriptor;
      } else {
        directories_.erase(directory);  // looked at by polling until it is there
      }
    }
  }

  // Waits for something to happen. True: in one of the directories; false: time is up or stop.
  bool wait(milliseconds at_most) {
    pollfd fds[2] = {{wake_.get(), POLLIN, 0}, {inotify_ ? inotify_.get() : -1, POLLIN, 0}};
    const int ready = ::poll(fds, 2, static_cast<int>(at_most.count()));
    if (ready <= 0 || (fds[1].revents & POLLIN) == 0) return false;
    alignas(inotify_event) char events[4096];
    while (::read(inotify_.get(), events, sizeof events) > 0) {
    }
    return true;
  }

  bool stopping() {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }

  void run() {
    while (!stopping()) {
      if (wait(options_.poll_interval)) {
        for (int round = 0; round < kSettleRoundsMax && wait(options_.settle); ++round) {
        }
      }
      if (stopping()) return;
      const std::vector<std::string> files = changed_files();
      if (!files.empty()) changed_(files);
    }
  }

  // Once each: what they hold now is known from here on.
  std::vector<std::string> changed_files() {
    const std::lock_guard lock(mutex_);
    watch_directories();
    std::vector<std::string> files;
    for (auto& [file, known] : contents_) {
      const std::optional<Hash128> now = content_of(file);
      if (!now || now == known) continue;  // while it is gone, the old content is what counts
      known = now;
      files.push_back(file);
    }
    return files;
  }

  const Changed changed_;
  const Options options_;
  const UniqueFd wake_;
  UniqueFd inotify_;
  std::mutex mutex_;
  bool stopping_ = false;
  std::map<std::string, std::optional<Hash128>> contents_;
  std::map<std::string, int> directories_;  // directory to inotify's descriptor
  std::thread thread_;
};

FileWatch::FileWatch(std::vector<std::string> files, Changed changed, Options options)
    : loop_(std::make_unique<Loop>(std::move(files), std::move(changed), options)) {}
FileWatch::~FileWatch() = default;

void FileWatch::expect_read() { loop_->expect_read(); }
void FileWatch::watch(std::vector<std::string> files) { loop_->watch(std::move(files)); }

}  // namespace penstock::config
