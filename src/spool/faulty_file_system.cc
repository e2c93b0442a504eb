#include "spool/faulty_file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

namespace penstock::spool {

class FaultyFile final : public File {
 public:
  FaultyFile(FaultyFileSystem& files, std::shared_ptr<FaultyFileSystem::Inode> inode, bool direct)
      : files_(files), inode_(std::move(inode)), epoch_(files.epoch_), direct_(direct) {}

  IoResult<void> write_at(uint64_t offset, ByteView bytes) override {
    const std::lock_guard lock(files_.mutex_);
    if (dead()) return failure(IoError{EIO});
    if (direct_ && (offset % 4096 != 0 || bytes.size() % 4096 != 0 ||
                    reinterpret_cast<uintptr_t>(bytes.data()) % 4096 != 0)) {
      return failure(IoError{EINVAL});
    }
    // A crash in a write leaves any part of it.
    std::optional<IoError> error;
    try {
      error = files_.before_change();
    } catch (const FaultyFileSystem::Crash&) {
      (void)put(offset, bytes.first(files_.random_() % (bytes.size() + 1)));
      throw;
    }
    if (error) {
      (void)put(offset, bytes.first(files_.random_() % (bytes.size() + 1)));
      return failure(*error);
    }
    return put(offset, bytes);
  }

  IoResult<size_t> read_at(uint64_t offset, std::span<uint8_t> into) override {
    const std::lock_guard lock(files_.mutex_);
    if (dead()) return failure(IoError{EIO});
    const auto& live = inode_->live;
    if (offset >= live.size()) return size_t{0};
    const size_t n = std::min<size_t>(into.size(), live.size() - offset);
    if (n > 0) std::memcpy(into.data(), live.data() + offset, n);
    return n;
  }

  IoResult<void> sync() override {
    const std::lock_guard lock(files_.mutex_);
    if (dead()) return failure(IoError{EIO});
    auto error = files_.before_change();
    if (files_.failing_syncs_ > 0) {
      --files_.failing_syncs_;
      error = IoError{EIO};
    }
    if (error) {
      // Some of it reached the disk; the rest is taken for clean and never will.
      for (const size_t sector : inode_->dirty) {
        if (files_.flip()) {
          put_durable(sector);
        } else {
          inode_->lost.insert(sector);
        }
      }
      inode_->dirty.clear();
      return failure(IoError{EIO});
    }
    ++files_.syncs_;
    files_.sync_inode(*inode_);
    return {};
  }

  void drop_cache() override {
    const std::lock_guard lock(files_.mutex_);
    constexpr size_t kSector = FaultyFileSystem::kSector;
    for (const size_t sector : inode_->lost) {
      const size_t begin = sector * kSector;
      const size_t end = std::min(begin + kSector, inode_->live.size());
      for (size_t i = begin; i < end; ++i) {
        inode_->live[i] = i < inode_->durable.size() ? inode_->durable[i] : 0;
      }
    }
    inode_->lost.clear();
  }

  IoResult<void> allocate(uint64_t bytes) override {
    if (auto grown = size(); grown && *grown >= bytes) return {};
    return truncate(bytes);
  }

  IoResult<void> truncate(uint64_t bytes) override {
    const std::lock_guard lock(files_.mutex_);
    if (dead()) return failure(IoError{EIO});
    if (auto error = files_.before_change()) return failure(*error);
    return resize(bytes);
  }

  IoResult<uint64_t> size() override {
    const std::lock_guard lock(files_.mutex_);
    return inode_->live.size();
  }

 private:
  bool dead() const { return epoch_ != files_.epoch_; }

  IoResult<void> resize(uint64_t bytes) {
    auto& live = inode_->live;
    if (bytes > live.size()) {
      uint64_t used = 0;
      for (const auto& [path, inode] : files_.live_) used += inode->live.size();
      if (used + bytes - live.size() > files_.capacity_) return failure(IoError{ENOSPC});
    }
    live.resize(bytes);
    inode_->size_dirty = true;
    return {};
  }

