// bench-sink: answers PutRecords as fast as it can: reads the body, counts its records, says that
// each was accepted. Nothing is checked or kept. One thread a connection.
//
//   bench-sink [--listen 127.0.0.1:0] [--tls CERT KEY] [--delay-ms N] [--mark] [--forget N]
//
// Prints "port N", then at SIGUSR1 and at SIGTERM "records R requests Q bytes B cpu S". With --mark
// it looks for "penstock_id":"<nanoseconds>" in the bodies (0: no mark) and prints the quantiles of
// the delay since then. --forget: N records are left out of the count, to see whether that is
// found.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/big_endian.h"
#include "bench/blocking_socket.h"

namespace penstock::bench {
namespace {

std::atomic<uint64_t> records_seen{0};
std::atomic<uint64_t> requests_seen{0};
std::atomic<uint64_t> bytes_seen{0};
std::atomic<uint64_t> records_to_forget{0};
int delay_ms = 0;
bool look_for_marks = false;
std::mutex delays_mutex;
std::vector<double> delays_ms;

constexpr std::string_view kSequence = "49543463076548007577105092703039560359975228518395012686";
constexpr std::string_view kNotPutRecords =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 38\r\n"
    "\r\n{\"__type\":\"UnknownOperationException\"}";
constexpr std::string_view kShard = "shardId-000000000000";

// Size of the CBOR head at `at`, and its argument.
size_t read_head(const uint8_t* at, uint64_t* argument) {
  const uint8_t low = *at & 0x1f;
  switch (low) {
    case 24:
      *argument = at[1];
      return 2;
    case 25:
      *argument = load_be<uint16_t>(at + 1);
      return 3;
    case 26:
      *argument = load_be<uint32_t>(at + 1);
      return 5;
    case 27:
      *argument = load_be<uint64_t>(at + 1);
      return 9;
    default:
      *argument = low;
      return 1;
  }
}

// The size of the array "Records", which the bodies have near their beginning.
uint64_t records_in_cbor(ByteView body) {
  static constexpr std::string_view kName = "gRecords";
  const size_t look_at = std::min<size_t>(body.size(), 4096);
  const void* found = memmem(body.data(), look_at, kName.data(), kName.size());
  if (found == nullptr) return 0;
  uint64_t count = 0;
  read_head(static_cast<const uint8_t*>(found) + kName.size(), &count);
  return count;
}

uint64_t records_in_json(ByteView body) {
  static constexpr std::string_view kName = "\"PartitionKey\"";
  uint64_t count = 0;
  const char* at = reinterpret_cast<const char*>(body.data());
  const char* const end = at + body.size();
  while (const void* found =
             memmem(at, static_cast<size_t>(end - at), kName.data(), kName.size())) {
    ++count;
    at = static_cast<const char*>(found) + kName.size();
  }
  return count;
}

void append_text(std::string& out, std::string_view text) {
  if (text.size() < 24) {
    out += static_cast<char>(0x60 + text.size());
  } else {
    out += '\x78';
    out += static_cast<char>(text.size());
  }
  out += text;
}

std::string answer_for(uint64_t records, bool is_cbor) {
  std::string body;
  if (is_cbor) {
    body += '\xa2';
    append_text(body, "FailedRecordCount");
    body += '\0';
    append_text(body, "Records");
    body += '\x99';
    body += static_cast<char>(records >> 8);
    body += static_cast<char>(records);
    for (uint64_t i = 0; i < records; ++i) {
      body += '\xa2';
      append_text(body, "SequenceNumber");
      append_text(body, kSequence);
      append_text(body, "ShardId");
      append_text(body, kShard);
    }
  } else {
    body += R"({"FailedRecordCount":0,"Records":[)";
    for (uint64_t i = 0; i < records; ++i) {
      if (i > 0) body += ',';
      body += R"({"SequenceNumber":")" + std::string(kSequence) + R"(","ShardId":")" +
              std::string(kShard) + "\"}";
    }
    body += "]}";
  }
  return "HTTP/1.1 200 OK\r\nx-amzn-RequestId: bench\r\nContent-Type: application/x-amz-" +
         std::string(is_cbor ? "cbor" : "json") +
         "-1.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

void note_marks(ByteView body) {
  static constexpr std::string_view kMark = "\"penstock_id\":\"";
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const double now_ms = std::chrono::duration<double, std::milli>(now).count();
  const char* at = reinterpret_cast<const char*>(body.data());
  const char* const end = at + body.size();
  std::vector<double> found_ms;
  while (const void* found =
             memmem(at, static_cast<size_t>(end - at), kMark.data(), kMark.size())) {
    at = static_cast<const char*>(found) + kMark.size();
    const uint64_t then_ns = std::strtoull(at, nullptr, 10);
    if (then_ns != 0) found_ms.push_back(now_ms - static_cast<double>(then_ns) / 1e6);
  }
  const std::lock_guard lock(delays_mutex);
  delays_ms.insert(delays_ms.end(), found_ms.begin(), found_ms.end());
}

std::string_view header_of(std::string_view head, std::string_view name) {
  for (size_t at = 0; at < head.size();) {
    const size_t end = head.find("\r\n", at);
    const std::string_view line = head.substr(at, end - at);
    if (line.size() > name.size() && strncasecmp(line.data(), name.data(), name.size()) == 0 &&
        line[name.size()] == ':') {
      const size_t value = line.find_first_not_of(' ', name.size() + 1);
      return value == std::string_view::npos ? "" : line.substr(value);
    }
    if (end == std::string_view::npos) break;
    at = end + 2;
  }
  return "";
}

void serve(BlockingSocket socket) {
  ByteBuffer buffer(1_MiB);
  std::string answer;
  uint64_t answer_records = ~0ull;
  bool answer_is_cbor = false;
  for (;;) {
    size_t head_size = std::string_view::npos;
    while ((head_size = as_text(buffer.view()).find("\r\n\r\n")) == std::string_view::npos) {
      const ssize_t got = socket.read_some(buffer.free_space());
      if (got <= 0) return;
      buffer.commit(static_cast<size_t>(got));
    }
    const std::string head(as_text(buffer.view()).substr(0, head_size));
    const size_t body_size =
        std::strtoull(std::string(header_of(head, "content-length")).c_str(), nullptr, 10);
    const size_t all = head_size + 4 + body_size;
    buffer.reserve(all + 64_KiB);
    while (buffer.size() < all) {
      const ssize_t got = socket.read_some(buffer.free_space().first(all - buffer.size()));
      if (got <= 0) return;
      buffer.commit(static_cast<size_t>(got));
    }
    const ByteView body = buffer.view().subspan(head_size + 4, body_size);
    const bool is_cbor = header_of(head, "content-type").find("cbor") != std::string_view::npos;
    // The floor sends what it received as it is, and says how many records that is.
    const std::string stated(header_of(head, "x-bench-records"));
    const uint64_t records = !stated.empty() ? std::strtoull(stated.c_str(), nullptr, 10)
                             : is_cbor       ? records_in_cbor(body)
                                             : records_in_json(body);
    if (header_of(head, "x-amz-target").find("PutRecords") == std::string_view::npos) {
      buffer.consume(all);
      if (!socket.write_all(as_bytes(kNotPutRecords))) return;
      continue;
    }
    if (look_for_marks) note_marks(body);
    records_seen += records - std::min(records, records_to_forget.exchange(0));
    requests_seen += 1;
    bytes_seen += all;
    buffer.consume(all);
    if (records != answer_records || is_cbor != answer_is_cbor) {
      answer = answer_for(records, is_cbor);
      answer_records = records;
      answer_is_cbor = is_cbor;
    }
    if (delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
    if (!socket.write_all(as_bytes(answer))) return;
  }
}

void report() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto in_seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  std::printf("records %llu requests %llu bytes %llu cpu %.3f",
              static_cast<unsigned long long>(records_seen.load()),
              static_cast<unsigned long long>(requests_seen.load()),
              static_cast<unsigned long long>(bytes_seen.load()),
              in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime));
  const std::lock_guard lock(delays_mutex);
  if (!delays_ms.empty()) {
    std::sort(delays_ms.begin(), delays_ms.end());
    const auto quantile = [](double q) {
      return delays_ms[static_cast<size_t>(q * static_cast<double>(delays_ms.size() - 1))];
    };
    std::printf(" marks %zu p50_ms %.3f p99_ms %.3f", delays_ms.size(), quantile(0.5),
                quantile(0.99));
  }
  std::printf("\n");
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  Address address{"127.0.0.1", 0};
  SSL_CTX* tls = nullptr;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--listen" && i + 1 < argc) {
      address = parse_address(argv[++i]);
    } else if (flag == "--tls" && i + 2 < argc) {
      tls = server_context(argv[i + 1], argv[i + 2]);
      i += 2;
    } else if (flag == "--delay-ms" && i + 1 < argc) {
      delay_ms = std::atoi(argv[++i]);
    } else if (flag == "--forget" && i + 1 < argc) {
      records_to_forget = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--mark") {
      look_for_marks = true;
    } else {
      die("usage: bench-sink [--listen HOST:PORT] [--tls CERT KEY] [--delay-ms N] [--mark] "
          "[--forget N]");
    }
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  uint16_t port = 0;
  const UniqueFd listener = listen_on(address, &port);
  std::printf("port %u\n", port);
  std::fflush(stdout);
  std::thread([&] {
    for (;;) {
      UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) continue;
      const int on = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      std::thread([fd = std::move(fd), tls]() mutable {
        BlockingSocket socket = tls != nullptr ? with_tls(std::move(fd), tls, true)
                                               : BlockingSocket(std::move(fd), nullptr);
        if (socket.fd() >= 0) serve(std::move(socket));
      }).detach();
    }
  }).detach();
  for (int signal = SIGUSR1; signal == SIGUSR1;) {
    sigwait(&signals, &signal);
    report();
  }
  std::_Exit(0);
}

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) { return penstock::bench::run(argc, argv); }
