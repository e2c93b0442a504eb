#include "spool_simulation.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "simulation.h"

namespace penstock::sim {
namespace {

constexpr int kSteps = 120;
constexpr int kStreamsMax = 3;

}  // namespace

Simulation::Simulation(uint64_t seed, Planted planted, Tally& tally)
    : Frame(seed, {}), tally_(tally) {
  options_.bytes_max = one_of<uint64_t>({320 << 10, 1 << 20, 8 << 20});
  options_.ack = below(3) == 0 ? AckMode::delivered : AckMode::stored;
  options_.when_full = below(4) == 0 ? WhenFull::drop_oldest : WhenFull::block;
  options_.cache_bytes_max = one_of<uint64_t>({0, 3000, 40000, 1 << 20});
  options_.read_bytes_max = one_of<uint64_t>({1000, 20000, 1 << 20});
  internals_.segment_bytes = one_of<uint64_t>({16384, 32768, 65536});
  internals_.direct_io = below(2) == 0;
  internals_.planted_ack_before_sync = planted == Planted::ack_before_sync;
  internals_.planted_checkpoint_before_release = planted == Planted::checkpoint_before_release;
  streams_ = 1 + static_cast<int>(below(kStreamsMax));
  crashes_while_opening_ = true;
  shard_is_dead_ = below(2) == 0;
}

Simulation::~Simulation() {
  if (core_) core_->abandon();
  core_.reset();
}

bool Simulation::open() {
  if (!open_core()) return false;
  trace("open, life " + std::to_string(life_ + 1));
  for (int i = 0; i < streams_; ++i) {
    auto log = core_->open_stream({stream_name(i), "target", "settings", 0});
    if (!log) {
      open_error_ = log.error().message;
      core_->abandon();
      core_.reset();
      return false;
    }
  }
  core_->on_replay([this](record::Batch letter) { return route_letter(std::move(letter)); });
  ++life_;
  for (Chunk& chunk : chunks_) {
    for (Part& part : chunk.parts) part.copies_in_life = 0;
  }
  return true;
}

void Simulation::crash() {
  ++tally_.crashes;
  count_dropped();
  abandon();
  in_flight_.clear();
  core_.reset();
}

void Simulation::close_orderly() {
  calm();
  trace("close");
  core_->close();
  check();
  count_dropped();
  // A disk that failed until now may have kept the last checkpoint from being written.
  for (Chunk& chunk : chunks_) {
    for (Part& part : chunk.parts) part.final |= part.released_in == life_;
  }
  in_flight_.clear();
  core_.reset();
  files_.kill();
}

void Simulation::count_dropped() {
  if (!ledger_) return;
  const auto counts = ledger_->snapshot();
  const auto full = counts.dropped.find("spool_full");
  if (full != counts.dropped.end()) tally_dropped_ += full->second;
  if (counts.dropped.contains("damaged")) violate("entries were found damaged");
}

void Simulation::take_step() {
  switch (below(24)) {
    case 23:
      return shard_dies_or_recovers();
    case 20:
      return bury();
    case 21:
      return ask_for_replay();
    case 22:
      trace("replay");
      core_->replay_turn();
      return;
    case 0:
    case 1:
    case 2:
    case 3:
      return append_new();
    case 4:
      return append_again();
    case 5:
    case 6:
    case 7:
    case 8:
      trace("commit");
      core_->commit_turn();
      return;
    case 9:
      core_->read_turn();
      return;
    case 10:
    case 11:
      return read();
    case 12:
    case 13:
    case 14:
      return release();
    case 16:
      clock_.advance(milliseconds(std::array<int, 3>{1, 150, 2000}[below(3)]));
      return;
    case 17:
      return make_trouble();
    case 18:
      if (below(4) == 0) {
        close_orderly();
        open_until_it_works();
      }
      return;
    default:
      if (below(3) == 0) {
        crash();
        open_until_it_works();
      }
      return;
  }
}

void Simulation::make_trouble() {
  trace("trouble");
  switch (below(6)) {
    case 0:
      return files_.crash_after(1 + below(12));
    case 1:
      return files_.fail_with(0.2, below(2) == 0 ? EIO : ENOSPC);
    case 2:
      return files_.set_capacity(files_.used() + below(40000));
    case 3:
      ++tally_.failed_syncs;
      return files_.fail_syncs(1 + static_cast<int>(below(2)));
    default:
      files_.fail_with(0, 0);
      return files_.set_capacity(~0ull);
  }
}

void Simulation::append_new() {
  Chunk& chunk = chunks_.emplace_back();
  const size_t index = chunks_.size() - 1;
  if (below(4) != 0) chunk.fingerprint = Hash128{index + 1, random_()};
  for (int i = 0; i < streams_; ++i) {
    if (below(2) == 0 && !(i == streams_ - 1 && chunk.parts.empty())) continue;
    Part& part = chunk.parts.emplace_back();
    part.stream = stream_name(i);
    part.events = 1 + static_cast<uint32_t>(below(5));
    const size_t size = std::array<size_t, 4>{10, 600, 3000, 20000}[below(20) == 0 ? 3 : below(3)];
    part.payload = "chunk " + std::to_string(index) + " for " + part.stream + " ";
    while (part.payload.size() < size) part.payload += static_cast<char>('a' + below(26));
    part.id = {index, static_cast<uint64_t>(i)};
    parts_by_id_[part.id] = {index, chunk.parts.size() - 1};
  }
  send(index);
}

void Simulation::append_again() {
  if (chunks_.empty()) return;
  const size_t index = chunks_.size() - 1 - below(std::min<size_t>(chunks_.size(), 12));
  if (!chunks_[index].fingerprint) return;  // nobody can tell that it is the same
  ++tally_.repeats;
  send(index);
}

void Simulation::send(size_t index) {
  Chunk& chunk = chunks_[index];
  Append append;
  append.source = "forward";
  append.fingerprint = chunk.fingerprint;
  for (const Part& part : chunk.parts) {
    record::Batch batch = batch_of(part);
    batch.received_ns = unix_nanoseconds(clock_.wall());
    append.parts.push_back({part.stream, std::move(batch)});
  }
  append.done = [this, index, life = life_](AppendOutcome outcome) {
    if (life != life_ || outcome != AppendOutcome::done) return;
    on_ack(index);
  };
  trace("send " + std::to_string(index));
  AppendHandle handle = core_->append(std::move(append));
  if (below(30) == 0 && handle.cancel()) trace("cancelled " + std::to_string(index));
}

void Simulation::on_ack(size_t index) {
  Chunk& chunk = chunks_[index];
  trace("acked " + std::to_string(index));
  if (!chunk.acked) ++tally_.acked;
  chunk.acked = true;
  if (options_.ack != AckMode::delivered || options_.when_full == WhenFull::drop_oldest) return;
  for (const Part& part : chunk.parts) {
    if (part.delivered < part.events) {
      late_violation_ = "chunk " + std::to_string(index) + " was acknowledged undelivered";
    }
  }
}

void Simulation::check() {
  if (late_violation_) violate(*late_violation_);
  if (!ledger_) return;
  check_ledger(*ledger_);
  // A share of less than a few segments is exceeded by the segment that a stream always gets.
  if (core_ && options_.bytes_max >= 1 << 20 && core_->bytes() > options_.bytes_max) {
    violate("max_size is exceeded");
  }
}

// Everything works again: whatever was acknowledged has to come out.
void Simulation::finish() {
  calm();
  if (below(2) == 0) {
    crash();
    open_until_it_works();
  }
  calm();
  if (shard_is_dead_) shard_dies_or_recovers();
  for (int idle = 0; idle < 4;) {
    bool moved = core_->commit_turn();
    moved |= core_->read_turn();
    moved |= core_->replay_turn();
    for (int i = 0; i < 8; ++i) read();
    moved |= !in_flight_.empty();
    for (size_t tries = 4 * in_flight_.size(); tries > 0; --tries) release();
    clock_.advance(milliseconds(1100));
    idle = moved ? 0 : idle + 1;
  }
  check();
  count_dropped();
  for (const auto& [stream, pending] : ledger_->snapshot().pending) {
    if (pending > 0) {
      violate(std::to_string(pending) + " events of " + stream + " are pending and cannot be had");
    }
  }
  uint64_t missing = 0;
  std::string first;
  for (size_t i = 0; i < chunks_.size(); ++i) {
    if (!chunks_[i].acked) continue;
    for (const Part& part : chunks_[i].parts) {
      if (part.delivered == part.events) continue;
      missing += part.events - part.delivered;
      if (first.empty()) first = "chunk " + std::to_string(i) + " for " + part.stream;
    }
  }
  tally_.dropped += tally_dropped_;
  if (missing > tally_dropped_) {
    violate(std::to_string(missing) + " acknowledged events are lost, the first in " + first);
  }
  core_->close();
  check_letters(files_, chunks_, options_.when_full == WhenFull::drop_oldest);
}

std::optional<std::string> run_spool_simulation(uint64_t seed, Planted planted, Tally& tally) {
  return Simulation(seed, planted, tally).run(kSteps);
}

}  // namespace penstock::sim
