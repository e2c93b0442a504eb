#include "delivery_simulation.h"

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "delivery/stream_sender.h"
#include "delivery_oracle.h"
#include "frame.h"
#include "neighbor.h"
#include "played_kinesis.h"
#include "probed_log.h"
#include "record/event.h"
#include "route/field_path.h"
#include "spool/spool_inspection.h"
#include "trace.h"

namespace penstock::sim {

using namespace spool;
using delivery::SenderOptions;
using delivery::StreamSender;
using namespace std::chrono_literals;
using Cause = DeliveryOracle::Cause;

namespace {

constexpr int kSteps = 250;
constexpr auto kTick = 500ms;
constexpr int kCalmTicks = 4'000;  // within these everything is gone
constexpr int kGrantTicks = 40;    // within these others get the large lease
// Whoever else needs memory wants so much: no less than all of the large lease will do.
constexpr size_t kOrdinary = 64_MiB;
constexpr size_t kLarge = 128_MiB;

std::string key_of(uint32_t number) { return "key" + std::to_string(number % 23); }

}  // namespace

class DeliverySimulation final : public Frame {
 public:
  DeliverySimulation(uint64_t seed, Fault fault, DeliveryTally& tally);
  ~DeliverySimulation() override;

 private:
  struct Chunk {
    uint32_t first = 0;
    uint32_t count = 0;
    bool acked = false;
  };
  [[nodiscard]] SenderOptions sender_options();
  [[nodiscard]] bool open() override;
  void start_sender();
  void set_shards();
  void on_aggregate(const std::vector<uint32_t>& numbers, uint32_t shard, kinesis::HashKey key);
  void crash() override;
  void take_step() override;
  void turn(bool (SpoolCore::*what)());
  void reload();
  void change_kinesis();
  void want_memory();
  void ask_for_replay();
  [[nodiscard]] Append route_letter(record::Batch letter);
  void append_new();
  void send(size_t index);
  void send_again(size_t index);
  void check() override;
  void take_nothing_for_minutes();
  void tick();
  void finish() override;
  void check_final();

  const Fault fault_;
  DeliveryTally& tally_;
  memory::MemoryBudget delivery_memory_{{.ordinary_bytes = 8_MiB}};
  Schedule schedule_{clock_};
  PlayedKinesis kinesis_;
  metrics::Metrics metrics_;
  DeliveryOracle oracle_;
  ReadJournal journal_{oracle_};
  bool is_ordered_ = false;
  bool order_changes_ = false;
  bool is_auto_ = false;  // the service distributes records itself
  size_t record_bytes_max_ = 1 << 20;
  bool disk_is_bad_ = false;
  std::vector<Chunk> chunks_;
  // The two last ones that the sender was told.
  std::array<std::shared_ptr<const kinesis::ShardMap>, 2> maps_;
  Neighbor neighbor_{memory_, kLarge};

