// MemoryBudget: what the process may hold in buffers, in bytes, leased as MemoryLease.
//
// Three pots: `ordinary` is for everybody; `large` is one loan at a time for whoever stands first
// in the queue and does not fit into ordinary. Whoever holds the large loan can always finish its
// message, so half-read messages can never block each other for ever, whatever they add up to.
// Waiting is first come, first served, with two exceptions, so that senders who stall in the middle
// of large messages do not hold up all the others: who waits for more than ordinary has at all, and
// so for the large loan, keeps nobody from ordinary; and what would have to wait may come out of
// `small`, which is kept for loans of at most a 64th of it.
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

namespace penstock::memory {

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
  [[nodiscard]] bool large() const { return pot_ == Pot::large; }
  explicit operator bool() const { return budget_ != nullptr; }

  // Gives back all but `bytes`. A smaller loan than that stays as it is.
  void shrink(size_t bytes);
  void release();
  // Takes `bytes` of this loan (at most what it has) into a loan of its own.
  [[nodiscard]] MemoryLease split(size_t bytes);

 private:
  friend class MemoryBudget;
  enum class Pot : uint8_t { ordinary, large, small };

  MemoryLease(MemoryBudget* budget, size_t bytes, Pot pot,
              std::shared_ptr<MemoryMember> member = nullptr)
      : budget_(budget), bytes_(bytes), pot_(pot), member_(std::move(member)) {}

  MemoryBudget* budget_ = nullptr;
  size_t bytes_ = 0;
  Pot pot_ = Pot::ordinary;
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
    size_t small_bytes = 0;
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

  // Calls granted exactly once, perhaps before returning, unless canceled.
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
  [[nodiscard]] size_t small_loan_max() const;

 private:
  friend class MemoryLease;
  struct Waiter {
    Ticket ticket;
    size_t bytes;
    Granted granted;
    Member member;
  };

  using Pot = MemoryLease::Pot;
  void give_back(size_t bytes, Pot pot, MemoryMember* member);
  void serve();
  // With the lock held:
  [[nodiscard]] MemoryLease lend_beside_waiters(size_t bytes, const Member& member);
  [[nodiscard]] MemoryLease lend_ordinary(size_t bytes, const Member& member);
  [[nodiscard]] MemoryLease lend_small(size_t bytes, const MemoryMember* member);
  [[nodiscard]] bool is_held_up(size_t bytes, const MemoryMember* member);
  void take_out(std::list<Waiter>::iterator waiter, std::list<Waiter>& into);
  [[nodiscard]] MemoryLease lend(size_t bytes, const Member& member);  // empty: there is no room
  [[nodiscard]] bool has_room(size_t bytes, const MemoryMember* member);
  [[nodiscard]] bool is_own(size_t bytes, const MemoryMember* member);

  const Options options_;
  mutable std::mutex mutex_;
  size_t ordinary_lent_ = 0;
  size_t large_lent_ = 0;  // the one large loan, in however many pieces; 0: not out
  size_t small_lent_ = 0;
  Ticket next_ticket_ = 1;
  std::list<Waiter> waiters_;
  size_t waiters_for_ordinary_ = 0;  // of them, those whom ordinary could serve some day
  std::vector<std::weak_ptr<MemoryMember>> members_;
};

}  // namespace penstock::memory
