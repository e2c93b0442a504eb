// DeadLetterReplay: hands dead letters back when somebody asked for it (ReplayRequest). Each goes
// through the routes afresh as an append with source "dead_letter", and leaves the dead letters
// when all of its events are delivered. Interrupted at any point it goes on after a restart: the
// request is still there, and a letter handed back already is recognised by its fingerprint.
//
// Letters that came after the request was taken up are not part of it, nor are those that no route
// takes: they stay.
//
// A letter is read when there is memory for it, which is waited for in the line of all. One that is
// on the large lease and waits for room in its stream is taken back when others wait for memory:
// they may be those who make the room.
//
// Thread: one of its own between start() and stop(); or none, and turn() is called by hand.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "spool/awaited_lease.h"
#include "spool/dead_letter.h"
#include "spool/segment_reader.h"
#include "spool/spool_state.h"

namespace penstock::spool {

class DeadLetterReplay {
 public:
  using Route = std::function<Append(record::Batch)>;

  DeadLetterReplay(SpoolState& state, std::string directory)
      : state_(state), directory_(std::move(directory)), wake_(std::make_shared<Wake>()) {}
  ~DeadLetterReplay() { stop(); }

  // When it returns, the one set before is not running and will not be called again.
  void set_route(Route route);
  void start();
  void stop();
  // One step: takes up a request, or hands back one letter, or finishes the request.
  bool turn();

 private:
  // Outlives the replay in the callbacks of appends.
  struct Wake {
    Signal signal;
    std::mutex mutex;
    bool stopping = false;
    size_t letters_out = 0;
    uint64_t bytes_out = 0;
    uint64_t delivered = 0;
  };
  struct Segment {
    uint64_t number = 0;
    uint64_t end = 0;
  };
  struct Current {
    std::string path;
    ReplayRequest request;
    std::vector<Segment> segments;  // still to be gone through
    uint64_t handed_back = 0;
    uint64_t left_alone = 0;  // no route
    uint64_t damaged = 0;     // at least
  };

  // Handed back on the large lease.
  struct Large {
    AppendHandle handle;
    std::shared_ptr<std::atomic<bool>> is_admitted;
    uint64_t offset = 0;
    SteadyTime since{};
  };

  void run();
  bool take_up_request();
  bool next_letter();
  bool skip_segment();
  [[nodiscard]] memory::MemoryLease pay_for(const StoredEntry& letter);
  void hand_back(StoredEntry entry, ByteBuffer payload, memory::MemoryLease lease);
  bool look_after_large();
  bool finish();

  SpoolState& state_;
  const std::string directory_;
  std::shared_ptr<Wake> wake_;
  std::mutex route_mutex_;  // held while route_ runs
  Route route_;
  std::optional<Current> current_;
  std::optional<SegmentReader> reader_;
  std::optional<AwaitedLease> awaited_;  // for the letter that comes next
  std::optional<Large> large_;
  std::optional<SteadyTime> paused_since_;
  std::optional<SteadyTime> looked_at_;
  std::thread thread_;
};

}  // namespace penstock::spool
