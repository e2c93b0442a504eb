// ReadAllowance: how much of one log may be read from disk ahead of delivery, and when.
//
// Thread: SpoolState's lock guards it; BytesRead is counted down by whoever lets go of a batch.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "spool/signal.h"

namespace penstock::spool {

// Memory of batches that were read from disk, until the last one who holds such a batch lets go.
struct BytesRead {
  explicit BytesRead(std::shared_ptr<Signal> reader_signal) : signal(std::move(reader_signal)) {}
  std::atomic<uint64_t> within{0};  // of the log's share
  std::atomic<uint64_t> beyond{0};  // read by allow_one_more(), on memory of the budget
  std::shared_ptr<Signal> signal;
};

class ReadAllowance {
 public:
  explicit ReadAllowance(std::shared_ptr<Signal> read_wake)
      : bytes_read_(std::make_shared<BytesRead>(std::move(read_wake))) {}

  enum class Room : uint8_t { none, within, beyond };
  // Whether another entry may be read, given the log's share: however little that is, one may.
  [[nodiscard]] Room room(uint64_t share) const {
    const uint64_t within = bytes_read_->within.load();
    if (within == 0 || within < share) return Room::within;
    const uint64_t beyond = bytes_read_->beyond.load();
    return one_more_allowed_ && (beyond == 0 || beyond < share) ? Room::beyond : Room::none;
  }
  // What is left of the share.
  [[nodiscard]] uint64_t room_bytes(uint64_t share) const {
    return share - std::min(share, bytes_read_->within.load());
  }
  [[nodiscard]] const std::shared_ptr<BytesRead>& bytes_read() const { return bytes_read_; }

  // One entry may be read beyond the share, until delivery has taken one.
  void allow_one_more() { one_more_allowed_ = true; }
  void one_was_taken() { one_more_allowed_ = false; }
  [[nodiscard]] bool one_more_is_allowed() const { return one_more_allowed_; }

  // A read failed, or found no memory: not again before then.
  void retry_at(std::optional<SteadyTime> when) { retry_at_ = when; }
  [[nodiscard]] bool may_read(SteadyTime now) const { return !retry_at_ || now >= *retry_at_; }

 private:
  std::shared_ptr<BytesRead> bytes_read_;
  bool one_more_allowed_ = false;
  std::optional<SteadyTime> retry_at_;
};

}  // namespace penstock::spool
