// For tests: a StreamSender with everything around it played in simulated time: a log that is
// filled by hand, a stream of Kinesis that keeps what it accepts, and a clock that jumps to
// whatever comes next. Nothing sleeps.
//
// Thread: the test's.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "delivery/put_port.h"
#include "delivery/stream_sender.h"
#include "kinesis/put_records.h"
#include "kinesis/shard_map.h"
#include "memory/memory_budget.h"
#include "record/ledger.h"
#include "spool/spool.h"

namespace penstock::delivery {

using kinesis::EntryOutcome;
using kinesis::PutError;

// What is to happen, by time; of one time in the order it was asked for.
class Agenda {
 public:
  explicit Agenda(ManualClock& clock) : clock_(clock) {}
  void at(SteadyTime when, std::function<void()> work) { work_.emplace(when, std::move(work)); }
  void after(nanoseconds delay, std::function<void()> work) {
    at(clock_.steady() + delay, std::move(work));
  }
  // False: there is nothing to be done until then, and the clock stands at `until`.
  bool step(SteadyTime until);

 private:
  ManualClock& clock_;
  std::multimap<SteadyTime, std::function<void()>> work_;
};

// A log of the spool, in memory: what add() put in, and what was released. On disk it has overflow
// logs.
class FilledLog final : public spool::StreamLog {
 public:
  explicit FilledLog(std::string name) : name_(std::move(name)) {}

  // One batch of JSON objects.
  void add(const std::vector<std::string>& objects, const std::string& tag = "test",
           std::vector<uint32_t> overflowed = {});

  [[nodiscard]] const std::string& stream() const override { return name_; }
  [[nodiscard]] const std::string& settings() const override { return name_; }
  [[nodiscard]] std::optional<spool::Entry> read() override;
  void on_readable(std::function<void()> wake) override { wake_ = std::move(wake); }
  void release(spool::Position position) override;
  [[nodiscard]] bool wants_room() const override {
    return !entries_.empty() && *held_ >= held_bytes_max;
  }
  void allow_one_more() override { one_more_is_allowed_ = true; }
  [[nodiscard]] bool empty() const override { return entries_.empty() && stored_.empty(); }
  [[nodiscard]] StreamLog* overflow(size_t number) override;
  void append_overflow(size_t number, spool::OverflowEntry entry,
                       std::function<void(bool)> done) override;
  [[nodiscard]] RecoveredOverflow recovered_overflow(size_t number) const override;

  // From now on it has overflow logs; what is appended there is synced a moment later.
  void keep_on_disk(Agenda& agenda);
  // The sender is gone, as in a crash: what was not released is read again, and what overflow logs
  // have of it is marked so.
  void recover();

  std::vector<uint32_t> released;  // numbers of batches, from 0
  uint32_t added = 0;
  size_t read_count = 0;
  // Of the batches that were handed out and are still held.
  [[nodiscard]] size_t held_bytes() const { return *held_; }
  size_t held_bytes_most = 0;
  size_t held_bytes_max = ~size_t{0};  // at this nothing more is read
  // Entries and events that were appended to overflow logs, in all.
  size_t overflow_entries = 0;
  size_t overflow_events = 0;
  [[nodiscard]] FilledLog& overflow_log(size_t number) { return *overflow_.at(number); }
  [[nodiscard]] size_t unreleased() const { return entries_.size() + stored_.size(); }

 private:
  [[nodiscard]] std::shared_ptr<const record::Batch> hand_out(
      const std::shared_ptr<const record::Batch>& stored);

  std::string name_;
  std::deque<spool::Entry> entries_;
  std::function<void()> wake_;
  Agenda* disk_ = nullptr;
  uint32_t life_ = 0;
  std::vector<std::unique_ptr<FilledLog>> overflow_;
  std::map<uint32_t, spool::Entry> stored_;  // read, not released
  RecoveredOverflow recovered_;
  std::shared_ptr<size_t> held_ = std::make_shared<size_t>(0);
  bool one_more_is_allowed_ = false;
};

// A spool that only takes dead letters: they are safe a moment later.
class LetterSpool final : public spool::Spool {
 public:
  LetterSpool(record::Ledger& ledger, Agenda& agenda) : ledger_(ledger), agenda_(agenda) {}

  Result<spool::StreamLog*, Error> open_stream(const spool::StreamOptions&) override;
  [[nodiscard]] std::vector<spool::StreamLog*> logs() override { return {}; }
  spool::AppendHandle append(spool::Append) override { return {}; }
  void dead_letter(std::vector<spool::DeadLetter> letters, std::function<void(bool)> done) override;
  void on_replay(std::function<spool::Append(record::Batch)>) override {}
  void reconfigure(const spool::SpoolOptions&) override {}
  [[nodiscard]] spool::StreamFigures figures(std::string_view) const override { return {}; }
  [[nodiscard]] uint64_t bytes() const override { return 0; }
  [[nodiscard]] uint64_t dead_letter_bytes() const override { return 0; }
  [[nodiscard]] std::optional<SteadyTime> pushing_back_since() const override { return {}; }
  [[nodiscard]] SteadyTime last_turn() const override { return {}; }
  [[nodiscard]] std::string last_error() const override { return {}; }
  void close() override {}

