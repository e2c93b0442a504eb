#include "delivery_simulation.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "delivery/stream_sender.h"
#include "model.h"
#include "played_kinesis.h"
#include "probed_log.h"
#include "record/event.h"
#include "route/field_path.h"
#include "spool/faulty_file_system.h"
#include "spool/spool_core.h"
#include "spool/spool_inspection.h"
#include "trace.h"

namespace penstock::sim {

using namespace spool;
using delivery::SenderOptions;
using delivery::StreamSender;
using namespace std::chrono_literals;

namespace {

constexpr int kSteps = 250;
constexpr int kCalmTicks = 4'000;  // of half a second: within these everything is gone

std::string key_of(uint32_t number) { return "key" + std::to_string(number % 23); }

}  // namespace

class DeliverySimulation {
 public:
  DeliverySimulation(uint64_t seed, Fault fault, DeliveryTally& tally);
  void run();

 private:
  struct Chunk {
    uint32_t first = 0;
    uint32_t count = 0;
    bool acked = false;
  };
  uint64_t below(uint64_t n) { return random_() % n; }
  [[nodiscard]] SenderOptions options();
  void open_until_it_works();
  [[nodiscard]] bool open();
  void start_sender();
  void crash();
  void take_step();
  void turn(bool (SpoolCore::*what)());
  void change_kinesis();
  void change_disk();
  void append_new();
  void send(size_t index);
  void send_again(size_t index);
  void on_event(uint32_t number, std::string_view text);
  void calm();
  void finish();
  void check_final();
  void check_ledger_now();

  std::mt19937_64 random_;
  const Fault fault_;
  DeliveryTally& tally_;
  FaultyFileSystem files_;
  SpoolOptions spool_options_;
  SpoolInternals internals_;
  ManualClock clock_;
  memory::MemoryBudget intake_memory_{{}};
  memory::MemoryBudget delivery_memory_{{.ordinary_bytes = 8_MiB}};
  Schedule schedule_{clock_};
  PlayedKinesis kinesis_;
  metrics::Metrics metrics_;
  std::unique_ptr<record::Ledger> ledger_;
  bool is_ordered_ = false;
  size_t record_bytes_max_ = 0;
  uint64_t salt_ = 0;
  uint64_t life_ = 0;
  bool disk_is_bad_ = false;

  std::vector<Chunk> chunks_;
  std::vector<std::string> texts_;  // of events, by number
  std::map<uint32_t, uint32_t> accepted_;
  std::map<uint32_t, uint32_t> crash_repeats_;   // that crashes explain
  std::map<uint32_t, uint32_t> resends_;         // of chunks that were not acknowledged
  std::map<std::string, uint64_t> last_of_key_;  // place in the log of what was first accepted last
  std::optional<std::string> violation_;         // found inside a callback
  ReadJournal journal_;

