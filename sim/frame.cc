#include "frame.h"

#include <cerrno>
#include <utility>

#include "trace.h"

namespace penstock::sim {

Frame::Frame(uint64_t seed, memory::MemoryBudget::Options memory)
    : random_(seed), files_(seed * 31 + 7), memory_(memory), salt_(seed << 20) {
  options_.directory = "/spool";
  internals_.manual = true;
}

std::optional<std::string> Frame::run(int steps) {
  try {
    open_until_it_works();
    for (int step = 0; step < steps; ++step) {
      try {
        take_step();
      } catch (const spool::FaultyFileSystem::Crash&) {
        crash();
        open_until_it_works();
      }
      check();
    }
    finish();
  } catch (const Violation& violation) {
    return violation.what;
  }
  return std::nullopt;
}

void Frame::open_until_it_works() {
  for (int attempt = 0;; ++attempt) {
    if (attempt == 3) calm();
    if (attempt == 6) violate("the spool does not open: " + open_error_);
    if (crashes_while_opening_ && attempt < 3 && below(4) == 0) {
      files_.crash_after(1 + below(40));
    }
    try {
      if (open()) return;
    } catch (const spool::FaultyFileSystem::Crash&) {
      crash();
    }
  }
}

bool Frame::open_core() {
  internals_.salt_seed = ++salt_;
  ledger_ = std::make_unique<record::Ledger>();
  auto opened = spool::SpoolCore::open(options_, internals_, *ledger_, memory_, clock_, files_);
  if (!opened) {
    open_error_ = opened.error().message;
    return false;
  }
  core_ = std::move(*opened);
  return true;
}

void Frame::abandon() {
  if (core_) core_->abandon();
  const bool power = below(2) == 0;
  trace_numbers(power ? "lose power" : "kill", {});
  power ? files_.lose_power() : files_.kill();
}

bool Frame::change_disk() {
  switch (below(5)) {
    case 0:
      files_.crash_after(1 + below(40));
      return true;
    case 1:
      files_.fail_with(0.2, below(2) == 0 ? EIO : ENOSPC);
      return true;
    case 2:
      files_.fail_syncs(1 + static_cast<int>(below(2)));
      return true;
    default:
      files_.fail_with(0, 0);
      files_.fail_syncs(0);
      return false;
  }
}

void Frame::calm() {
  files_.forget_crash();
  files_.fail_with(0, 0);
  files_.fail_syncs(0);
  files_.set_capacity(~0ull);
}

}  // namespace penstock::sim
