// MemoryBudget: what the process may hold in buffers, in bytes, lent as MemoryLease.
//
// Two pots: `ordinary` is for everybody; `large` is one loan at a time for whoever stands first in
// the queue and does not fit into ordinary. Whoever holds the large loan can always finish its
// message, so half-read messages can never block each other for ever, whatever they add up to.
// Waiting is first come, first served.
//
// Those who join() share evenly: each member may always have its part of one half of the ordinary
// pot, and of the rest what leaves every other member its part. So one that gives nothing back
// leaves the others theirs.
//
// Thread: any. Grant callbacks run on the thread that gave memory back, without the lock held:
// keep them short (post to your own loop).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

namespace penstock::record {

class MemoryBudget;
struct MemoryMember;

// Bytes borrowed from a budget; gives them back when it goes. Move-only.
class MemoryLease {
 public:
  MemoryLease() = default;
  MemoryLease(MemoryLease&& other) noexcept;
  MemoryLease& operator=(MemoryLease&& other) noexcept;
  MemoryLease(const MemoryLease&) = delete;
  MemoryLease& operator=(const MemoryLease&) = delete;
  ~MemoryLease() { release(); }

  [[nodiscard]] size_t bytes() const { return bytes_; }
  // It is the one large loan, which others may be waiting for: not to be kept long.
  [[nodiscard]] bool large() const { return large_; }
  explicit operator bool() const { return budget_ != nullptr; }

  // Gives back all but `bytes`. A smaller loan than that stays as it is.
  void shrink(size_t bytes);
  void release();
  // Takes `bytes` of this loan (at most what it has) into a loan of its own.
  [[nodiscard]] MemoryLease split(size_t bytes);

 private:
  friend class MemoryBudget;
  MemoryLease(MemoryBudget* budget, size_t bytes, bool large,
              std::shared_ptr<MemoryMember> member = nullptr)
      : budget_(budget), bytes_(bytes), large_(large), member_(std::move(member)) {}

  MemoryBudget* budget_ = nullptr;
  size_t bytes_ = 0;
  bool large_ = false;
  std::shared_ptr<MemoryMember> member_;  // for whom it was taken
};

// One of those who share a budget. Its budget's lock guards it.
struct MemoryMember {
  size_t lent = 0;
};

class MemoryBudget {
 public:
  struct Options {
    size_t ordinary_bytes = 64u << 20;
    size_t large_bytes = 0;  // at least the largest single loan anybody will ask for
  };
  using Granted = std::function<void(MemoryLease)>;
  using Ticket = uint64_t;  // names a waiting request; 0 is none
  using Member = std::shared_ptr<MemoryMember>;

  explicit MemoryBudget(Options options) : options_(options) {}
  ~MemoryBudget();

  // Whoever has it is a member until it and all its leases are gone.
  [[nodiscard]] Member join();

  // Now or not at all; does not overtake those who wait, but a member for what is its own.
  [[nodiscard]] MemoryLease try_acquire(size_t bytes, const Member& member = nullptr);

  // Calls granted exactly once, perhaps before returning, unless cancelled.
  // bytes must not exceed loan_max().
  Ticket acquire(size_t bytes, Granted granted, Member member = nullptr);

  // True: granted will not be called. False: it was, or is being called right now.
  bool cancel(Ticket ticket);

  // The largest loan there is.
  [[nodiscard]] size_t loan_max() const {
    return std::max(options_.ordinary_bytes, options_.large_bytes);
  }

  // Changes a loan to `bytes` in all, now or not at all.
  [[nodiscard]] bool try_resize(MemoryLease& lease, size_t bytes);

  [[nodiscard]] size_t lent_bytes() const;
  [[nodiscard]] size_t waiting() const;
  [[nodiscard]] const Options& options() const { return options_; }

 private:
  friend class MemoryLease;
  struct Waiter {
    Ticket ticket;
    size_t bytes;
    Granted granted;
    Member member;
  };

  void give_back(size_t bytes, bool large, MemoryMember* member);
  void serve();
  // With the lock held:
  [[nodiscard]] MemoryLease lend(size_t bytes, const Member& member);  // empty: there is no room
  [[nodiscard]] bool has_room(size_t bytes, const MemoryMember* member);
  [[nodiscard]] bool is_own(size_t bytes, const MemoryMember* member);

  const Options options_;
  mutable std::mutex mutex_;
  size_t ordinary_lent_ = 0;
  size_t large_lent_ = 0;  // the one large loan, in however many pieces; 0: not out
  Ticket next_ticket_ = 1;
  std::list<Waiter> waiters_;
  std::vector<std::weak_ptr<MemoryMember>> members_;
};

}  // namespace penstock::record
