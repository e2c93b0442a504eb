// The spool with its own threads on a real directory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "spool/file_system.h"
#include "spool/spool.h"

namespace penstock::spool {
namespace {

class ThreadedSpool : public testing::Test {
 protected:
  ThreadedSpool() {
    std::string pattern = (std::filesystem::temp_directory_path() / "spool-XXXXXX").string();
    directory = mkdtemp(pattern.data());
    options.directory = directory;
    options.bytes_max = 64 << 20;
  }
  ~ThreadedSpool() override { std::filesystem::remove_all(directory); }

  static record::Batch batch_of(const std::string& text) {
    record::Batch batch;
    batch.source = "forward";
    batch.tag = "app.x";
    batch.event_count = 1;
    batch.received_ns = unix_nanoseconds(Clock::system().wall());
    batch.storage = ByteBuffer::copy_of(as_bytes(text));
    batch.entries_size = text.size();
    return batch;
  }
  std::unique_ptr<Spool> open() { return *Spool::open(options, ledger, budget); }

  std::string directory;
  SpoolOptions options;
  record::Ledger ledger;
  memory::MemoryBudget budget{{.ordinary_bytes = 64u << 20, .large_bytes = 1u << 20}};
};

// Delivers on a thread of its own until it has seen `expected` entries.
class Delivery {
 public:
  Delivery(StreamLog& log, record::Ledger& ledger, size_t expected) {
    log.on_readable([this] {
      const std::lock_guard lock(mutex_);
      readable_ = true;
      wake_.notify_one();
    });
    thread_ = std::thread([this, &log, &ledger, expected] {
      while (texts.size() < expected) {
        auto entry = log.read();
        if (!entry) {
          std::unique_lock lock(mutex_);
          if (!wake_.wait_for(lock, seconds(20), [this] { return readable_; })) return;
          readable_ = false;
          continue;
        }
        texts.insert(std::string(as_text(entry->batch->entries())));
        ledger.deliver(log.stream(), entry->batch->event_count);
        log.release(entry->position);
      }
      log.on_readable({});
    });
  }
  void join() { thread_.join(); }
  std::multiset<std::string> texts;

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool readable_ = false;
  std::thread thread_;
};

TEST_F(ThreadedSpool, EverythingThatManyThreadsAppendIsAckedAndDeliveredOnce) {
  options.cache_bytes_max = 1 << 20;  // some of it comes from disk
  options.read_bytes_max = 1 << 20;
  auto spool = open();
  StreamLog* a = *spool->open_stream({"a", "t", "s", 0});
  StreamLog* b = *spool->open_stream({"b", "t", "s", 0});
  constexpr int kThreads = 4;
  constexpr int kEach = 400;
  std::atomic<int> acked{0};
  Delivery from_a(*a, ledger, kThreads * kEach);
  Delivery from_b(*b, ledger, kThreads * kEach);
  std::vector<std::thread> senders;
  for (int t = 0; t < kThreads; ++t) {
    senders.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::string name = std::to_string(t) + "/" + std::to_string(i);
        Append append;
        append.source = "forward";
        append.parts.push_back({"a", batch_of(name + std::string(3000, 'a'))});
        append.parts.push_back({"b", batch_of(name + std::string(20, 'b'))});
        append.done = [&](AppendOutcome outcome) {
          if (outcome == AppendOutcome::done) ++acked;
        };
        spool->append(std::move(append));
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  from_a.join();
  from_b.join();
  EXPECT_EQ(acked, kThreads * kEach);
  EXPECT_EQ(std::set(from_a.texts.begin(), from_a.texts.end()).size(), size_t{kThreads * kEach});
  EXPECT_EQ(std::set(from_b.texts.begin(), from_b.texts.end()).size(), size_t{kThreads * kEach});
  EXPECT_TRUE(a->empty());
  spool->close();
  EXPECT_EQ(ledger.snapshot().pending.at("a"), 0u);
}

TEST_F(ThreadedSpool, WhatWasNotDeliveredIsFoundAgain) {
  {
    auto spool = open();
    (void)*spool->open_stream({"a", "t", "s", 0});
    for (int i = 0; i < 100; ++i) {
      Append append;
      append.source = "forward";
      append.parts.push_back({"a", batch_of(std::to_string(i))});
      append.done = [](AppendOutcome) {};
      spool->append(std::move(append));
    }
  }
  auto spool = open();
  EXPECT_EQ(ledger.snapshot().received.at("recovered"), 100u);
  Delivery delivery(**spool->open_stream({"a", "t", "s", 0}), ledger, 100);
  delivery.join();
  EXPECT_EQ(delivery.texts.size(), 100u);
}

TEST_F(ThreadedSpool, ASecondProcessIsToldWhoHoldsTheDirectory) {
  auto spool = open();
  const auto second = Spool::open(options, ledger, budget);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message,
              testing::HasSubstr("in use by process " + std::to_string(getpid())));
}

TEST_F(ThreadedSpool, FilesAreForTheirOwnerOnly) {
  auto spool = open();
  (void)*spool->open_stream({"a/b", "t", "s", 0});
  size_t seen = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat status {};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, entry.is_directory() ? 0700u : 0600u) << entry.path();
    ++seen;
  }
  EXPECT_GE(seen, 6u);
}

TEST_F(ThreadedSpool, ADirectoryThatCannotBeMadeIsNamedWithACure) {
  options.directory = "/proc/penstock";
  const auto opened = Spool::open(options, ledger, budget);
  ASSERT_FALSE(opened.has_value());
  EXPECT_THAT(opened.error().message, testing::HasSubstr("/proc/penstock"));
  EXPECT_EQ(opened.error().kind, Error::Kind::failure);
}

}  // namespace
}  // namespace penstock::spool
