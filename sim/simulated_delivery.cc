// Delivery as the simulation plays it: entries are read, released and given up in any order. See
// simulation.h.
#include <algorithm>
#include <utility>

#include "simulation.h"

namespace penstock::sim {

void Simulation::read() {
  const auto logs = core_->logs();
  if (logs.empty()) return;
  StreamLog* log = logs[below(logs.size())];
  auto entry = log->read();
  if (!entry) return;
  const auto found = parts_by_id_.find(entry->batch->id);
  if (found == parts_by_id_.end()) violate("an entry nobody sent was handed out");
  Chunk& chunk = chunks_[found->second.first];
  Part& part = chunk.parts[found->second.second];
  const std::string name =
      "part " + part.stream + " of chunk " + std::to_string(found->second.first);
  trace("read " + name + " at " + std::to_string(entry->position.segment) + "/" +
        std::to_string(entry->position.offset));
  check_unchanged(*entry->batch, part, log->stream());
  const auto events_final = static_cast<uint32_t>(entry->overflowed.size());
  if (events_final > part.delivered) violate(name + ": final, but never delivered");
  const bool replayed = entry->batch->source == "dead_letter";
  if (replayed) {
    if (!part.given_up) violate(name + " was replayed, but never a dead letter");
  } else {
    if (entry->batch->source != "forward") violate(name + " was changed");
    if (++part.copies_in_life > 1 && chunk.fingerprint) violate(name + " was handed out twice");
    if (part.final && chunk.fingerprint) violate(name + " was handed out after it was final");
  }
  in_flight_.push_back({log, entry->position, found->second.first, found->second.second,
                        events_final, replayed, below(2) == 0 ? entry->batch : nullptr});
}

bool Simulation::can_go(const InFlight& entry) const {
  return !(shard_is_dead_ && entry.chunk % 2 == 0);
}

void Simulation::shard_dies_or_recovers() {
  shard_is_dead_ = !shard_is_dead_;
  trace(shard_is_dead_ ? "a shard dies" : "a shard recovers");
}

void Simulation::release() {
  if (in_flight_.empty()) return;
  const size_t i = below(std::min<size_t>(in_flight_.size(), 5));
  if (!can_go(in_flight_[i])) return;
  const InFlight entry = in_flight_[i];
  in_flight_.erase(in_flight_.begin() + static_cast<ptrdiff_t>(i));
  Part& part = chunks_[entry.chunk].parts[entry.part];
  trace("release " + part.stream + " of " + std::to_string(entry.chunk));
  if (part.delivered < part.events) tally_.delivered += part.events - part.delivered;
  part.delivered = part.events;
  if (entry.replayed) {
    part.resurrected = true;
    ++tally_.replayed;
  } else {
    part.released_in = life_;
  }
  ledger_->deliver(part.stream, part.events - entry.events_final);
  entry.log->release(entry.position);
}

// What cannot be delivered goes to the dead letters, and is released when it is safe there.
void Simulation::bury() {
  if (in_flight_.empty() || in_flight_.front().events_final > 0) return;
  if (!can_go(in_flight_.front())) return;
  const InFlight entry = in_flight_.front();
  in_flight_.erase(in_flight_.begin());
  Part& part = chunks_[entry.chunk].parts[entry.part];
  part.given_up = true;
  std::vector<DeadLetter> letters;
  letters.push_back({part.stream, "refused", "", batch_of(part)});
  trace("bury " + part.stream + " of " + std::to_string(entry.chunk));
  core_->dead_letter(std::move(letters), [this, entry, life = life_](bool kept) {
    if (!kept || life != life_) return;
    Part& safe = chunks_[entry.chunk].parts[entry.part];
    safe.buried = true;
    safe.resurrected = false;
    safe.delivered = safe.events;
    if (!entry.replayed) safe.released_in = life_;
    entry.log->release(entry.position);
  });
}

// For all of them, or for those of one stream.
void Simulation::ask_for_replay() {
  trace("ask for a replay");
  ReplayRequest request;
  if (below(2) == 0) request.stream = stream_name(static_cast<int>(below(3)));
  (void)write_replay_request(files_, "/spool/dead-letter", request);
}

Append Simulation::route_letter(record::Batch letter) {
  const auto found = parts_by_id_.find(letter.id);
  if (found == parts_by_id_.end()) violate("a dead letter nobody buried was replayed");
  Append append;
  if (below(8) == 0) return append;  // no route takes it: it stays
  append.parts.push_back(
      {chunks_[found->second.first].parts[found->second.second].stream, std::move(letter)});
  return append;
}

}  // namespace penstock::sim