  IoResult<void> put(uint64_t offset, ByteView bytes) {
    if (bytes.empty()) return {};
    if (offset + bytes.size() > inode_->live.size()) {
      if (auto done = resize(offset + bytes.size()); !done) return done;
    }
    std::memcpy(inode_->live.data() + offset, bytes.data(), bytes.size());
    constexpr size_t kSector = FaultyFileSystem::kSector;
    for (size_t s = offset / kSector; s <= (offset + bytes.size() - 1) / kSector; ++s) {
      inode_->dirty.insert(s);
      inode_->lost.erase(s);
    }
    return {};
  }

  void put_durable(size_t sector) {
    constexpr size_t kSector = FaultyFileSystem::kSector;
    const size_t begin = sector * kSector;
    const size_t end = std::min(begin + kSector, inode_->live.size());
    if (begin >= end) return;
    if (inode_->durable.size() < end) return;
    std::memcpy(inode_->durable.data() + begin, inode_->live.data() + begin, end - begin);
  }

  FaultyFileSystem& files_;
  std::shared_ptr<FaultyFileSystem::Inode> inode_;
  const uint64_t epoch_;
  const bool direct_;
};

std::string FaultyFileSystem::parent_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

std::optional<IoError> FaultyFileSystem::before_change() {
  ++operations_;
  if (crash_after_ && --*crash_after_ == 0) {
    crash_after_.reset();
    throw Crash{};
  }
  if (fail_chance_ > 0 && std::uniform_real_distribution<double>(0, 1)(random_) < fail_chance_) {
    return IoError{fail_error_};
  }
  return std::nullopt;
}

void FaultyFileSystem::apply(Names& names, const NameChange& change) {
  if (!change.from.empty()) names.erase(change.from);
  if (!change.to.empty()) names[change.to] = change.inode;
  if (change.from.empty() || !change.inode || !change.inode->is_directory) return;
  const std::string below = change.from + "/";
  for (auto entry = names.lower_bound(below);
       entry != names.end() && entry->first.starts_with(below);) {
    names[change.to + entry->first.substr(change.from.size())] = entry->second;
    entry = names.erase(entry);
  }
}

void FaultyFileSystem::change_names(NameChange change) {
  apply(live_, change);
  pending_[parent_of(change.to.empty() ? change.from : change.to)].push_back(std::move(change));
}

void FaultyFileSystem::sync_inode(Inode& inode) {
  if (inode.size_dirty) inode.durable.resize(inode.live.size());
  inode.size_dirty = false;
  for (const size_t sector : inode.dirty) {
    const size_t begin = sector * kSector;
    const size_t end = std::min(begin + kSector, inode.live.size());
    if (begin < end) {
      std::memcpy(inode.durable.data() + begin, inode.live.data() + begin, end - begin);
    }
  }
  inode.dirty.clear();
}

IoResult<std::unique_ptr<File>> FaultyFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  if (mode.direct && !direct_supported_) return failure(IoError{EINVAL});
  const auto found = live_.find(path);
  if (found != live_.end()) return std::make_unique<FaultyFile>(*this, found->second, mode.direct);
  if (!mode.create) return failure(IoError{ENOENT});
  if (auto error = before_change()) return failure(*error);
  auto inode = std::make_shared<Inode>();
  change_names({"", path, inode});
  return std::make_unique<FaultyFile>(*this, std::move(inode), mode.direct);
}

IoResult<std::unique_ptr<File>> FaultyFileSystem::lock(const std::string& path) {
  return open(path, {.write = true, .create = true});
}

IoResult<void> FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(from);
  if (found == live_.end()) return failure(IoError{ENOENT});
  const auto inode = found->second;
  if (auto error = before_change()) return failure(*error);
  if (inode->is_directory) {  // what is not synced below it is taken as synced: no test needs more
    for (auto entry = pending_.lower_bound(from); entry != pending_.end();) {
      const bool below = entry->first == from || entry->first.starts_with(from + "/");
      if (below) {
        for (const NameChange& change : entry->second) apply(durable_, change);
      }
      entry = below ? pending_.erase(entry) : std::next(entry);
    }
  }
  change_names({from, to, inode});
  return {};
}

