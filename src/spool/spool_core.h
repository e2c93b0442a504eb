// SpoolCore: the spool behind spool.h. Admission (room, repeats, first come first served), the
// ledger's entries, and who is told what when.
//
// Thread: one lock, taken a few times per message, never per event, never during I/O.
#pragma once

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "spool/chunk_table.h"
#include "spool/spool.h"
#include "spool/stream_queue.h"

namespace penstock::spool {

// An append on its way in. Its own lock decides between cancel() and admission.
struct AppendHandle::State {
  enum class Phase : uint8_t { waiting, admitted, over };
  std::mutex mutex;
  Phase phase = Phase::waiting;
  Append append;
  AckMode ack = AckMode::stored;
};

class SpoolCore final : public Spool {
 public:
  SpoolCore(SpoolOptions options, record::Ledger& ledger, const Clock& clock);
  ~SpoolCore() override;

  Result<StreamLog*, Error> open_stream(const StreamOptions& options) override;
  [[nodiscard]] std::vector<StreamLog*> logs() override;
  AppendHandle append(Append append) override;
  void dead_letter(std::vector<DeadLetter> letters, std::function<void(bool)> done) override;
  void reconfigure(const SpoolOptions& options) override;
  [[nodiscard]] StreamFigures figures(std::string_view stream) const override;
  [[nodiscard]] uint64_t bytes() const override;
  [[nodiscard]] std::optional<SteadyTime> pushing_back_since() const override;
  [[nodiscard]] SteadyTime last_turn() const override { return clock_.steady(); }
  [[nodiscard]] std::string last_error() const override { return {}; }
  void close() override;

 private:
  friend class StreamQueue;
  using Waiting = std::shared_ptr<AppendHandle::State>;

  void release(StreamQueue& queue, Position position);
  [[nodiscard]] bool append_waits_for(const StreamQueue& queue) const;

  // With the lock held:
  [[nodiscard]] int64_t wall_ns() const { return unix_nanoseconds(clock_.wall()); }
  // Admits, or says that it has to wait; `full` are the streams that earlier ones wait for.
  [[nodiscard]] bool admit(AppendHandle::State& state, std::vector<std::string>& full,
                           Calls& calls);
  [[nodiscard]] bool admit_repeat(AppendHandle::State& state, Calls& calls);
  [[nodiscard]] bool has_room(const Append& append, std::vector<std::string>& full, Calls& calls);
  [[nodiscard]] bool make_room(const std::string& stream, uint64_t bytes, Calls& calls);
  void keep(AppendHandle::State& state, Calls& calls);
  void enter_received(const Append& append);
  void count_refused(const Append& append);
  void admit_waiting(Calls& calls);
  void forget_cancelled();
  void note_pressure();
  [[nodiscard]] uint64_t share_of(std::string_view stream) const;
  [[nodiscard]] uint64_t bytes_of(std::string_view stream) const;
  [[nodiscard]] StreamQueue* open_queue(std::string_view stream) const;
  void make(Calls& calls);  // without the lock

  SpoolOptions options_;
  record::Ledger& ledger_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  bool closed_ = false;
  ChunkTable chunks_;
  uint64_t next_key_ = 1;                             // names chunks without a fingerprint
  std::vector<std::unique_ptr<StreamQueue>> queues_;  // oldest generation of a stream first
  std::list<Waiting> waiting_;                        // in the order they came
  std::optional<SteadyTime> pushing_back_since_;
};

}  // namespace penstock::spool
