// A stream of Kinesis for the simulation: what it accepted, and why a record may be there twice.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "delivery/put_port.h"
#include "delivery_simulation.h"
#include "kinesis/shard_map.h"
#include "kinesis_format/read/unpack.h"

namespace penstock::sim {

// Work by time. What belongs to the process is forgotten when it crashes.
class Schedule {
 public:
  explicit Schedule(ManualClock& clock) : clock_(clock) {}
  void after(nanoseconds delay, std::function<void()> work, bool outlives_crash = false) {
    work_.emplace(clock_.steady() + delay, Work{std::move(work), outlives_crash});
  }
  // What is due up to then; the clock stands there afterwards.
  void run_until(SteadyTime until);
  void crash() {
    std::erase_if(work_, [](const auto& entry) { return !entry.second.outlives_crash; });
  }

 private:
  struct Work {
    std::function<void()> run;
    bool outlives_crash = false;
  };
  ManualClock& clock_;
  std::multimap<SteadyTime, Work> work_;
};

// The number that follows each `"n":`, in order.
[[nodiscard]] std::vector<uint32_t> numbers_in(std::string_view text);

class PlayedKinesis final : public delivery::PutPort {
 public:
  PlayedKinesis(Schedule& schedule, std::mt19937_64& random, Fault fault, Reached& reached);

  void put(kinesis_format::Request request, Callback callback) override;

  // ---- trouble

  struct Trouble {
    double lost_request = 0;  // before it arrived
    double lost_answer = 0;   // after all of it was accepted
    double failed_record = 0;
    double throttled_request = 0;
    bool knows_cbor = true;
    bool is_missing = false;      // no such stream
    bool rejects_all = false;     // whatever is in a request makes it invalid
    std::set<uint32_t> dead;      // shards that throttle or fail everything
    std::set<uint32_t> rejected;  // events that make a request invalid
    bool distributes = false;     // to shards of its own choice (AUTO)
    size_t record_bytes_max = 1 << 20;
  };
  Trouble trouble;
  // Of so many events one, or several that stand beside each other: large ones fill all that may be
  // read.
  void reject_some(uint32_t events);
  // Requests and answers, from now on.
  void lose_some();
  // From now on: it rejects everything, is gone, or is out of reach.
  void take_nothing(uint64_t kind);
  // What no retry could get over stays.
  void recover();
  void reshard(uint32_t count);
  [[nodiscard]] std::shared_ptr<const kinesis::ShardMap> shards() const { return shards_; }

  // ---- what came in

  // Called for each event that is whole, in the order of acceptance. is_readable: readers made with
  // the KCL are given it, because it is not in an aggregate in a shard that does not own its key.
  std::function<void(uint32_t number, std::string_view text, bool is_readable)> on_event;
  // Records with these events were accepted, and the answer gets lost.
  std::function<void(const std::vector<uint32_t>& numbers)> on_lost_answer;
  // The answer says that an aggregate with these events was accepted.
  std::function<void(const std::vector<uint32_t>& numbers, uint32_t shard,
                     kinesis::HashKey hash_key)>
      on_aggregate;
  // A part of it was accepted: with parts that are sent after a crash it may become whole.
  [[nodiscard]] bool has_part_of(uint32_t number) const { return in_parts_.contains(number); }
  // In a request of its own.
  [[nodiscard]] bool was_rejected(uint32_t number) const {
    return rejected_alone_.contains(number);
  }
  // In a request that was sent and has not arrived yet.
  [[nodiscard]] bool is_on_the_way(uint32_t number) const { return on_the_way_.contains(number); }

 private:
  struct Record {
    std::string data;
    kinesis::HashKey hash_key;
    uint32_t shard = 0;  // that accepted it
    [[nodiscard]] bool is_aggregate() const;
  };
  [[nodiscard]] delivery::PutResult judge(std::vector<Record>& records, bool is_cbor);
  [[nodiscard]] bool happens(double chance);
  [[nodiscard]] const kinesis::Shard& choose_shard(kinesis::HashKey hash_key);
  void accept(const Record& record, const kinesis::Shard& shard);

  Schedule& schedule_;
  std::mt19937_64& random_;
  const Fault fault_;
  Reached& reached_;
  std::shared_ptr<const kinesis::ShardMap> shards_;
  uint32_t next_shard_ = 0;
  kinesis_format::Unpacker unpacker_;
  bool is_readable_ = true;  // of the record that is being accepted
  std::multiset<uint32_t> on_the_way_;
  std::set<uint32_t> rejected_alone_;
  std::set<uint32_t> in_parts_;
};

}  // namespace penstock::sim