  std::unique_ptr<SpoolCore> core_;
  std::unique_ptr<ProbedSpool> spool_;
  std::unique_ptr<ProbedLog> log_;
  std::unique_ptr<StreamSender> sender_;
};

DeliverySimulation::DeliverySimulation(uint64_t seed, Fault fault, DeliveryTally& tally)
    : random_(seed),
      fault_(fault),
      tally_(tally),
      files_(seed * 31 + 7),
      kinesis_(schedule_, random_, fault, tally.reached) {
  spool_options_.directory = "/spool";
  spool_options_.bytes_max = 64 << 20;
  spool_options_.cache_bytes_max = std::array<uint64_t, 3>{0, 3000, 1 << 20}[below(3)];
  spool_options_.read_bytes_max = std::array<uint64_t, 2>{20000, 1 << 20}[below(2)];
  internals_.manual = true;
  internals_.segment_bytes = std::array<uint64_t, 2>{32768, 131072}[below(2)];
  internals_.planted_ack_before_sync = fault == Fault::ack_before_sync;
  internals_.planted_checkpoint_before_release = fault == Fault::checkpoint_before_release;
  salt_ = seed << 20;
  is_ordered_ = below(2) == 0;
  record_bytes_max_ = 1 << 20;
  kinesis_.on_event = [this](uint32_t number, std::string_view text) { on_event(number, text); };
  kinesis_.reshard(static_cast<uint32_t>(1 + below(8)));
}

// Of a stream whose every key was just reloaded; only `order` stays, so that there is something to
// check.
SenderOptions DeliverySimulation::options() {
  SenderOptions options;
  options.stream = "a";
  options.request.stream_name = "a";
  options.packer.partition_key = route::PartitionKey::field(route::FieldPath{"k"});
  options.packer.keys_are_random = !is_ordered_ && below(4) == 0;
  options.packer.keep_order = is_ordered_;
  options.packer.oversized =
      below(3) == 0 ? delivery::Oversized::truncate : delivery::Oversized::split;
  options.packer.aggregation =
      std::array{kinesis_format::Aggregation::none, kinesis_format::Aggregation::kpl,
                 kinesis_format::Aggregation::lines}[below(3)];
  options.packer.aggregate_bytes_target = std::array<size_t, 2>{2'000, 51'200}[below(2)];
  options.packer.aggregates = {.count_max = below(2) == 0 ? 2u : 64u, .bytes_max = 64_KiB};
  options.flush_interval = milliseconds(1 + below(300));
  options.flush_bytes = std::array<size_t, 2>{4_KiB, 5_MiB}[below(2)];
  options.requests_in_flight_max = static_cast<uint32_t>(1 + below(8));
  options.queue_bytes_max = std::array<size_t, 2>{8_KiB, 256_KiB}[below(2)];
  options.window_bytes_max = std::array<size_t, 2>{16_KiB, 1_MiB}[below(2)];
  options.request.protocol =
      below(4) == 0 ? kinesis_format::Protocol::json : kinesis_format::Protocol::cbor;
  options.random_seed = random_() | 1;
  return options;
}

void DeliverySimulation::open_until_it_works() {
  for (int attempt = 0;; ++attempt) {
    if (attempt == 3) calm();
    if (attempt == 6) violate("the spool does not open");
    try {
      if (open()) return;
    } catch (const FaultyFileSystem::Crash&) {
      crash();
    }
  }
}

bool DeliverySimulation::open() {
  internals_.salt_seed = ++salt_;
  ledger_ = std::make_unique<record::Ledger>();
  auto opened =
      SpoolCore::open(spool_options_, internals_, *ledger_, intake_memory_, clock_, files_);
  if (!opened) return false;
  core_ = std::move(*opened);
  auto log = core_->open_stream({"a", "target", "settings", 0});
  if (!log) {
    core_->abandon();
    core_.reset();
    return false;
  }
  ++life_;
  spool_ = std::make_unique<ProbedSpool>(*core_, schedule_, fault_, tally_.reached);
  log_ = std::make_unique<ProbedLog>(**log, journal_, clock_, fault_, tally_.reached);
  start_sender();
  // What was never acknowledged is sent again.
  for (size_t index = 0; index < chunks_.size(); ++index) {
    if (!chunks_[index].acked && below(2) == 0) send_again(index);
  }
  return true;
}

void DeliverySimulation::start_sender() {
  sender_ = std::make_unique<StreamSender>(
      *log_, options(),
      delivery::SenderServices{
          .spool = *spool_,
          .ledger = *ledger_,
          .memory = delivery_memory_,
          .metrics = metrics_,
          .port = kinesis_,
          .clock = clock_,
          .post = [this](std::function<void()> work) { schedule_.after(0ns, std::move(work)); },
          .wake_at =
              [this, life = life_](SteadyTime when) {
                const auto delay = std::max<nanoseconds>(when - clock_.steady(), 0ns);
                schedule_.after(delay, [this, life] {
                  if (life == life_ && sender_) sender_->pump();
                });
              },
          .shards_changed =
              [this] {
                if (below(3) == 0) sender_->set_shards(kinesis_.shards());
              },
      });
  if (below(4) != 0) sender_->set_shards(kinesis_.shards());
  sender_->limit_records(record_bytes_max_);
  schedule_.after(0ns, [this] { sender_->pump(); });
}

void DeliverySimulation::crash() {
  ++tally_.crashes;
  if (core_) core_->abandon();
  below(2) == 0 ? files_.lose_power() : files_.kill();
  // Named: this crash explains one more copy of what was accepted and not marked on disk as
  // released.
  const std::vector<uint32_t> open = journal_.crash();
  trace_numbers("crash, repeats may come of", open);
  for (const uint32_t number : open) {
    const bool is_there = accepted_.contains(number) || kinesis_.has_part_of(number);
    if (is_there || kinesis_.is_on_the_way(number)) ++crash_repeats_[number];
  }
  schedule_.crash();
  sender_.reset();
  log_.reset();
  spool_.reset();
  core_.reset();
}

void DeliverySimulation::turn(bool (SpoolCore::*what)()) {
  (void)(core_.get()->*what)();
  if (what == &SpoolCore::commit_turn) journal_.turned(clock_.steady(), !disk_is_bad_);
}

void DeliverySimulation::take_step() {
  const uint64_t step = below(20);
  if (step < 5) return append_new();
  if (step < 8) return turn(&SpoolCore::commit_turn);
  if (step < 10) return turn(&SpoolCore::read_turn);
  switch (step) {
    case 10:
    case 11:
    case 12:
      return schedule_.run_until(clock_.steady() + milliseconds(1 + below(120)));
    case 13:
      return schedule_.run_until(clock_.steady() + milliseconds(1 + below(3'000)));
    case 14:
    case 15:
      return change_kinesis();
    case 16:
      return change_disk();
    case 17:
      ++tally_.reached["reload"];
      return sender_->reconfigure(options());
    case 18:
      if (below(3) == 0) {
        record_bytes_max_ = std::array<size_t, 3>{1'500, 6'000, 1 << 20}[below(3)];
        ++tally_.reached["limit of a record changed"];
        sender_->limit_records(record_bytes_max_);
      }
      return;
    default:
      if (below(4) == 0) {
        crash();
        open_until_it_works();
      }
  }
}

void DeliverySimulation::change_kinesis() {
  PlayedKinesis::Trouble& trouble = kinesis_.trouble;
  switch (below(9)) {
    case 0:
    case 1:
      trouble.dead.clear();
      for (const kinesis::Shard& shard : kinesis_.shards()->shards()) {
        if (below(3) == 0) trouble.dead.insert(shard.number);
      }
      return;
    case 2:
      return trouble.dead.clear();
    case 3:
      ++tally_.reached["reshard"];
      return kinesis_.reshard(static_cast<uint32_t>(1 + below(10)));
    case 4:
      return sender_->set_shards(kinesis_.shards());
    case 5:
      trouble.lost_answer = below(2) == 0 ? 0.1 : 0;
      trouble.lost_request = below(2) == 0 ? 0.1 : 0;
      trouble.throttled_request = below(3) == 0 ? 0.1 : 0;
      return;
    case 6:
      trouble.failed_record = below(2) == 0 ? 0.05 : 0;
      return;
    case 7:
      trouble.knows_cbor = below(3) != 0;
      return;
    default:
      trouble.is_missing = below(3) == 0;
      if (below(3) == 0 && !texts_.empty()) {
        trouble.rejected.insert(static_cast<uint32_t>(below(texts_.size())));
      }
  }
}

void DeliverySimulation::change_disk() {
  disk_is_bad_ = true;
  switch (below(5)) {
    case 0:
      return files_.crash_after(1 + below(40));
    case 1:
      return files_.fail_with(0.2, below(2) == 0 ? EIO : ENOSPC);
    case 2:
      return files_.fail_syncs(1 + static_cast<int>(below(2)));
    default:
      files_.fail_with(0, 0);
      files_.fail_syncs(0);
      disk_is_bad_ = false;
  }
}

void DeliverySimulation::append_new() {
  Chunk& chunk = chunks_.emplace_back();
  chunk.first = static_cast<uint32_t>(texts_.size());
  chunk.count = static_cast<uint32_t>(1 + below(12));
  for (uint32_t i = 0; i < chunk.count; ++i) {
    const auto number = static_cast<uint32_t>(texts_.size());
    const size_t pad = below(40) == 0 ? 2'000 + below(12'000) : below(300);
    texts_.push_back(R"({"k":")" + key_of(number) + R"(","n":)" + std::to_string(number) +
                     R"(,"pad":")" + std::string(pad, static_cast<char>('a' + number % 26)) +
                     "\"}");
  }
  tally_.events += chunk.count;
  send(chunks_.size() - 1);
}

void DeliverySimulation::send(size_t index) {
  const Chunk& chunk = chunks_[index];
  record::Batch batch;
  batch.source = "forward";
  batch.tag = "tag";
  batch.encoding = record::Encoding::json;
  batch.event_count = chunk.count;
  batch.received_ns = unix_nanoseconds(clock_.wall());
  batch.id = {index + 1, 99};
  for (uint32_t i = 0; i < chunk.count; ++i) {
    record::append_json_entry(batch.storage, {1'700'000'000, 0}, as_bytes(texts_[chunk.first + i]));
  }
  batch.entries_size = batch.storage.size();
  Append append;
  append.source = "forward";
  append.fingerprint = Hash128{index + 1, 7};
  append.parts.push_back({"a", std::move(batch)});
  append.done = [this, index, life = life_](AppendOutcome outcome) {
    if (life != life_ || outcome != AppendOutcome::done) return;
    if (!chunks_[index].acked) tally_.acked += chunks_[index].count;
    chunks_[index].acked = true;
  };
  (void)core_->append(std::move(append));
}

// Named: the sender never got its ack, so it sends once more; the spool may have forgotten, in a
// crash, that it had the chunk.
void DeliverySimulation::send_again(size_t index) {
  const Chunk& chunk = chunks_[index];
  for (uint32_t i = 0; i < chunk.count; ++i) ++resends_[chunk.first + i];
  send(index);
}

void DeliverySimulation::on_event(uint32_t number, std::string_view text) {
  const auto fail = [&](const std::string& what) {
    if (!violation_) violation_ = "event " + std::to_string(number) + " " + what;
  };
  trace_numbers(std::to_string(clock_.steady().time_since_epoch() / 1ms) + " ms: accepted",
                {number});
  if (number >= texts_.size()) return fail("was never sent");
  const bool is_shortened = text.find("\"penstock\":{\"truncated\"") != std::string_view::npos;
  if (!is_shortened && text != texts_[number]) return fail("was changed");
  ++tally_.accepted;
  if (++accepted_[number] > 1) {
    ++tally_.repeats;
    return;
  }
  const auto place = journal_.place_of(number);
  if (!place) return fail("was accepted and never read");
  uint64_t& last = last_of_key_[key_of(number)];
  // What was rejected has left the order of its key, also if a crash loses the dead letter.
  if (is_ordered_ && *place < last && !kinesis_.was_rejected(number)) {
    fail("was accepted out of order");
  }
  last = std::max(last, *place);
}

void DeliverySimulation::check_ledger_now() {
  if (violation_) violate(*violation_);
  check_ledger(*ledger_);
}

void DeliverySimulation::run() {
  open_until_it_works();
  for (int step = 0; step < kSteps; ++step) {
    try {
      take_step();
    } catch (const FaultyFileSystem::Crash&) {
      crash();
      open_until_it_works();
    }
    check_ledger_now();
  }
  finish();
}

void DeliverySimulation::calm() {
  files_.forget_crash();
  files_.fail_with(0, 0);
  files_.fail_syncs(0);
  files_.set_capacity(~0ull);
  disk_is_bad_ = false;
}

// Faults are frozen: no new ones come, and those that no retry could get over are gone.
void DeliverySimulation::finish() {
  calm();
  const std::set<uint32_t> rejected = kinesis_.trouble.rejected;
  kinesis_.trouble = {};
  kinesis_.trouble.rejected = rejected;
  if (below(2) == 0) {
    crash();
    open_until_it_works();
  }
  sender_->set_shards(kinesis_.shards());
  for (size_t index = 0; index < chunks_.size(); ++index) {
    if (!chunks_[index].acked) send_again(index);
  }
  // Something good to tell rejected records apart by.
  for (int tick = 0;; ++tick) {
    if (tick == kCalmTicks) violate("what can go is not gone: no liveness");
    if (tick % 200 == 0 && tick < 2'000) append_new();
    for (int i = 0; i < 3; ++i) turn(&SpoolCore::commit_turn);
    while (core_->read_turn()) {
    }
    schedule_.run_until(clock_.steady() + 500ms);
    check_ledger_now();
    const auto counts = ledger_->snapshot().pending;
    const bool is_done = std::all_of(counts.begin(), counts.end(),
                                     [](const auto& entry) { return entry.second == 0; });
    if (is_done && tick > 10 && sender_->is_idle()) break;
  }
  core_->close();
  check_final();
}

void DeliverySimulation::check_final() {
  std::set<uint32_t> letters;
  const auto log = inspect_dead_letters(files_, "/spool", {.every_payload = true});
  if (log) {
    const auto visited = visit_entries(files_, *log, [&](const InspectedEntry& entry) {
      for (const uint32_t number : numbers_in(as_text(entry.batch.entries()))) {
        letters.insert(number);
      }
      return true;
    });
    if (!visited) violate("the dead letters cannot be read");
  }
  tally_.dead_letters += letters.size();
  for (const Chunk& chunk : chunks_) {
    for (uint32_t number = chunk.first; number < chunk.first + chunk.count; ++number) {
      const uint32_t copies = accepted_.contains(number) ? accepted_.at(number) : 0;
      if (copies == 0 && chunk.acked && !letters.contains(number)) {
        violate("acknowledged event " + std::to_string(number) + " is lost");
      }
      const uint32_t crashes = crash_repeats_.contains(number) ? crash_repeats_.at(number) : 0;
      const uint32_t resends = resends_.contains(number) ? resends_.at(number) : 0;
      if (copies > 1 + crashes + resends + kinesis_.lost_answers(number)) {
        violate("event " + std::to_string(number) + " came " + std::to_string(copies) + " times; " +
                std::to_string(crashes) + " crashes, " + std::to_string(resends) +
                " lost acks and " + std::to_string(kinesis_.lost_answers(number)) +
                " lost answers explain as many");
      }
    }
  }
}

std::optional<std::string> run_delivery_simulation(uint64_t seed, Fault fault,
                                                   DeliveryTally& tally) {
  try {
    DeliverySimulation simulation(seed, fault, tally);
    simulation.run();
  } catch (const Violation& violation) {
    return violation.what;
  }
  return std::nullopt;
}

}  // namespace penstock::sim
