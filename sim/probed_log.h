// What stands between the sender and the spool in the simulation: it writes down what is read and
// released, and puts in faults.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "delivery_oracle.h"
#include "delivery_simulation.h"
#include "played_kinesis.h"
#include "spool/spool.h"

namespace penstock::sim {

// Which events were read in this life of the process and are not, for sure, marked as released on
// disk.
class ReadJournal {
 public:
  explicit ReadJournal(DeliveryOracle& oracle) : oracle_(oracle) {}

  void read(const spool::StreamLog& log, spool::Position position, std::vector<uint32_t> numbers);
  void released(const spool::StreamLog& log, spool::Position position, SteadyTime now);
  void unread(const spool::StreamLog& log, spool::Position position);
  // The commit thread had a turn. What was released long enough before its last turn is marked so
  // on disk, if the disk has worked that long: after a failure the spool waits before the next try.
  void turned(SteadyTime now, bool disk_works);
  // Those that may be handed out once more after a crash.
  [[nodiscard]] std::vector<uint32_t> open() const;
  void crash();

 private:
  struct Open {
    std::vector<uint32_t> numbers;
    std::optional<SteadyTime> released;
  };
  DeliveryOracle& oracle_;
  std::map<std::pair<const spool::StreamLog*, spool::Position>, Open> open_;
  SteadyTime last_turn_{};
  SteadyTime works_since_{};  // of the disk, as far as turns saw it
};

class ProbedLog final : public spool::StreamLog {
 public:
  ProbedLog(spool::StreamLog& real, ReadJournal& journal, const Clock& clock, Fault fault,
            Reached& reached, std::optional<size_t> slot = {});

  [[nodiscard]] const std::string& stream() const override { return real_.stream(); }
  [[nodiscard]] const std::string& settings() const override { return real_.settings(); }
  [[nodiscard]] std::optional<spool::Entry> read() override;
  void on_readable(std::function<void()> wake) override { real_.on_readable(std::move(wake)); }
  void release(spool::Position position) override;
  void unread(spool::Position position) override;
  [[nodiscard]] Reloaded reload(spool::Position position) override;
  [[nodiscard]] bool next_is_large() const override { return real_.next_is_large(); }
  [[nodiscard]] std::optional<spool::Position> next_origin() const override {
    return real_.next_origin();
  }
  [[nodiscard]] bool memory_is_awaited() const override { return real_.memory_is_awaited(); }
  [[nodiscard]] bool empty() const override { return real_.empty(); }
  [[nodiscard]] bool wants_room() const override { return real_.wants_room(); }
  void allow_one_more() override;
  [[nodiscard]] StreamLog* overflow(size_t number) override;
  void append_overflow(size_t number, spool::OverflowEntry entry,
                       std::function<void(bool)> done) override;
  [[nodiscard]] RecoveredOverflow recovered_overflow(size_t number) const override;

 private:
  void note(const spool::Entry& entry);
  [[nodiscard]] std::string name() const {
    return slot_ ? "overflow " + std::to_string(*slot_) : "main";
  }

  spool::StreamLog& real_;
  ReadJournal& journal_;
  const Clock& clock_;
  const Fault fault_;
  Reached& reached_;
  const std::optional<size_t> slot_;  // of an overflow log
  std::vector<std::unique_ptr<ProbedLog>> overflow_;
  uint32_t reads_ = 0;
  uint32_t appends_ = 0;
  std::optional<spool::Entry> kept_back_;
  std::set<spool::Position> released_early_;
  std::optional<std::pair<spool::OverflowEntry, std::function<void(bool)>>> append_kept_back_;
};

// The spool as the sender uses it: for dead letters.
class ProbedSpool final : public spool::Spool {
 public:
  ProbedSpool(spool::Spool& real, Schedule& schedule, DeliveryOracle& oracle, Fault fault,
              Reached& reached)
      : real_(real), schedule_(schedule), oracle_(oracle), fault_(fault), reached_(reached) {}

  void dead_letter(std::vector<spool::DeadLetter> letters, std::function<void(bool)> done) override;

  Result<spool::StreamLog*, Error> open_stream(const spool::StreamOptions& options) override {
    return real_.open_stream(options);
  }
  [[nodiscard]] std::vector<spool::StreamLog*> logs() override { return real_.logs(); }
  spool::AppendHandle append(spool::Append append) override {
    return real_.append(std::move(append));
  }
  void on_replay(std::function<spool::Append(record::Batch)> route) override {
    real_.on_replay(std::move(route));
  }
  void reconfigure(const spool::SpoolOptions& options) override { real_.reconfigure(options); }
  [[nodiscard]] spool::StreamFigures figures(std::string_view stream) const override {
    return real_.figures(stream);
  }
  [[nodiscard]] uint64_t bytes() const override { return real_.bytes(); }
  [[nodiscard]] uint64_t dead_letter_bytes() const override { return real_.dead_letter_bytes(); }
  [[nodiscard]] std::optional<SteadyTime> pushing_back_since() const override {
    return real_.pushing_back_since();
  }
  [[nodiscard]] SteadyTime last_turn() const override { return real_.last_turn(); }
  [[nodiscard]] std::string last_error() const override { return real_.last_error(); }
  void close() override { real_.close(); }

 private:
  spool::Spool& real_;
  Schedule& schedule_;
  DeliveryOracle& oracle_;
  const Fault fault_;
  Reached& reached_;
};

}  // namespace penstock::sim