  struct Letter {
    std::string reason, detail, object;
  };
  std::vector<Letter> letters;

 private:
  record::Ledger& ledger_;
  Agenda& agenda_;
};

// A stream of Kinesis: answers after `latency`, entry by entry, and keeps what it accepted.
class PlayedStream final : public PutPort {
 public:
  struct Record {
    std::string data;
    std::string partition_key;
    std::optional<kinesis_format::Uint128> hash_key;
    uint32_t shard = 0;
  };
  struct Call {
    SteadyTime at;
    std::vector<Record> records;
    std::string body;
    kinesis_format::Protocol protocol = kinesis_format::Protocol::cbor;
  };

  PlayedStream(ManualClock& clock, Agenda& agenda) : clock_(clock), agenda_(agenda) {
    reshard(even_shards(1));
  }

  void put(kinesis_format::Request request, Callback callback) override;

  // Shards of equal size, numbered from `first`.
  [[nodiscard]] static std::vector<kinesis::Shard> even_shards(uint32_t count, uint32_t first = 0);
  void reshard(std::vector<kinesis::Shard> shards);
  // Records go to the shards in turn, whatever their keys (RecordDistributionStrategy AUTO).
  bool distributes_records = false;
  // The range of each shard that there was.
  std::map<uint32_t, kinesis::Shard> all_shards;
  [[nodiscard]] std::shared_ptr<const kinesis::ShardMap> map() const {
    return std::make_shared<const kinesis::ShardMap>(shards_);
  }
  // What a shard takes in a second; absent: everything.
  std::map<uint32_t, double> records_per_second;
  milliseconds latency{20};

  // The first that has something to say wins: the answer to a call as a whole; to one record.
  std::function<std::optional<PutResult>(const Call&)> on_call;
  std::function<std::optional<EntryOutcome>(const Record&)> on_record;

  std::vector<Call> calls;
  std::vector<Record> accepted;  // in the order of acceptance
  uint32_t in_flight = 0;
  uint32_t in_flight_most = 0;

  [[nodiscard]] std::vector<std::string> accepted_data() const;
  [[nodiscard]] std::map<uint32_t, size_t> accepted_by_shard() const;

 private:
  PutResult judge(const Call& call);
  [[nodiscard]] bool has_room(uint32_t shard);

  ManualClock& clock_;
  Agenda& agenda_;
  kinesis::ShardMap shards_{{}};
  size_t turn_ = 0;
  struct Bucket {
    double tokens = 0;
    SteadyTime at{};
  };
  std::map<uint32_t, Bucket> buckets_;
};

// An answer to a whole call.
[[nodiscard]] PutResult whole(PutError error, std::string code = {});

// A sender, its log and its stream; several share world and memory.
struct World {
  explicit World(size_t memory_bytes = 64_MiB) : memory({.ordinary_bytes = memory_bytes}) {}

  memory::MemoryBudget memory;  // outlives what is still under way in the agenda
  ManualClock clock;
  Agenda agenda{clock};
  record::Ledger ledger;
  metrics::Metrics metrics;
  LetterSpool spool{ledger, agenda};
  size_t memory_leased_most = 0;

  void run_for(nanoseconds time);
  // Until nothing is left to be done, at most this long.
  void run_until_quiet(nanoseconds at_most = std::chrono::minutes(10));
};

class Rig {
 public:
  enum class Log : uint8_t { in_memory, on_disk };
  Rig(World& world, SenderOptions options, Log kind = Log::in_memory);
  ~Rig();

  void add(const std::vector<std::string>& objects, const std::string& tag = "test",
           const std::vector<uint32_t>& overflowed = {});
  // A crash: the sender and what it knows are gone, a new one takes over.
  void restart();
  [[nodiscard]] uint64_t delivered() const;
  [[nodiscard]] uint64_t pending() const;

  World& world;
  const std::string name;
  FilledLog log;
  PlayedStream stream;
  std::unique_ptr<StreamSender> sender;
  int maps_asked_for = 0;

 private:
  void wake_at(SteadyTime when);
  void start();

  const SenderOptions options_;
  SteadyTime wake_ = SteadyTime::max();
  uint32_t wakes_at_once_ = 0;  // in a row
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// What a reader made with the KCL is given: of an aggregate nothing if its hash key is not its
// shard's.
[[nodiscard]] std::vector<std::string> read_by_kcl(const PlayedStream& stream);
// The events in what the stream accepted, as a consumer reads them.
[[nodiscard]] std::vector<std::string> read_back(const PlayedStream& stream);

[[nodiscard]] SenderOptions plain_options(std::string stream = "logs");
// {"n":<n>,"pad":"…"}, `size` bytes in all where that is more than the number needs.
[[nodiscard]] std::string object(uint32_t n, size_t size = 0);
[[nodiscard]] std::vector<std::string> objects(uint32_t first, uint32_t count, size_t size = 0);

}  // namespace penstock::delivery
