// FaultyFileSystem: files in memory that behave as badly as real ones may, from one seed. For
// tests.
//
//   power loss    what was not synced is lost sector by sector (512 bytes), in no order; of births,
//                 renames and deaths in a directory that was not synced a beginning survives
//   kill          everything written survives, whatever was synced
//   crash         the operation after the armed number throws Crash, before or after its effect
//   failed sync   EIO, and what was to be synced is lost for good, though reads still show it until
//                 the power goes (as Linux does)
//   full          ENOSPC when a file grows beyond the capacity
//
// Thread: any number, but seeds only reproduce with one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "spool/file_system.h"

namespace penstock::spool {

class FaultyFileSystem final : public FileSystem {
 public:
  struct Crash {};

  explicit FaultyFileSystem(uint64_t seed = 1) : random_(seed) {}

  IoResult<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  IoResult<std::unique_ptr<File>> lock(const std::string& path) override;
  IoResult<void> rename(const std::string& from, const std::string& to) override;
  IoResult<void> remove(const std::string& path) override;
  IoResult<void> make_directory(const std::string& path) override;
  IoResult<void> remove_directory(const std::string& path) override;
  IoResult<void> sync_directory(const std::string& path) override;
  IoResult<std::vector<std::string>> list(const std::string& path) override;

  // The machine stops; afterwards files are what a restart would find. Open files are dead.
  void lose_power();
  // The process stops.
  void kill();
  // The n-th writing operation from now throws Crash (1 is the next).
  void crash_after(uint64_t operations) { crash_after_ = operations; }
  void forget_crash() { crash_after_.reset(); }
  [[nodiscard]] uint64_t operations() const { return operations_; }
  // Bytes that all files together may have.
  void set_capacity(uint64_t bytes) { capacity_ = bytes; }
  [[nodiscard]] uint64_t used() const;
  // The chance that a write or sync fails, and the error it fails with.
  void fail_with(double chance, int error) {
    fail_chance_ = chance;
    fail_error_ = error;
  }
  // The next n syncs of files fail with EIO.
  void fail_syncs(int n) { failing_syncs_ = n; }
  void set_direct_supported(bool supported) { direct_supported_ = supported; }
  [[nodiscard]] uint64_t syncs() const { return syncs_; }

  // For tests that look at, or damage, what lies in a file.
  [[nodiscard]] std::vector<uint8_t> content(const std::string& path);
  void set_content(const std::string& path, std::vector<uint8_t> bytes);
  [[nodiscard]] std::vector<std::string> files() const;

 private:
  friend class FaultyFile;
  static constexpr size_t kSector = 512;

  struct Inode {
    std::vector<uint8_t> live;
    std::vector<uint8_t> durable;
    std::set<size_t> dirty;  // sectors in which live is newer
    std::set<size_t> lost;   // by a failed sync: live is newer, and nobody knows
    bool size_dirty = false;
    bool is_directory = false;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  struct NameChange {
    std::string from;  // empty: a birth
    std::string to;    // empty: a death
    std::shared_ptr<Inode> inode;
  };

  // Counts a writing operation; throws Crash at the armed one.
  std::optional<IoError> before_change();
  void change_names(NameChange change);
  static void apply(Names& names, const NameChange& change);
  static std::string parent_of(const std::string& path);
  bool flip() { return (random_() & 1) != 0; }
  void sync_inode(Inode& inode);

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  Names live_;
  Names durable_;
  std::map<std::string, std::vector<NameChange>> pending_;  // by directory, in order
  uint64_t epoch_ = 0;  // of the process: files opened before a crash are dead
  uint64_t operations_ = 0;
  uint64_t syncs_ = 0;
  std::optional<uint64_t> crash_after_;
  uint64_t capacity_ = ~0ull;
  double fail_chance_ = 0;
  int fail_error_ = 0;
  int failing_syncs_ = 0;
  bool direct_supported_ = true;
};

}  // namespace penstock::spool
