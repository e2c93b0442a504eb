// Frame: what both simulations are made of: one seed, a spool turned by hand on a file system that
// fails, lives of the process that end in crashes, steps under faults and an end without them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "base/clock.h"
#include "memory/memory_budget.h"
#include "model.h"
#include "record/ledger.h"
#include "spool/faulty_file_system.h"
#include "spool/spool_core.h"

namespace penstock::sim {

class Frame {
 public:
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  // Nullopt when everything held, else what did not.
  [[nodiscard]] std::optional<std::string> run(int steps);

 protected:
  Frame(uint64_t seed, memory::MemoryBudget::Options memory);
  virtual ~Frame() = default;

  uint64_t below(uint64_t n) { return random_() % n; }
  template <class Value>
  Value one_of(std::initializer_list<Value> values) {
    return values.begin()[below(values.size())];
  }
  void open_until_it_works();
  // Opens the spool, empty of streams; false: it does not open, and open_error_ says why.
  [[nodiscard]] bool open_core();
  // The spool and its files are as a kill leaves them, or a loss of power.
  void abandon();
  // Breaks or mends something; false: all works.
  bool change_disk();
  // No fault from now on.
  void calm();

  // The steps of a life.
  [[nodiscard]] virtual bool open() = 0;
  virtual void crash() = 0;
  virtual void take_step() = 0;
  // After every step.
  virtual void check() = 0;
  virtual void finish() = 0;

  std::mt19937_64 random_;
  spool::FaultyFileSystem files_;
  spool::SpoolOptions options_;
  spool::SpoolInternals internals_;
  ManualClock clock_;
  memory::MemoryBudget memory_;
  std::unique_ptr<record::Ledger> ledger_;
  uint64_t life_ = 0;
  std::string open_error_;
  bool crashes_while_opening_ = false;
  std::unique_ptr<spool::SpoolCore> core_;

 private:
  uint64_t salt_;
};

}  // namespace penstock::sim
