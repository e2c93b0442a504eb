// Damage of every kind to every file of a spool, in every region of it, from seeds. One damage at a
// time, while no process uses the spool. Then:
//
//   every acknowledged event is delivered, or is counted as dropped{damaged}; none is both
//   what is delivered is what was stored, and goes to the stream it was stored for
//   a flipped bit costs one entry at most, other damage what was in the file
//   no crash, no start that is refused without need
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "spool/dead_letter.h"
#include "spool/log_directory.h"
#include "spool/overflow_log_fixture.h"
#include "spool/segment_format.h"
#include "spool/segment_recovery.h"

namespace penstock::spool {
namespace {

using Bytes = std::vector<uint8_t>;
using Content = std::map<std::string, Bytes>;

enum class Kind { flip, zero_block, cut, grow, empty, garbage, swap, remove, copy };
constexpr Kind kKinds[] = {Kind::flip,  Kind::flip,    Kind::zero_block, Kind::cut,    Kind::grow,
                           Kind::empty, Kind::garbage, Kind::swap,       Kind::remove, Kind::copy};

// Events are texts of the same length, and name their stream: "a 12.3     ".
constexpr size_t kEventText = 160;

std::string event_text(const std::string& stream, int entry, uint32_t index) {
  std::string text = stream + " " + std::to_string(entry) + "." + std::to_string(index);
  text.resize(kEventText, ' ');
  return text;
}

std::string entry_text(const std::string& stream, int entry, uint32_t events) {
  std::string text;
  for (uint32_t i = 0; i < events; ++i) text += event_text(stream, entry, i);
  return text;
}

class DamageEverywhere : public OverflowLog {
 protected:
  static constexpr uint32_t kEventsMax = 30;  // of an entry

  DamageEverywhere() {
    options.bytes_max = 16 << 20;
    options.cache_bytes_max = 0;
    options.repeats_max = 400;
  }

  void store(const std::string& stream, int count) {
    for (int i = 0; i < count; ++i) {
      const int number = entries_stored_++;
      const auto events = static_cast<uint32_t>(1 + (number * 37) % static_cast<int>(kEventsMax));
      Append append;
      append.source = "forward";
      append.fingerprint = Hash128{99, static_cast<uint64_t>(number)};
      append.parts.push_back({stream, batch_of(entry_text(stream, number, events), events)});
      append.parts.back().batch.received_ns = unix_nanoseconds(clock.wall());
      for (uint32_t j = 0; j < events; ++j) acked_.insert(event_text(stream, number, j));
      spool->append(std::move(append));
      if (i % 5 == 4) commit();
    }
    commit();
  }
  void final(const Entry& entry, StreamLog* log) {
    for (const std::string& event : texts_of(entry)) acked_.erase(event);
    release(log, entry);
  }
  static std::vector<std::string> texts_of(const Entry& entry) {
    std::vector<std::string> texts;
    const std::string all = text_of(entry);
    for (uint32_t i = 0; i < entry.batch->event_count; ++i) {
      if (std::binary_search(entry.overflowed.begin(), entry.overflowed.end(), i)) continue;
      texts.push_back(all.substr(i * kEventText, kEventText));
    }
    return texts;
  }
  // A spool with something in each of its files: acked_ is what is still to be delivered.
  void build(bool killed) {
    open();
    store("a", 162);
    store("b", 60);
    for (int i = 0; i < 60; ++i) final(must_read(a), a);
    std::vector<Entry> held;
    for (int i = 0; i < 10; ++i) held.push_back(must_read(a));
    for (size_t i = 2; i < 7; ++i) final(held[i], a);
    for (size_t i = 8; i < 10; ++i) move_to_overflow(held[i], 1);
    for (int i = 0; i < 40; ++i) move_to_overflow(must_read(a), 1);
    std::vector<DeadLetter> letters;
    for (int i = 0; i < 60; ++i) {
      letters.push_back({"a", "refused", "", batch_of(entry_text("dead", i, 6), 6)});
      letters_.insert(event_text("dead", i, 0));
    }
    const record::Ledger::Admitted received{"a", letters.size() * 6};
    ledger->receive("forward", {&received, 1});
    spool->dead_letter(std::move(letters), [](bool) {});
    settle();
    ASSERT_TRUE(write_replay_request(files, "/spool/dead-letter", {"oversized", ""}).has_value());
    if (killed) {
      kill();
    } else {
      spool->close();
      spool.reset();
    }
    for (const std::string& path : files.files()) whole_[path] = files.content(path);
    for (const char* const part :
         {"/lock", "/format", "/repeats", "/a.1/description", "/a.1/checkpoint", "/spare.seg",
          "/overflow-1/checkpoint", "/dead-letter/0000000000000001.seg"}) {
      ASSERT_TRUE(std::any_of(whole_.begin(), whole_.end(), [&](const auto& file) {
        return file.first.ends_with(part);
      })) << part;
    }
  }
  // Checkpoints say all that is stored, and what is final is given back.
  void settle() {
    for (int i = 0; i < 3; ++i) {
      clock.advance(seconds(2));
      commit();
    }
  }

