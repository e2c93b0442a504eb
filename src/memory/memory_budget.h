// MemoryBudget: what the process may hold in buffers, in bytes, leased as MemoryLease.
//
// There are three pots. `ordinary` is for everybody. `large` is one lease at a time, for the first
// in the queue whose request does not fit into ordinary. The holder of the large lease can always
// finish its message, so half-read messages cannot block each other forever, however large they
// are together. `small` is for leases of at most a 64th of it.
//
// Requests wait in a queue, first come, first served, with three exceptions. They keep senders that
// stall in the middle of large messages from holding up all others. A request for more than
// ordinary ever has waits for the large lease alone, and nobody waits behind it for ordinary. A
// request that would have to wait may be served from `small`. And a part of ordinary, the reserve,
// is kept for messages of which nothing is to come (Purpose::whole), which are served first.
//
// Members (join()) share evenly. A member may always have its part of one half of the ordinary pot,
// and of the rest what leaves every other member its part. So a member that returns nothing leaves
// the others theirs.
//
// Thread: any. Grant callbacks run on the thread that returned memory, without the lock held: keep
// them short (post to your own loop).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace penstock::memory {

class MemoryBudget;
struct MemoryMember;

// What a lease is for.
enum class Purpose : uint8_t {
  incoming,  // a message of which more is to come: how long that takes is up to its sender
  whole,     // one that is all here, or in the socket: work on it ends by itself
};

// Bytes leased from a budget; returned when it is destroyed. Move-only.
class MemoryLease {
 public:
  MemoryLease() = default;
  MemoryLease(MemoryLease&& other) noexcept;
  MemoryLease& operator=(MemoryLease&& other) noexcept;
  MemoryLease(const MemoryLease&) = delete;
  MemoryLease& operator=(const MemoryLease&) = delete;
  ~MemoryLease() { release(); }

  [[nodiscard]] size_t bytes() const { return bytes_; }
  // This is the one large lease, which others may be waiting for: do not keep it long.
  [[nodiscard]] bool large() const { return pot_ == Pot::large; }
  explicit operator bool() const { return budget_ != nullptr; }

  // Returns all but `bytes`. A lease of fewer bytes stays as it is.
  void shrink(size_t bytes);
  void release();
  // Takes `bytes` of this lease (at most what it has) into a lease of its own.
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
  std::shared_ptr<MemoryMember> member_;  // who took it
};

// A member of a budget. The budget's lock guards it.
struct MemoryMember {
  size_t leased = 0;
};

class MemoryBudget {
 public:
  struct Options {
    size_t ordinary_bytes = 64u << 20;
    size_t large_bytes = 0;  // at least the largest single lease anybody requests
    size_t small_bytes = 0;
    size_t reserve_bytes = 0;  // of ordinary
  };
  using Granted = std::function<void(MemoryLease)>;
  using Ticket = uint64_t;  // names a waiting request; 0 is none
  using Member = std::shared_ptr<MemoryMember>;

  explicit MemoryBudget(Options options) : options_(options) {}
  ~MemoryBudget();

  // The membership ends when the result and all its leases are destroyed.
  [[nodiscard]] Member join();

  // Now or not at all; empty if there is no room. It does not overtake waiting requests, except a
  // member's for its own part.
  [[nodiscard]] MemoryLease try_acquire(size_t bytes, const Member& member = nullptr,
                                        Purpose purpose = Purpose::incoming);

  // Calls `granted` exactly once, perhaps before it returns, unless the request is canceled.
  // bytes must not exceed lease_max().
  Ticket acquire(size_t bytes, Granted granted, Member member = nullptr,
                 Purpose purpose = Purpose::incoming);

  // True: `granted` will not be called. False: it was called, or is being called right now.
  bool cancel(Ticket ticket);

  // The largest lease there is.
  [[nodiscard]] size_t lease_max() const {
    return std::max(ordinary_for(Purpose::incoming), options_.large_bytes);
  }

  // Changes a lease to `bytes` in all, now or not at all.
  [[nodiscard]] bool try_resize(MemoryLease& lease, size_t bytes,
                                Purpose purpose = Purpose::incoming);

  // Something of the reserve is out.
  [[nodiscard]] bool is_reserve_in_use() const;
  [[nodiscard]] size_t leased_bytes() const;
  [[nodiscard]] size_t waiting() const;
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] size_t small_lease_max() const;

 private:
  friend class MemoryLease;
  struct Waiter {
    Ticket ticket;
    size_t bytes;
    Granted granted;
    Member member;
    Purpose purpose;
  };
  // What waits for some pot.
  struct Request {
    size_t bytes;
    const Member& member;
    Purpose purpose;
  };

  using Pot = MemoryLease::Pot;
  void give_back(size_t bytes, Pot pot, MemoryMember* member);
  void serve();
  // With the lock held:
  [[nodiscard]] MemoryLease acquire_beside_waiters(const Request& request);
  [[nodiscard]] MemoryLease acquire_ordinary(const Request& request);
  [[nodiscard]] MemoryLease acquire_small(const Request& request);
  [[nodiscard]] MemoryLease acquire_large(size_t bytes);
  [[nodiscard]] std::pair<MemoryLease, std::list<Waiter>::iterator> serve_one();
  [[nodiscard]] bool is_held_up(const Request& request);
  [[nodiscard]] size_t& waiters_for_ordinary(Purpose purpose);
  void take_out(std::list<Waiter>::iterator waiter, std::list<Waiter>& into);
  [[nodiscard]] bool has_room(const Request& request);
  [[nodiscard]] bool is_own(size_t bytes, const MemoryMember* member);

  // The most that ordinary ever has for it.
  [[nodiscard]] size_t ordinary_for(Purpose purpose) const {
    const bool is_whole = purpose == Purpose::whole;
    return options_.ordinary_bytes - (is_whole ? 0 : options_.reserve_bytes);
  }

  const Options options_;
  mutable std::mutex mutex_;
  size_t ordinary_leased_ = 0;
  size_t large_leased_ = 0;  // the one large lease, in however many pieces; 0: not out
  size_t small_leased_ = 0;
  Ticket next_ticket_ = 1;
  std::list<Waiter> waiters_;
  // Of them, those that ordinary has enough for when it is free.
  size_t incoming_for_ordinary_ = 0;
  size_t whole_for_ordinary_ = 0;
  std::vector<std::weak_ptr<MemoryMember>> members_;
};

}  // namespace penstock::memory
