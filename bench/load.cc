// bench-load: clients that send made-up OpenShift records as fast as acks come, or at a rate, by
// Forward or by HTTP. One thread and one blocking connection a client; messages are built once, and
// only chunk id and mark are rewritten, so that no chunk is a repeat and sending costs little.
//
//   bench-load --to HOST:PORT [--as forward|ndjson|json-array|otlp-json|otlp-protobuf] [--tls]
//              [--shared-key K] [--connections N] [--chunk-events N] [--events N]
//              [--rate EVENTS_PER_S] [--window N] [--tag T]… [--mark]
//              [--event-bytes N] [--gzip]
//
// --gzip: by HTTP, compressed bodies.
// --event-bytes: by Forward, short records of so many bytes of JSON instead of OpenShift's.
// --rate: open loop: chunks have their times, and a late one is counted from its time, not from
// when it was sent. --mark: each chunk's first record carries that time in nanoseconds as its id.
//
// Prints "events E chunks C bytes B seconds S cpu S ack_p50_ms … ack_p99_ms … ack_max_ms …".
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <latch>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "bench/blocking_socket.h"
#include "bench/load_message.h"
#include "cli/send/sample_record.h"
#include "codec/msgpack_cursor.h"
#include "protocol/forward/handshake.h"

namespace penstock::bench {
namespace {

namespace forward = protocol::forward;

constexpr size_t kChunkIdSize = 26;  // 8 hex of the run, 18 digits
constexpr size_t kAckBytes = 64_KiB;

struct Options {
  Address to;
  Form form = Form::forward;
  bool tls = false;
  std::string shared_key;
  std::vector<std::string> tags;
  uint64_t connections = 8;
  uint64_t chunk_events = 100;
  uint64_t events = 100'000;
  uint64_t window = 1;  // chunks of a connection without ack
  double rate = 0;      // 0: as fast as acks come
  bool mark = false;
  uint64_t event_bytes = 0;  // 0: an OpenShift record
  bool gzip = false;
};

SteadyTime now() { return std::chrono::steady_clock::now(); }

// What the clients share.
struct Run {
  const Options& options;
  std::string name;  // part of every chunk id: no chunk of another run is like one of ours
  uint64_t chunks = 0;
  std::latch connected;
  std::latch started{1};
  SteadyTime start;
  WallTime wall_start;
  std::atomic<uint64_t> next_chunk{0};

  explicit Run(const Options& given)
      : options(given),
        chunks((given.events + given.chunk_events - 1) / given.chunk_events),
        connected(static_cast<ptrdiff_t>(given.connections)) {
    char text[9];
    std::snprintf(text, sizeof text, "%08x", std::random_device{}());
    name = text;
  }
  [[nodiscard]] SteadyTime time_of(uint64_t chunk) const {
    const double after_s =
        static_cast<double>(chunk * options.chunk_events) / std::max(options.rate, 1e-9);
    return start + std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(after_s));
  }
};

std::string chunk_id(const std::string& run, uint64_t chunk) {
  char text[kChunkIdSize + 1];
  std::snprintf(text, sizeof text, "%s%018llu", run.c_str(),
                static_cast<unsigned long long>(chunk));
  return text;
}

class Client {
 public:
  explicit Client(Run& run) : run_(run), options_(run.options) {
    for (const std::string& tag : options_.tags) {
      messages_.push_back(
          make_message(options_.form, tag, chunk_id(run.name, 0),
                       {options_.chunk_events, options_.event_bytes, options_.gzip}));
    }
    acks_.reserve(kAckBytes);
  }

  void work(SSL_CTX* tls) {
    open(tls);
    run_.connected.count_down();
    run_.started.wait();
    for (;;) {
      const uint64_t chunk = run_.next_chunk.fetch_add(1);
      if (chunk >= run_.chunks) break;
      while (unacked_.size() >= options_.window) take_acks();
      if (options_.rate > 0) wait_until(run_.time_of(chunk));
      send(chunk);
    }
    while (!unacked_.empty()) take_acks();
  }

  std::vector<float> ack_ms;
  uint64_t bytes_sent = 0;

 private:
  struct Unacked {
    uint64_t chunk;
    SteadyTime since;
  };

  void open(SSL_CTX* tls) {
    UniqueFd fd = connect_to(options_.to);
    socket_ = tls != nullptr ? with_tls(std::move(fd), tls, false)
                             : BlockingSocket(std::move(fd), nullptr);
    if (socket_.fd() < 0) die("the TLS handshake failed");
    if (!options_.shared_key.empty()) shake_hands();
  }

  void shake_hands() {
    const auto helo = forward::read_helo(read_frame());
    if (!helo) die("the server does not say HELO as it should");
    const forward::ClientIdentity identity{
        .hostname = "bench-load", .salt = run_.name, .shared_key = options_.shared_key, .user = {}};
    acks_.clear();
    if (!socket_.write_all(forward::make_ping(identity, *helo).view())) die("PING was not sent");
    std::string reason;
    if (!forward::check_pong(read_frame(), identity, *helo, &reason)) die("refused: " + reason);
    acks_.clear();
  }

  // One whole msgpack value, the only one that has come.
  ByteView read_frame() {
    codec::MsgpackScanner scanner;
    while (scanner.scan(acks_.view()) == codec::MsgpackScanner::State::need_bytes) receive();
    return acks_.view();
  }

  void receive() {
    const ssize_t got = socket_.read_some(acks_.free_space());
    if (got <= 0) die("the server closed the connection, or is silent");
    acks_.commit(static_cast<size_t>(got));
  }