  std::unique_ptr<ProbedSpool> spool_;
  std::unique_ptr<ProbedLog> log_;
  std::unique_ptr<StreamSender> sender_;
};

DeliverySimulation::DeliverySimulation(uint64_t seed, Fault fault, DeliveryTally& tally)
    : Frame(seed, {.ordinary_bytes = kOrdinary, .large_bytes = kLarge}),
      fault_(fault),
      tally_(tally),
      kinesis_(schedule_, random_, fault, tally.reached) {
  options_.bytes_max = 64 << 20;
  options_.cache_bytes_max = one_of<uint64_t>({0, 3000, 1 << 20});
  options_.read_bytes_max = one_of<uint64_t>({20000, 1 << 20});
  internals_.segment_bytes = one_of<uint64_t>({32768, 131072});
  internals_.large_entry_bytes = one_of<uint64_t>({5'000, kLargeEntryBytes});
  internals_.planted_ack_before_sync = fault == Fault::ack_before_sync;
  internals_.planted_checkpoint_before_release = fault == Fault::checkpoint_before_release;
  is_ordered_ = below(2) == 0;
  order_changes_ = below(3) == 0;
  is_auto_ = below(4) == 0;
  oracle_.set_ordered(is_ordered_, {});
  kinesis_.on_event = [this](uint32_t number, std::string_view text, bool is_readable) {
    trace_numbers(std::to_string(clock_.steady().time_since_epoch() / 1ms) + " ms: accepted",
                  {number});
    oracle_.accept(number, text, is_readable);
  };
  kinesis_.on_lost_answer = [this](const std::vector<uint32_t>& numbers) {
    for (const uint32_t number : numbers) oracle_.explain(Cause::lost_answer, number);
  };
  kinesis_.on_aggregate = [this](const auto& numbers, uint32_t shard, kinesis::HashKey key) {
    on_aggregate(numbers, shard, key);
  };
  kinesis_.trouble.distributes = is_auto_;
  kinesis_.reshard(static_cast<uint32_t>(1 + below(8)));
}

DeliverySimulation::~DeliverySimulation() {
  sender_.reset();
  if (core_) core_->abandon();
  core_.reset();
}

// Of a stream whose every key was just reloaded; `order` alone changes less often, so that there is
// something to check.
SenderOptions DeliverySimulation::sender_options() {
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
  options.keys_are_ignored = is_auto_;
  options.random_seed = random_() | 1;
  return options;
}

bool DeliverySimulation::open() {
  if (!open_core()) return false;
  auto log = core_->open_stream({"a", "target", "settings", 0});
  if (!log) {
    open_error_ = log.error().message;
    core_->abandon();
    core_.reset();
    return false;
  }
  ++life_;
  spool_ = std::make_unique<ProbedSpool>(*core_, schedule_, oracle_, fault_, tally_.reached);
  core_->on_replay([this](record::Batch letter) { return route_letter(std::move(letter)); });
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
      *log_, sender_options(),
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
              [this, life = life_] {
                if (!is_auto_ && below(3) != 0) return;
                schedule_.after(milliseconds(below(2'000)), [this, life] {
                  if (life == life_ && sender_) set_shards();
                });
              },
      });
  sender_->expect_shards(is_auto_);
  maps_ = {};
  if (is_auto_ || below(4) != 0) set_shards();
  sender_->limit_records(record_bytes_max_);
  schedule_.after(0ns, [this] { sender_->pump(); });
}

void DeliverySimulation::set_shards() {
  maps_ = {kinesis_.shards(), maps_[0]};
  sender_->set_shards(maps_[0]);
}

// Its events are sent again if its shard does not own its key, as far as the sender knows.
void DeliverySimulation::on_aggregate(const std::vector<uint32_t>& numbers, uint32_t shard,
                                      kinesis::HashKey key) {
  for (const auto& map : maps_) {
    if (map == nullptr) continue;
    for (const kinesis::Shard& known : map->shards()) {
      if (known.number == shard && known.first <= key && key <= known.last) return;
    }
  }
  if (!is_auto_) return;
  for (const uint32_t number : numbers) oracle_.explain(Cause::misplaced, number);
}

void DeliverySimulation::crash() {
  ++tally_.crashes;
  abandon();
  // Named: this crash explains one more copy of what was accepted and not marked on disk as
  // released.
  const std::vector<uint32_t> open = journal_.open();
  journal_.crash();
  trace_numbers("crash, repeats may come of", open);
  for (const uint32_t number : open) {
    const bool is_there = oracle_.is_accepted(number) || kinesis_.has_part_of(number);
    if (is_there || kinesis_.is_on_the_way(number)) oracle_.explain(Cause::crash, number);
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
  const uint64_t step = below(23);
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
      disk_is_bad_ = change_disk();
      return;
    case 17:
      return reload();
    case 18:
      if (below(3) == 0) {
        record_bytes_max_ = std::array<size_t, 3>{1'500, 6'000, 1 << 20}[below(3)];
        ++tally_.reached["limit of a record changed"];
        sender_->limit_records(record_bytes_max_);
      }
      return;
    case 19:
      return below(4) == 0 ? ask_for_replay() : turn(&SpoolCore::replay_turn);
    case 20:
      return turn(&SpoolCore::replay_turn);
    case 21:
      return want_memory();
    default:
      if (below(3) == 0) {
        crash();
        open_until_it_works();
      }
  }
}

void DeliverySimulation::reload() {
  ++tally_.reached["reload"];
  if (order_changes_ && below(4) == 0) {
    ++tally_.reached["reload of order"];
    is_ordered_ = !is_ordered_;
    oracle_.set_ordered(is_ordered_, journal_.open());
  }
  sender_->reconfigure(sender_options());
}

void DeliverySimulation::want_memory() {
  if (!neighbor_.rests()) return neighbor_.rest();
  ++tally_.reached["another one wants the large lease"];
  neighbor_.want();
}

void DeliverySimulation::ask_for_replay() {
  ++tally_.reached["dead letters are to be replayed"];
  if (below(2) == 0) kinesis_.trouble.rejected.clear();
  (void)write_replay_request(files_, "/spool/dead-letter", {});
}

Append DeliverySimulation::route_letter(record::Batch letter) {
  ++tally_.reached["a dead letter is handed back"];
  for (const uint32_t number : numbers_in(as_text(letter.entries()))) {
    oracle_.explain(Cause::replayed, number);
  }
  Append append;
  append.parts.push_back({"a", std::move(letter)});
  return append;
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
      return set_shards();
    case 5:
      return kinesis_.lose_some();
    case 6:
      trouble.failed_record = below(2) == 0 ? 0.05 : 0;
      return;
    case 7:
      trouble.knows_cbor = below(3) != 0;
      return;
    default:
      trouble.is_missing = below(3) == 0;
      if (below(3) == 0 && oracle_.count() > 0) kinesis_.reject_some(oracle_.count());
  }
}

void DeliverySimulation::append_new() {
  Chunk& chunk = chunks_.emplace_back();
  chunk.first = oracle_.count();
  chunk.count = static_cast<uint32_t>(1 + below(12));
  for (uint32_t i = 0; i < chunk.count; ++i) {
    const uint32_t number = oracle_.count();
    const size_t pad = below(40) == 0 ? 2'000 + below(12'000) : below(300);
    oracle_.add(key_of(number), R"({"k":")" + key_of(number) + R"(","n":)" +
                                    std::to_string(number) + R"(,"pad":")" +
                                    std::string(pad, static_cast<char>('a' + number % 26)) + "\"}");
  }
  tally_.events += chunk.count;
  send(chunks_.size() - 1);
}

