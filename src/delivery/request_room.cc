#include "delivery/request_room.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"

namespace penstock::delivery {

bool RequestRoom::make(size_t data_bytes) {
  switch (parts_.assembler.make_room(data_bytes, parts_.alarm.now())) {
    case RequestAssembler::Room::ready:
    case RequestAssembler::Room::request_full:
      return true;
    case RequestAssembler::Room::no_memory:
      break;
  }
  // An answer, or the grant, pumps again.
  if (parts_.requests.in_flight() == 0 && !is_awaited_) {
    await(parts_.assembler.first_bytes(data_bytes));
  }
  return false;
}

// What waits in the queue must not stand in the way of the request that would carry it.
void RequestRoom::await(size_t bytes) {
  is_awaited_ = true;
  queue_memory_.release();
  auto take = parts_.post.posted([this](const std::shared_ptr<memory::MemoryLease>& lease) {
    CHECK(std::exchange(is_awaited_, false));
    parts_.assembler.adopt(std::move(*lease));
    granted_();
  });
  memory_.acquire(
      std::min(bytes, memory_.lease_max()),
      [take = std::move(take)](memory::MemoryLease lease) {
        take(std::make_shared<memory::MemoryLease>(std::move(lease)));
      },
      member_);
}

bool RequestRoom::pay_for_queue() {
  if (queue_memory_.ensure(parts_.retry.bytes() + parts_.packer.memory_bytes())) return true;
  if (parts_.retry.count() == 0) return true;  // nothing that waits would give any back
  parts_.alarm.by(parts_.alarm.now() + kMemoryRetry);
  return false;
}

void RequestRoom::release_unused() {
  if (parts_.assembler.empty() && parts_.requests.in_flight() == 0) {
    parts_.assembler.release_memory();
  }
  if (parts_.retry.count() == 0 && !parts_.packer.oldest_since()) queue_memory_.release();
}

}  // namespace penstock::delivery
