// What the spool costs beside what the disk can do.
//
//   spool_bench [DIR] [MiB] [start]     (default: the temporary directory, 1024; all three)
//
// 1. The disk itself: writes of one size, each with a sync, buffered and with O_DIRECT, into files
//    that are new and into files that are used again.
// 2. The spool: the same bytes as appends from a few senders, each waiting for its ack, against the
//    spool in memory.
// 3. The time a start takes with that much backlog.
// CPU is user and system time of the whole process per GB (10^9 bytes) of payload.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/unique_fd.h"
#include "spool/segment_writer.h"
#include "spool/spool.h"

namespace penstock::spool {
namespace {

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds_of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

class Measured {
 public:
  Measured() : begin_(std::chrono::steady_clock::now()), cpu_(cpu_seconds()) {}
  void note(double ms) { latencies_ms_.push_back(ms); }
  void print(const std::string& what, uint64_t bytes) {
    const double wall =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    const double gb = static_cast<double>(bytes) / 1e9;
    std::sort(latencies_ms_.begin(), latencies_ms_.end());
    const auto at = [&](size_t percent) {
      return latencies_ms_.empty() ? 0.0
                                   : latencies_ms_[(latencies_ms_.size() - 1) * percent / 100];
    };
    std::printf("%-44s %7.3f GB/s  %5.2f CPU s/GB  p50 %7.3f ms  p99 %7.3f ms\n", what.c_str(),
                gb / wall, (cpu_seconds() - cpu_) / gb, at(50), at(99));
    std::fflush(stdout);
  }

 private:
  std::chrono::steady_clock::time_point begin_;
  double cpu_;
  std::vector<double> latencies_ms_;
};

double since_ms(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

void bench_disk(const std::string& directory, size_t write_bytes, uint64_t total, bool direct,
                bool reuse) {
  constexpr uint64_t kFile = 64 << 20;
  const std::string path = directory + "/bare";
  AlignedBuffer buffer(write_bytes);
  std::fill_n(buffer.data(), write_bytes, uint8_t{7});
  const auto open_file = [&] {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | (direct ? O_DIRECT : 0), 0600));
    if (!fd) std::exit(1);
    if (::fallocate(fd.get(), 0, 0, kFile) != 0) std::perror("fallocate");
    return fd;
  };
  UniqueFd fd = open_file();
  if (reuse) {
    for (uint64_t at = 0; at < kFile; at += write_bytes) {
      if (::pwrite(fd.get(), buffer.data(), write_bytes, static_cast<off_t>(at)) < 0) return;
    }
    ::fsync(fd.get());
  }
  Measured measured;
  uint64_t at = 0;
  for (uint64_t done = 0; done < total; done += write_bytes, at += write_bytes) {
    const auto begin = std::chrono::steady_clock::now();
    if (at + write_bytes > kFile) {
      at = 0;
      if (!reuse) {
        ::unlink(path.c_str());
        fd = open_file();
      }
    }
    if (::pwrite(fd.get(), buffer.data(), write_bytes, static_cast<off_t>(at)) < 0) {
      std::perror("pwrite");
      return;
    }
    ::fdatasync(fd.get());
    measured.note(since_ms(begin));
  }
  ::unlink(path.c_str());
  measured.print("disk, " + std::to_string(write_bytes >> 10) + " KiB + sync, " +
                     (direct ? "O_DIRECT, " : "buffered, ") + (reuse ? "used again" : "new files"),
                 total);
}

// Delivers at once whatever comes.
class Drain {
 public:
  Drain(StreamLog& log, record::Ledger& ledger) : log_(log) {
    log.on_readable([this] {
      const std::lock_guard lock(mutex_);
      readable_ = true;
      wake_.notify_one();
    });
    thread_ = std::thread([this, &log, &ledger] {
      for (;;) {
        while (auto entry = log.read()) {
          ledger.deliver(log.stream(), entry->batch->event_count);
          log.release(entry->position);
        }
        std::unique_lock lock(mutex_);
        if (stop_) return;
        wake_.wait_for(lock, milliseconds(100), [this] { return readable_ || stop_; });
        readable_ = false;
      }
    });
  }
  ~Drain() {
    log_.on_readable({});
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      wake_.notify_one();
    }
    thread_.join();
  }

 private:
  StreamLog& log_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool readable_ = false;
  bool stop_ = false;
  std::thread thread_;
};

