// Spool: where events are safe. One log per Kinesis stream, one directory (or memory) for all, one
// commit thread that writes what is queued for all logs and syncs the touched files together.
//
//   append    a session hands over all parts of one message; done is called once, when every part
//             is on stable storage (AckMode::stored) or final at the far end (AckMode::delivered)
//   read      delivery takes entries in the order they were appended: fresh ones from memory,
//             backlog read ahead from disk by a reader thread, never blocking the caller
//   release   delivery gives back what is final, in any order; the log moves its checkpoint over
//             the released prefix and recycles whole segments behind it
//
// The spool enters into the ledger: receive (when an append is admitted), duplicate, dropped, and
// what goes to the dead letters. Delivery enters deliver, before it releases.
//
// Thread: everything here may be called from any thread unless it says otherwise. Callbacks are
// made without a lock of the spool held: they may call back into it, but should rather post.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/result.h"
#include "record/batch.h"
#include "record/ledger.h"
#include "spool/overflow_origin.h"
#include "spool/position.h"

namespace penstock::spool {

class FileSystem;

enum class AckMode : uint8_t { stored, delivered };
enum class WhenFull : uint8_t { block, drop_oldest };

enum class AppendOutcome : uint8_t {
  done,       // as safe as AckMode asks: acknowledge it
  cancelled,  // AppendHandle::cancel() came before it was admitted: nothing was kept or counted
  closed,     // the spool stopped before it was safe: do not acknowledge
};

// What one message brought. At least one of parts, refused and dropped is not empty.
struct Append {
  struct Part {
    std::string stream;  // configuration name of an opened log
    record::Batch batch;
  };
  struct Refused {  // goes to the dead letters (without a directory: counted as dropped with the
                    // reason)
    std::string reason;  // no_route, malformed
    record::Batch batch;
  };
  struct Dropped {       // only counted
    std::string reason;  // own_logs, not_selected
    uint64_t events = 0;
  };

  std::string source;
  // Hash over (source, tag, chunk id, size, hash of the entries); none when the sender named no
  // chunk.
  std::optional<Hash128> fingerprint;
  std::vector<Part> parts;
  std::vector<Refused> refused;
  std::vector<Dropped> dropped;
  // Called once, before done, when room was found for all parts and the append is in the queue of
  // the commit thread (or was recognised as a repeat). May be called inside append(). A session
  // reads no further message of its connection until then: what waits for a full stream waits in
  // the sender. Optional. Not called for an append that ends cancelled, or closed before it was
  // admitted.
  std::function<void()> admitted;
  std::function<void(AppendOutcome)> done;  // called exactly once, on any thread; keep it short
};

// Lets a session take back an append that is still waiting for room (HTTP answers 503 in time).
class AppendHandle {
 public:
  struct State;
  AppendHandle() = default;
  explicit AppendHandle(std::shared_ptr<State> state) : state_(std::move(state)) {}
  // True: done is or will be called with cancelled. False: it is admitted and will be kept.
  bool cancel();

 private:
  std::shared_ptr<State> state_;
};

// A batch of several events is stored in entries of no more; so a larger one is one event.
inline constexpr size_t kLargeEntryBytes = 4u << 20;

// One entry of a log.
struct Entry {
  Position position;
  std::shared_ptr<const record::Batch> batch;
  // Events (indices, ascending) that are final already, to be skipped: recovery found them in an
  // overflow log. Empty in steady state.
  std::vector<uint32_t> overflowed = {};
  // Overflow log only: the entry of the main log that the events came from, their indices in it
  // and their buckets.
  std::optional<Position> origin = {};
  std::vector<uint32_t> origin_events = {};
  BucketSet buckets = {};
  // Its batch is on a lease that others may be waiting for; see StreamLog::unread().
  bool is_large = false;
};

// Events copied out of an entry of the main log, on their way to an overflow log.
struct OverflowEntry {
  record::Batch batch;           // the events in order; tag, source, received time of the entry
  Position origin;               // the entry they came from
  std::vector<uint32_t> events;  // index in the origin's entry of each event of batch, ascending
  BucketSet buckets;
};

// An event that can never be delivered, on its way to the dead letters.
struct DeadLetter {
  std::string stream;
  std::string reason;   // refused, oversized, no_data_key
  std::string detail;   // for the operator: the service's error code; never content
  record::Batch batch;  // one event or several
};

// The log of one stream (one generation of its settings). Made by Spool, lives as long as it.
class StreamLog {
 public:
  virtual ~StreamLog() = default;