  void send(uint64_t chunk) {
    Message& message = messages_[chunk % messages_.size()];
    if (message.chunk_at != 0) message.put(message.chunk_at, chunk_id(run_.name, chunk));
    const SteadyTime since = options_.rate > 0 ? run_.time_of(chunk) : now();
    if (options_.mark) {
      const WallTime wall =
          run_.wall_start + std::chrono::duration_cast<WallTime::duration>(since - run_.start);
      message.put(message.mark_at, std::to_string(unix_nanoseconds(wall)));
    }
    unacked_.push_back({chunk, since});
    if (!socket_.write_all(message.bytes.view())) die("the server closed the connection");
    bytes_sent += message.bytes.size();
  }

  // Takes acks as they come until it is time.
  void wait_until(SteadyTime time) {
    for (SteadyTime at = now(); at < time; at = now()) {
      if (unacked_.empty()) {
        std::this_thread::sleep_until(time);
        return;
      }
      const auto left = std::chrono::duration_cast<nanoseconds>(time - at).count();
      const timespec timeout{left / 1'000'000'000, left % 1'000'000'000};
      pollfd readable{socket_.fd(), POLLIN, 0};
      if (socket_.has_pending() || ::ppoll(&readable, 1, &timeout, nullptr) > 0) take_acks();
    }
  }

  void take_acks() {
    receive();
    const SteadyTime at = now();
    size_t taken = 0;
    while (const auto answer = read_answer(options_.form, acks_.view().subspan(taken))) {
      taken += answer->size;
      const auto found =
          answer->chunk.empty()
              ? unacked_.begin()
              : std::find_if(unacked_.begin(), unacked_.end(), [&](const Unacked& each) {
                  return chunk_id(run_.name, each.chunk) == answer->chunk;
                });
      if (found == unacked_.end()) die("an ack for a chunk that waits for none");
      ack_ms.push_back(std::chrono::duration<float, std::milli>(at - found->since).count());
      unacked_.erase(found);
    }
    acks_.consume(taken);
  }

  Run& run_;
  const Options& options_;
  std::vector<Message> messages_;  // one a tag
  BlockingSocket socket_;
  ByteBuffer acks_;
  std::deque<Unacked> unacked_;
};

void report(const Options& options, const Run& run, std::vector<Client>& clients) {
  const double elapsed_s = std::chrono::duration<double>(now() - run.start).count();
  std::vector<float> ack_ms;
  uint64_t bytes = 0;
  for (Client& client : clients) {
    ack_ms.insert(ack_ms.end(), client.ack_ms.begin(), client.ack_ms.end());
    bytes += client.bytes_sent;
  }
  std::sort(ack_ms.begin(), ack_ms.end());
  const auto quantile = [&](double q) {
    return static_cast<double>(
        ack_ms[static_cast<size_t>(q * static_cast<double>(ack_ms.size() - 1))]);
  };
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto in_seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  std::printf(
      "events %llu chunks %llu bytes %llu seconds %.4f cpu %.3f ack_p50_ms %.3f ack_p99_ms %.3f "
      "ack_max_ms %.3f\n",
      static_cast<unsigned long long>(run.chunks * options.chunk_events),
      static_cast<unsigned long long>(run.chunks), static_cast<unsigned long long>(bytes),
      elapsed_s, in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime), quantile(0.5),
      quantile(0.99), quantile(1));
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto value = [&] {
      if (i + 1 >= argc) die(flag + " needs a value");
      return std::string(argv[++i]);
    };
    const auto count = [&] {
      const uint64_t number = std::strtoull(value().c_str(), nullptr, 10);
      if (number == 0) die(flag + " needs a number above 0");
      return number;
    };
    if (flag == "--to")
      options.to = parse_address(value());
    else if (flag == "--as") {
      const auto form = form_named(value());
      if (!form) die("--as names no form; bench/load.cc lists them");
      options.form = *form;
    } else if (flag == "--tls")
      options.tls = true;
    else if (flag == "--shared-key")
      options.shared_key = value();
    else if (flag == "--connections")
      options.connections = count();
    else if (flag == "--chunk-events")
      options.chunk_events = count();
    else if (flag == "--events")
      options.events = count();
    else if (flag == "--window")
      options.window = count();
    else if (flag == "--rate")
      options.rate = static_cast<double>(count());
    else if (flag == "--tag")
      options.tags.push_back(value());
    else if (flag == "--event-bytes")
      options.event_bytes = count();
    else if (flag == "--mark")
      options.mark = true;
    else if (flag == "--gzip")
      options.gzip = true;
    else
      die("unknown flag " + flag + "; bench/load.cc lists them");
  }
  if (options.to.port == 0) die("--to HOST:PORT is missing");
  if (options.gzip && (options.form == Form::forward || options.mark)) {
    die("--gzip is for HTTP, and goes without --mark");
  }
  if (options.tags.empty()) options.tags.emplace_back(cli::kSampleTag);
  return options;
}

int run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  Run run(options);
  SSL_CTX* const tls = options.tls ? client_context() : nullptr;
  std::vector<Client> clients;
  clients.reserve(options.connections);
  for (uint64_t i = 0; i < options.connections; ++i) clients.emplace_back(run);
  std::vector<std::thread> threads;
  for (Client& client : clients) threads.emplace_back([&client, tls] { client.work(tls); });
  run.connected.wait();
  run.start = now();
  run.wall_start = std::chrono::system_clock::now();
  run.started.count_down();
  for (std::thread& thread : threads) thread.join();
  report(options, run, clients);
  return 0;
}

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) { return penstock::bench::run(argc, argv); }