// One append at a time each, as a Forward connection that waits for its acks.
void send(Spool& spool, size_t chunk_bytes, uint64_t total, std::mutex& mutex, Measured& measured) {
  std::condition_variable done;
  bool finished = false;
  for (uint64_t sent = 0; sent < total; sent += chunk_bytes) {
    const auto begin = std::chrono::steady_clock::now();
    record::Batch batch;
    batch.source = "forward";
    batch.tag = "kubernetes.var.log.containers.some-pod";
    batch.event_count = static_cast<uint32_t>(std::max<size_t>(chunk_bytes / 1200, 1));
    batch.received_ns = unix_nanoseconds(Clock::system().wall());
    batch.storage = ByteBuffer(chunk_bytes);
    batch.storage.resize(chunk_bytes);
    std::fill_n(batch.storage.data(), chunk_bytes, uint8_t{42});
    batch.entries_size = chunk_bytes;
    Append append;
    append.source = "forward";
    append.fingerprint = Hash128{sent + 1, reinterpret_cast<uintptr_t>(&done)};
    append.parts.push_back({"bench", std::move(batch)});
    finished = false;
    append.done = [&](AppendOutcome) {
      const std::lock_guard lock(mutex);
      finished = true;
      done.notify_one();
    };
    spool.append(std::move(append));
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return finished; });
    measured.note(since_ms(begin));
  }
}

void bench_spool(const std::string& directory, size_t chunk_bytes, uint64_t total, int senders) {
  record::Ledger ledger;
  memory::MemoryBudget budget{{}};
  SpoolOptions options;
  options.directory = directory.empty() ? "" : directory + "/spool";
  options.ack = directory.empty() ? AckMode::delivered : AckMode::stored;
  auto opened = Spool::open(options, ledger, budget);
  if (!opened) {
    std::printf("%s\n", opened.error().message.c_str());
    return;
  }
  Spool& spool = **opened;
  StreamLog* log = *spool.open_stream({"bench", "target", "", 0});
  {
    const Drain drain(*log, ledger);
    std::mutex mutex;
    Measured measured;
    std::vector<std::thread> threads;
    for (int i = 0; i < senders; ++i) {
      threads.emplace_back([&] {
        send(spool, chunk_bytes, total / static_cast<uint64_t>(senders), mutex, measured);
      });
    }
    for (std::thread& thread : threads) thread.join();
    measured.print(std::string(directory.empty() ? "spool in memory, " : "spool on disk, ") +
                       std::to_string(chunk_bytes >> 10) + " KiB chunks, " +
                       std::to_string(senders) + " senders",
                   total);
  }
  spool.close();
  if (!directory.empty()) std::filesystem::remove_all(directory + "/spool");
}

// How long a start takes with this much backlog.
void bench_recovery(const std::string& directory, uint64_t total) {
  constexpr size_t kChunk = 256 << 10;
  SpoolOptions options;
  options.directory = directory + "/spool";
  options.bytes_max = 4 * total + (1ull << 30);
  memory::MemoryBudget budget{{}};
  {
    record::Ledger ledger;
    auto spool = *Spool::open(options, ledger, budget);
    (void)*spool->open_stream({"bench", "target", "", 0});
    std::mutex mutex;
    Measured measured;
    send(*spool, kChunk, total, mutex, measured);
  }
  record::Ledger ledger;
  const auto begin = std::chrono::steady_clock::now();
  auto spool = Spool::open(options, ledger, budget);
  std::printf("start with a backlog of %llu MiB in %d KiB chunks: %.0f ms\n",
              static_cast<unsigned long long>(total >> 20), static_cast<int>(kChunk >> 10),
              since_ms(begin));
  spool->reset();
  std::filesystem::remove_all(directory + "/spool");
}

}  // namespace
}  // namespace penstock::spool

int main(int argc, char** argv) {
  using namespace penstock::spool;
  penstock::set_log_level(penstock::LogLevel::warn);
  std::string pattern =
      std::string(argc > 1 ? argv[1] : std::filesystem::temp_directory_path().c_str()) +
      "/spool-bench-XXXXXX";
  const char* made = mkdtemp(pattern.data());
  if (made == nullptr) {
    std::perror(pattern.c_str());
    return 1;
  }
  const std::string directory = made;
  const uint64_t total = (argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1024) << 20;
  if (argc > 3) {  // only the start
    bench_recovery(directory, total);
    std::filesystem::remove_all(directory);
    return 0;
  }
  for (const size_t size : {size_t{4} << 10, size_t{256} << 10, size_t{1} << 20}) {
    const uint64_t bytes = size < (64 << 10) ? total / 64 : total;
    for (const bool direct : {false, true}) {
      for (const bool reuse : {false, true}) bench_disk(directory, size, bytes, direct, reuse);
    }
  }
  for (const size_t size : {size_t{4} << 10, size_t{256} << 10, size_t{1} << 20}) {
    const uint64_t bytes = size < (64 << 10) ? total / 16 : total;
    for (const int senders : {1, 4, 16}) {
      bench_spool("", size, bytes, senders);
      bench_spool(directory, size, bytes, senders);
    }
  }
  bench_recovery(directory, total);
  std::filesystem::remove_all(directory);
  return 0;
}
