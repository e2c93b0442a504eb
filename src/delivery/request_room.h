// RequestRoom: the memory that filling a request takes: of the request itself, and of the records
// that wait outside of requests.
//
// Invariant, checked here: memory is awaited once at a time, with nothing of the queue's held
// meanwhile.
//
// Thread: the delivery thread's.
#pragma once

#include <functional>

#include "delivery/alarm.h"
#include "delivery/memory_share.h"
#include "delivery/owner_post.h"
#include "delivery/packer.h"
#include "delivery/request_assembler.h"
#include "delivery/request_queue.h"
#include "delivery/retry_queue.h"

namespace penstock::delivery {

class RequestRoom {
 public:
  struct Parts {
    RequestAssembler& assembler;
    const RequestQueue& requests;
    const RetryQueue& retry;
    Packer& packer;
    Alarm& alarm;
    const OwnerPost& post;
  };
  // granted: memory has come, there is something to do.
  RequestRoom(const Parts& parts, memory::MemoryBudget& memory,
              const memory::MemoryBudget::Member& member, std::function<void()> granted)
      : parts_(parts),
        memory_(memory),
        member_(member),
        granted_(std::move(granted)),
        queue_memory_(memory, member) {}

  // For a record of so many data bytes, 0: of any usual size. False: nothing can be added before
  // memory comes.
  [[nodiscard]] bool make(size_t data_bytes);
  // The memory of what waits in the queue and in aggregates. False: there is none for more.
  [[nodiscard]] bool pay_for_queue();
  // After a pump: gives back what nothing uses.
  void release_unused();

 private:
  void await(size_t bytes);

  const Parts parts_;
  memory::MemoryBudget& memory_;
  const memory::MemoryBudget::Member member_;
  const std::function<void()> granted_;
  MemoryShare queue_memory_;
  bool is_awaited_ = false;
};

}  // namespace penstock::delivery