  [[nodiscard]] virtual const std::string& stream() const = 0;
  // What the daemon said at open(): enough to deliver to the old target after a change or a
  // restart.
  [[nodiscard]] virtual const std::string& settings() const = 0;

  // The next entry, or nullopt when there is none to be had right now. Thread: one (delivery).
  [[nodiscard]] virtual std::optional<Entry> read() = 0;
  // Called, on any thread, when read() may have something again after it gave nullopt. When
  // on_readable() returns, the callback set before is not running and will not be called again;
  // so never call on_readable() from within the callback.
  virtual void on_readable(std::function<void()> wake) = 0;

  // All events of the entry are final (delivered, or synced in the dead letters). Any order.
  virtual void release(Position position) = 0;

  // Large entries (more than kLargeEntryBytes, of a spool with a directory) are read when read()
  // asks for them, on the memory budget's one large lease; the log has nothing more to be read
  // until the entry is released, or is given back like this: it comes again, as if it had never
  // been read. Requires that it was read and not released.
  virtual void unread(Position) {}
  // The batch, once more, of a large entry that was read and not released, for who has let go of
  // it: the entry stays read. Neither batch nor is_lost: not yet; on_readable() says when to ask
  // again. is_lost: it is damaged by now, and has been passed over like any that cannot be read.
  struct Reloaded {
    std::shared_ptr<const record::Batch> batch;
    bool is_lost = false;
  };
  [[nodiscard]] virtual Reloaded reload(Position) { return {}; }
  [[nodiscard]] virtual bool next_is_large() const { return false; }
  // Of an overflow log: where the next entry's events stood in the main log. nullopt: not known
  // until read() was asked for it. Of a large entry it is always known.
  [[nodiscard]] virtual std::optional<Position> next_origin() const { return std::nullopt; }
  // Somebody waits for memory. A large entry of which nothing is being delivered is to be unread.
  [[nodiscard]] virtual bool memory_is_awaited() const { return false; }
  // There is more to be read, but what was read and is held fills this log's share of memory.
  [[nodiscard]] virtual bool wants_room() const { return false; }
  // What was read waits for something that only another entry can show. One more may be read than
  // this log's share of memory, drop_oldest or a large entry in flight allows; each call permits
  // one, which is not large. Its memory comes from the budget, and all of these together take at
  // most another share, or are one entry. A large entry with later ones in flight must not be
  // unread if their order matters.
  virtual void allow_one_more() {}
  // ---- overflow logs: for events that cannot be sent for now, so that the others can

  // slot: below kOverflowLogs. Each is read and released like any log, first in, first out. Null in
  // a spool without a directory, and for an overflow log itself.
  virtual StreamLog* overflow(size_t slot) {
    (void)slot;
    return nullptr;
  }
  // Called on the main log, while the entry that the events come from is not released. Waits for
  // room when the stream's share is full, in the order of the calls; admission of new messages
  // leaves a reserve that only overflow logs may use. done(true): the events are synced in the
  // overflow log, and may be released in the main log. done(false): the spool stopped first. done
  // is called on any thread.
  virtual void append_overflow(size_t slot, OverflowEntry entry, std::function<void(bool)> done) {
    (void)slot;
    (void)entry;
    done(false);
  }
  struct RecoveredOverflow {
    BucketSet buckets;  // of all entries found in the overflow log at start-up, at least
    Position end;       // every one of those stands before it
  };
  // While the overflow log has entries before `end` that are not final, these buckets count as
  // occupied.
  [[nodiscard]] virtual RecoveredOverflow recovered_overflow(size_t slot) const {
    (void)slot;
    return {};
  }