IoResult<void> FaultyFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(path);
  if (found == live_.end()) return failure(IoError{ENOENT});
  if (auto error = before_change()) return failure(*error);
  change_names({path, "", nullptr});
  return {};
}

IoResult<void> FaultyFileSystem::make_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (live_.contains(path)) return {};
  if (auto error = before_change()) return failure(*error);
  auto inode = std::make_shared<Inode>();
  inode->is_directory = true;
  change_names({"", path, std::move(inode)});
  return {};
}

IoResult<void> FaultyFileSystem::remove_directory(const std::string& path) {
  auto names = list(path);
  if (!names) return failure(names.error());
  if (!names->empty()) return failure(IoError{ENOTEMPTY});
  return remove(path);
}

IoResult<void> FaultyFileSystem::sync_directory(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  const std::string path = directory == "/" ? "" : directory;
  if (auto error = before_change()) return failure(*error);
  for (const NameChange& change : pending_[path]) apply(durable_, change);
  pending_.erase(path);
  return {};
}

IoResult<std::vector<std::string>> FaultyFileSystem::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!live_.contains(path)) return failure(IoError{ENOENT});
  std::vector<std::string> names;
  const std::string prefix = path + "/";
  for (auto entry = live_.lower_bound(prefix);
       entry != live_.end() && entry->first.starts_with(prefix); ++entry) {
    const std::string name = entry->first.substr(prefix.size());
    if (name.find('/') == std::string::npos) names.push_back(name);
  }
  return names;
}

void FaultyFileSystem::kill() {
  const std::lock_guard lock(mutex_);
  ++epoch_;
  crash_after_.reset();
}

void FaultyFileSystem::lose_power() {
  const std::lock_guard lock(mutex_);
  ++epoch_;
  crash_after_.reset();
  for (auto& [directory, changes] : pending_) {
    const size_t survived = random_() % (changes.size() + 1);
    for (size_t i = 0; i < survived; ++i) apply(durable_, changes[i]);
  }
  pending_.clear();
  // What lies in a directory that never became durable is gone with it.
  for (bool again = true; again;) {
    again = false;
    for (auto entry = durable_.begin(); entry != durable_.end();) {
      const std::string parent = parent_of(entry->first);
      if (!parent.empty() && !durable_.contains(parent)) {
        entry = durable_.erase(entry);
        again = true;
      } else {
        ++entry;
      }
    }
  }
  live_ = durable_;
  for (auto& [path, inode] : live_) {
    if (inode->size_dirty && flip()) inode->durable.resize(inode->live.size());
    for (const size_t sector : inode->dirty) {
      const size_t begin = sector * kSector;
      const size_t end = std::min({begin + kSector, inode->live.size(), inode->durable.size()});
      if (begin >= end || flip()) continue;
      std::memcpy(inode->durable.data() + begin, inode->live.data() + begin, end - begin);
    }
    inode->dirty.clear();
    inode->lost.clear();
    inode->size_dirty = false;
    inode->live = inode->durable;
  }
}

uint64_t FaultyFileSystem::used() const {
  const std::lock_guard lock(mutex_);
  uint64_t used = 0;
  for (const auto& [path, inode] : live_) used += inode->live.size();
  return used;
}

std::vector<uint8_t> FaultyFileSystem::content(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return live_.at(path)->live;
}

void FaultyFileSystem::set_content(const std::string& path, std::vector<uint8_t> bytes) {
  const std::lock_guard lock(mutex_);
  auto& inode = live_[path];
  if (!inode) inode = std::make_shared<Inode>();
  durable_[path] = inode;
  inode->live = bytes;
  inode->durable = std::move(bytes);
  inode->dirty.clear();
  inode->size_dirty = false;
}

std::vector<std::string> FaultyFileSystem::files() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> paths;
  for (const auto& [path, inode] : live_) {
    if (!inode->is_directory) paths.push_back(path);
  }
  return paths;
}

}  // namespace penstock::spool
