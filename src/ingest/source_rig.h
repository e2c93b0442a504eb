// For tests: a source with everything behind it but Kinesis. Peers are real connections on
// loopback; the spool is in memory, and what it holds is delivered when the test says so.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "ingest/intake.h"
#include "ingest/listener_source.h"
#include "net/io_thread.h"
#include "record/ledger.h"
#include "spool/spool.h"

namespace penstock::ingest {

inline constexpr seconds kPatience{30};  // for what must happen

// A client, blocking.
class Peer {
 public:
  explicit Peer(uint16_t port);

  void send(std::string_view text);
  void end_writing();
  // Returns when the other side's system knows: what comes over another connection comes later.
  void hang_up();
  // Up to and with `last`; what had come when the connection ended, if it did before.
  std::string receive_to(std::string_view last);
  // All until the other side ends.
  std::string receive_rest() { return receive_to({}); }
  // Is there something to read at this moment?
  [[nodiscard]] bool has_bytes() const;

 private:
  UniqueFd fd_;
  std::string received_;
};

class SourceRig {
 public:
  explicit SourceRig(uint64_t spool_bytes_max = 1 << 20);
  ~SourceRig();

  // Source: HttpSource and so on. The source's name is its type.
  template <class OpenedSource, class Settings>
  void open(std::string name, Settings settings) {
    auto opened =
        OpenedSource::open(*threads_, {.name = std::move(name), .listen = {"127.0.0.1", 0}},
                           {memory_, *spool_, metrics_}, router_,
                           std::make_shared<const Settings>(std::move(settings)));
    CHECK(opened.has_value());
    source_ = std::move(*opened);
    start();
  }
  [[nodiscard]] Source& source() { return *source_; }
  [[nodiscard]] Peer connect() const { return Peer(port_); }

  // The events of the next entry in the stream's log, waited for; it stays until delivered.
  std::vector<std::string> take_entry();
  // No entry is there at this moment.
  [[nodiscard]] bool has_no_entry();
  // What was taken, in that order.
  void deliver_entry();

  [[nodiscard]] uint64_t received() const;
  // Waits until so many messages were refused for this reason.
  void wait_refused(std::string_view reason, uint64_t count = 1);

 private:
  void start();

  record::Ledger ledger_;
  memory::MemoryBudget memory_{{.ordinary_bytes = 16 << 20, .large_bytes = 64 << 20}};
  metrics::Metrics metrics_;
  RouterSlot router_;
  std::unique_ptr<spool::Spool> spool_;
  spool::StreamLog* log_ = nullptr;
  std::unique_ptr<Source> source_;
  std::unique_ptr<net::IoThreads> threads_;
  uint16_t port_ = 0;

  std::mutex mutex_;
  std::condition_variable readable_;
  bool may_have_more_ = false;
  std::vector<spool::Entry> taken_;
};

}  // namespace penstock::ingest