  // ---- damage

  static bool is_segment(const std::string& path) { return path.ends_with(".seg"); }

  // Somewhere in it; of a segment each kind of region as often as the others.
  static size_t place_in(const std::string& path, const Bytes& bytes, std::mt19937& random) {
    const auto within = [&](size_t begin, size_t end) {
      return end > begin ? begin + random() % (end - begin) : begin;
    };
    SegmentHeader last;
    if (bytes.size() < 3 * kBlockBytes || !is_segment(path)) return within(0, bytes.size());
    std::memcpy(&last, bytes.data() + bytes.size() - kBlockBytes, sizeof last);
    FaultyFileSystem one;
    one.set_content("/x", bytes);
    const auto segment = recover_segment(*one.open("/x", {}), last.number);
    if (!segment || segment->entries.empty()) return within(0, bytes.size());
    const size_t entry = segment->entries[random() % segment->entries.size()].offset;
    switch (random() % 8) {
      case 0:
        return within(0, sizeof(SegmentHeader));
      case 1:
        return within(bytes.size() - kBlockBytes, bytes.size());
      case 2:
        return within(entry, entry + 16);  // marker and sizes
      case 3:
        return within(entry + 16, entry + sizeof(EntryHeader));  // what it says, checksums
      case 4:
        return within(entry + sizeof(EntryHeader), entry + 104);  // texts
      case 5:
        return within(entry + 112, std::min(bytes.size(), entry + 200));  // payload
      case 6:
        return within(segment->entries_end, bytes.size());  // padding, index, what follows
      default:
        return within(0, bytes.size());
    }
  }
  // The files that it touched.
  std::vector<std::string> damage(Content& content, std::mt19937& random) {
    std::vector<std::string> paths;
    for (const auto& [path, bytes] : content) paths.push_back(path);
    // Each directory's files as often as another's, whatever their number.
    const std::string path = paths[random() % paths.size()];
    const std::string other = paths[random() % paths.size()];
    Bytes& bytes = content.at(path);
    what_ = path;
    switch (kKinds[random() % std::size(kKinds)]) {
      case Kind::flip: {
        if (bytes.empty()) break;
        const size_t place = place_in(path, bytes, random);
        what_ = "a bit of " + path + " at " + std::to_string(place);
        lost_entries_max_ = 1;
        bytes[std::min(place, bytes.size() - 1)] ^= static_cast<uint8_t>(1u << random() % 8);
        break;
      }
      case Kind::zero_block: {
        if (bytes.empty()) break;
        const size_t begin = place_in(path, bytes, random) / kBlockBytes * kBlockBytes;
        what_ = "zeros in " + path + " at " + std::to_string(begin);
        std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(begin),
                    std::min<size_t>(kBlockBytes, bytes.size() - begin), uint8_t{0});
        break;
      }
      case Kind::cut:
        what_ = "cut: " + path;
        bytes.resize(bytes.empty() ? 0 : place_in(path, bytes, random));
        break;
      case Kind::grow:
        what_ = "grown: " + path;
        for (size_t i = 1 + random() % 9000; i > 0; --i) {
          bytes.push_back(static_cast<uint8_t>(random()));
        }
        lost_entries_max_ = 0;
        break;
      case Kind::empty:
        what_ = "empty: " + path;
        bytes.clear();
        break;
      case Kind::garbage:
        what_ = "garbage: " + path;
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
        break;
      case Kind::swap:
        what_ = "swapped: " + path + " and " + other;
        std::swap(bytes, content.at(other));
        return {path, other};
      case Kind::remove:
        what_ = "removed: " + path;
        content.erase(path);
        break;
      case Kind::copy:
        what_ = "copy of " + other + " as " + path;
        bytes = Bytes(content.at(other));
        break;
    }
    return {path};
  }