void DeliverySimulation::send(size_t index) {
  const Chunk& chunk = chunks_[index];
  Append append;
  append.source = "forward";
  append.fingerprint = Hash128{index + 1, 7};
  // A batch of several events is no large entry: it is cut, as ingest::cut() does.
  for (uint32_t i = 0; i < chunk.count; ++i) {
    ByteBuffer entry;
    record::append_json_entry(entry, {1'700'000'000, 0}, as_bytes(oracle_.text(chunk.first + i)));
    record::Batch* batch = append.parts.empty() ? nullptr : &append.parts.back().batch;
    if (batch == nullptr || batch->storage.size() + entry.size() > internals_.large_entry_bytes) {
      append.parts.push_back({"a", {}});
      batch = &append.parts.back().batch;
      batch->source = "forward";
      batch->tag = "tag";
      batch->encoding = record::Encoding::json;
      batch->received_ns = unix_nanoseconds(clock_.wall());
      batch->id = {index + 1, 99};
      batch->first_index = i;
    }
    ++batch->event_count;
    batch->storage.append(entry.view());
    batch->entries_size = batch->storage.size();
  }
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
  for (uint32_t i = 0; i < chunk.count; ++i) {
    oracle_.explain(Cause::lost_ack, chunk.first + i);
  }
  send(index);
}

void DeliverySimulation::check() {
  if (oracle_.violation()) violate(*oracle_.violation());
  check_ledger(*ledger_);
}

void DeliverySimulation::tick() {
  for (int i = 0; i < 3; ++i) turn(&SpoolCore::commit_turn);
  while (core_->read_turn()) {
  }
  turn(&SpoolCore::replay_turn);
  schedule_.run_until(clock_.steady() + kTick);
  check();
}

// The stream takes nothing. Whatever it does about that, the large lease is there for others.
void DeliverySimulation::take_nothing_for_minutes() {
  kinesis_.take_nothing(below(2) == 0 ? 0 : below(3));
  int waited = 0;
  for (int at = 0; at < 600; ++at) {
    if (at % 40 == 0 && at < 200) append_new();
    tick();
    if (at < 150) continue;  // what is tried after a pause has been tried
    waited = neighbor_.waits() ? waited + 1 : 0;
    if (waited > kGrantTicks) violate("a stream that takes nothing keeps the large lease");
    if (waited == 0 && at % 20 == 0) want_memory();
  }
}

// Faults are frozen: no new ones come, and those that no retry could get over are gone.
void DeliverySimulation::finish() {
  calm();
  disk_is_bad_ = false;
  neighbor_.rest();
  if (below(4) == 0) take_nothing_for_minutes();
  neighbor_.rest();
  kinesis_.recover();
  if (below(2) == 0) {
    crash();
    open_until_it_works();
  }
  set_shards();
  for (size_t index = 0; index < chunks_.size(); ++index) {
    if (!chunks_[index].acked) send_again(index);
  }
  // Something good to tell rejected records apart by.
  for (int at = 0;; ++at) {
    if (at == kCalmTicks) violate("what can go is not gone: no liveness");
    if (at % 200 == 0 && at < 2'000) append_new();
    tick();
    const auto counts = ledger_->snapshot().pending;
    const bool is_done = std::all_of(counts.begin(), counts.end(),
                                     [](const auto& entry) { return entry.second == 0; });
    if (is_done && at > 10 && sender_->is_idle()) break;
  }
  core_->close();
  check_final();
}

void DeliverySimulation::check_final() {
  std::set<uint32_t> letters;
  for (const auto& [id, payload] : letters_in(files_)) {
    for (const uint32_t number : numbers_in(payload)) letters.insert(number);
  }
  tally_.dead_letters += letters.size();
  tally_.accepted += oracle_.copies();
  tally_.repeats += oracle_.repeats();
  for (const Chunk& chunk : chunks_) {
    for (uint32_t number = chunk.first; number < chunk.first + chunk.count; ++number) {
      oracle_.check(number, chunk.acked, letters.contains(number), is_auto_);
    }
  }
}

std::optional<std::string> run_delivery_simulation(uint64_t seed, Fault fault,
                                                   DeliveryTally& tally) {
  return DeliverySimulation(seed, fault, tally).run(kSteps);
}

}  // namespace penstock::sim