  // Nothing is stored or waiting in this log, nor in its overflow logs.
  [[nodiscard]] virtual bool empty() const = 0;
};

struct StreamOptions {
  std::string stream;  // configuration name
  std::string target;  // changes when what is stored must go elsewhere: name/arn, region, endpoint
  std::string settings;    // opaque to the spool, kept beside the log
  uint64_t bytes_max = 0;  // share of max_size; 0: an equal share
};

struct SpoolOptions {
  std::string directory;            // empty: in memory
  uint64_t bytes_max = 8ull << 30;  // all files but the dead letters; in memory: payload bytes
  WhenFull when_full = WhenFull::block;
  AckMode ack = AckMode::stored;         // stored needs a directory
  seconds repeat_window{3600};           // 0: repeats are not looked for
  uint32_t repeats_max = 1u << 18;       // chunks remembered at most, about 40 bytes each
  uint64_t cache_bytes_max = 32u << 20;  // fresh batches kept in memory for delivery
  // Batches read from disk, until delivery lets go of them; all logs together. An entry larger than
  // a log's share of it is read when the log holds no other, so allow for one more of the largest.
  // Reserved from the memory budget at open().
  uint64_t read_bytes_max = 16u << 20;
  std::string dead_letter_directory;  // default <directory>/dead-letter; empty without a directory
  uint64_t dead_letter_bytes_max = 1ull << 30;
  WhenFull dead_letters_when_full = WhenFull::block;
};

struct StreamFigures {
  uint64_t bytes = 0;              // files (or payload in memory) of this stream
  uint64_t bytes_max = 0;          // its share
  int64_t oldest_received_ns = 0;  // of the oldest entry not released; 0: none
  bool pushing_back = false;       // an append waits for room in it
  bool disk_failing = false;       // its files could not be written and will be tried again
};

class Spool {
 public:
  // Opens or creates the directory, takes its lock, recovers every log in it. What it finds is
  // entered as received with source "recovered". Errors: another process holds the spool (named),
  // not writable, made by a later version.
  static Result<std::unique_ptr<Spool>, Error> open(SpoolOptions options, record::Ledger& ledger,
                                                    memory::MemoryBudget& budget,
                                                    const Clock& clock = Clock::system(),
                                                    FileSystem* file_system = nullptr);
  virtual ~Spool() = default;

  // The log appends for this stream go to from now on. When the directory holds one with another
  // target, that one stays as an older generation (see logs()) and a new one is begun.
  virtual Result<StreamLog*, Error> open_stream(const StreamOptions& options) = 0;
  // The streams of the configuration, after a reload. A log of another one goes on as before, but
  // when it holds nothing, its share is the others'. open_stream() makes it one of them again.
  virtual void keep_streams(const std::vector<std::string>& configured) { (void)configured; }
  // Every log that holds something or is open, oldest generation of a stream first.
  [[nodiscard]] virtual std::vector<StreamLog*> logs() = 0;

  virtual AppendHandle append(Append append) = 0;

  // Stores dead letters; done(true) when they are synced (or counted as dropped, where there is no
  // directory), and then the events are entered in the ledger and may be released. done(false): the
  // spool stopped first.
  virtual void dead_letter(std::vector<DeadLetter> letters, std::function<void(bool)> done) = 0;

  // Who routes dead letters that are replayed: `route` gets each with its own tag and source
  // "dead_letter" and returns an append of which only parts, refused and dropped are looked at;
  // the spool appends it, and the letter leaves the dead letters when all of it is delivered. A
  // letter of which everything is refused again stays. Until this is called requests wait. `route`
  // runs on a thread of the spool; set an empty one (and then drain) before what it uses goes.
  virtual void on_replay(std::function<Append(record::Batch)> route) = 0;

  // New limits after a reload; takes effect for later appends.
  virtual void reconfigure(const SpoolOptions& options) = 0;

  [[nodiscard]] virtual StreamFigures figures(std::string_view stream) const = 0;
  [[nodiscard]] virtual uint64_t bytes() const = 0;
  // Of those, what the dead letters take.
  [[nodiscard]] virtual uint64_t dead_letter_bytes() const = 0;
  // How many dead letters are stored.
  [[nodiscard]] virtual uint64_t dead_letter_count() const { return 0; }
  // Since when appends wait for room (or a broken disk) without pause; nullopt: they do not.
  [[nodiscard]] virtual std::optional<SteadyTime> pushing_back_since() const = 0;
  // A large entry is to be read, and waits for the one large lease. Who waits for room may wait for
  // what its delivery frees.
  [[nodiscard]] virtual bool awaits_large_lease() const { return false; }
  // The last moment the commit thread went round its loop, for /healthz.
  [[nodiscard]] virtual SteadyTime last_turn() const = 0;
  // The last thing that went wrong with the disk, for the status page; empty: nothing.
  [[nodiscard]] virtual std::string last_error() const = 0;

  // Writes and syncs what was admitted, writes the checkpoints, stops the threads. Appends that
  // were not admitted get AppendOutcome::closed. Idempotent; the destructor calls it.
  virtual void close() = 0;
};

}  // namespace penstock::spool