  void put(FaultyFileSystem& to, const Content& content) const {
    std::set<std::string> directories;
    for (const auto& [path, bytes] : whole_) {
      for (size_t slash = path.find('/', 1); slash != path.npos;
           slash = path.find('/', slash + 1)) {
        directories.insert(path.substr(0, slash));
      }
    }
    for (const std::string& directory : directories) {
      ASSERT_TRUE(to.make_directory(directory).has_value());
    }
    for (const auto& [path, bytes] : content) to.set_content(path, bytes);
  }

  // ---- the oracle

  // Everything that can be had of these logs; each event belongs to the stream.
  void take_all(StreamLog* log, const std::string& stream, std::multiset<std::string>& delivered) {
    while (auto entry = next(log)) {
      for (const std::string& event : texts_of(*entry)) {
        ASSERT_TRUE(event.starts_with(stream + " ")) << what_ << ": " << event;
        delivered.insert(event);
      }
      ledger->deliver(log->stream(), entry->batch->event_count - entry->overflowed.size());
      log->release(entry->position);
    }
  }
  void open_damaged(FaultyFileSystem& damaged) {
    ++internals.salt_seed;
    ledger = std::make_unique<record::Ledger>();
    auto opened = SpoolCore::open(options, internals, *ledger, budget, clock, damaged);
    ASSERT_TRUE(opened.has_value()) << what_ << ": " << opened.error().message;
    spool = std::move(*opened);
    a = *spool->open_stream({"a", target, "settings of a", 0});
    b = *spool->open_stream({"b", "target", "settings of b", 0});
  }
  // All logs of the streams, older generations too.
  void deliver_all(std::multiset<std::string>& delivered) {
    for (StreamLog* const log : spool->logs()) {
      for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
        take_all(log->overflow(slot), log->stream(), delivered);
      }
      take_all(log, log->stream(), delivered);
    }
  }
  void run(uint32_t seed, bool killed) {
    std::mt19937 random(seed);
    Content content = whole_;
    lost_entries_max_ = ~size_t{0};
    const std::vector<std::string> touched = damage(content, random);
    what_ += " (seed " + std::to_string(seed) + (killed ? ", killed)" : ", closed)");
    FaultyFileSystem damaged(seed);
    put(damaged, content);
    if (is_later_format(content)) return;  // rejected, and nothing is touched
    open_damaged(damaged);
    if (HasFatalFailure()) return;
    std::multiset<std::string> delivered;
    deliver_all(delivered);
    const uint64_t counted = ledger->snapshot().dropped["damaged"];
    expect_account(delivered, counted, touched);
    expect_balance();
    // Once, and the stream goes on.
    append("new", {"a:a new           ", "b:b new           "});
    commit();
    spool->close();
    spool.reset();
    open_damaged(damaged);
    if (HasFatalFailure()) return;
    std::multiset<std::string> later;
    deliver_all(later);
    EXPECT_EQ(later, (std::multiset<std::string>{"a new           ", "b new           "})) << what_;
    EXPECT_EQ(ledger->snapshot().dropped["damaged"], 0u) << what_;
    spool->abandon();
    damaged.kill();
    spool.reset();
  }
  // A bit may make one version of the format another.
  static bool is_later_format(const Content& content) {
    const auto format = content.find("/spool/format");
    if (format == content.end()) return false;
    const std::string text(format->second.begin(), format->second.end());
    return text.starts_with("penstock spool 3") || text.starts_with("penstock spool 6");
  }
  // What lay in the overflow log is counted, and the log, read from its beginning, delivers what of
  // it is still there.
  static bool is_overflow_lost_with_the_logs_checkpoint(const std::vector<std::string>& touched) {
    const auto is_of_overflow = [](const std::string& path) {
      return path.find("/overflow-") != path.npos;
    };
    return std::any_of(touched.begin(), touched.end(), is_of_overflow) &&
           std::any_of(touched.begin(), touched.end(), [&](const std::string& path) {
             return path.ends_with("/checkpoint") && !is_of_overflow(path);
           });
  }
  void expect_account(const std::multiset<std::string>& delivered, uint64_t counted,
                      const std::vector<std::string>& touched) {
    uint64_t lost = 0;
    std::set<std::string> lost_entries;
    for (const std::string& event : acked_) {
      if (delivered.contains(event)) continue;
      ++lost;
      lost_entries.insert(event.substr(0, event.find('.')));
    }
    EXPECT_LE(lost_entries.size(), lost_entries_max_) << what_;
    const bool is_checkpoint_lost =
        std::any_of(touched.begin(), touched.end(),
                    [](const auto& path) { return path.ends_with("/checkpoint"); });
    if (is_checkpoint_lost) {  // and a segment exchanged with it: nobody knows what was in it
      if (is_overflow_lost_with_the_logs_checkpoint(touched)) {
        EXPECT_GE(counted, lost) << what_;
        return;
      }
      EXPECT_LE(counted, lost) << what_;
      EXPECT_EQ(counted > 0, lost > 0) << what_;
      return;  // what was final comes again
    }
    // What was cut off behind the last entry of a newest segment may have been one more.
    const bool may_be_one_more =
        what_.starts_with("cut") && what_.ends_with("killed)") && lost == 0;
    EXPECT_GE(counted, lost) << what_;
    EXPECT_LE(counted, lost + (may_be_one_more ? 1 : 0)) << what_;
    for (const std::string& event : delivered) {
      ASSERT_TRUE(acked_.contains(event)) << what_ << ": " << event;
      ASSERT_EQ(delivered.count(event), 1u) << what_ << ": " << event;
    }
  }

  int entries_stored_ = 0;
  std::set<std::string> acked_;  // and not final
  std::set<std::string> letters_;
  Content whole_;
  std::string what_;
  size_t lost_entries_max_ = 0;
};

// PENSTOCK_DAMAGE_SEEDS: how many for each of the two (default 250).
uint32_t seeds() {
  const char* const given = std::getenv("PENSTOCK_DAMAGE_SEEDS");
  return given == nullptr ? 250 : static_cast<uint32_t>(std::strtoul(given, nullptr, 10));
}

TEST_F(DamageEverywhere, OfASpoolThatWasClosed) {
  build(false);
  for (uint32_t seed = 1; seed <= seeds() && !HasFailure(); ++seed) run(seed, false);
}

TEST_F(DamageEverywhere, OfASpoolWhoseProcessWasKilled) {
  build(true);
  for (uint32_t seed = 1; seed <= seeds() && !HasFailure(); ++seed) run(seed + 100000, true);
}

}  // namespace
}  // namespace penstock::spool
