// What it costs to send: several 5 MiB requests in flight to a sink on the loopback, all in this
// process. bytes_per_second is per CPU second of the loop's thread.
#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "net/http_loop.h"

namespace penstock::net {
namespace {

// Counts bodies by Content-Length and answers 200; MSG_TRUNC drops the bytes in the kernel.
class Sink {
 public:
  Sink() {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 64);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
    acceptor_ = std::thread([this] {
      for (int fd; (fd = ::accept(listener_, nullptr, nullptr)) >= 0;) {
        threads_.emplace_back([fd] { serve(fd); });
      }
    });
  }
  ~Sink() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }
  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  static void serve(int fd) {
    std::string head;
    char bytes[16384];
    for (ssize_t n; (n = ::recv(fd, bytes, sizeof bytes, 0)) > 0;) {
      head.append(bytes, static_cast<size_t>(n));
      const size_t end = head.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      size_t left =
          std::stoul(head.substr(head.find("Content-Length: ") + 16)) - (head.size() - end - 4);
      while (left > 0) {
        n = ::recv(fd, nullptr, left, MSG_TRUNC);
        if (n <= 0) break;
        left -= static_cast<size_t>(n);
      }
      head.clear();
      const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
      ::send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
    }
    ::close(fd);
  }

  int listener_ = -1;
  std::string url_;
  std::thread acceptor_;
  std::vector<std::thread> threads_;
};

void send_requests(benchmark::State& state) {
  Sink sink;
  {
    HttpLoop loop(
        {.connections_max = 4, .upload_buffer_bytes = static_cast<size_t>(state.range(1)) << 10});
    const auto size = static_cast<size_t>(state.range(0)) << 10;
    std::vector<ByteBuffer> bodies;
    for (int i = 0; i < 4; ++i) {
      bodies.emplace_back(size);
      bodies.back().resize(size);
      std::memset(bodies.back().data(), 'x', size);
    }
    int64_t done = 0;
    for (auto _ : state) {
      while (bodies.empty()) loop.turn(milliseconds(1'000));
      HttpRequest request;
      request.url = sink.url();
      request.body = std::move(bodies.back());
      bodies.pop_back();
      loop.start(std::move(request), [&](HttpResponse response) {
        done += response.status == 200 ? 1 : 0;
        bodies.push_back(std::move(response.request_body));
      });
    }
    while (loop.under_way() > 0 || bodies.size() < 4) loop.turn(milliseconds(1'000));
    if (done != state.iterations()) state.SkipWithError("a request failed");
    state.SetBytesProcessed(done * static_cast<int64_t>(size));
  }
}
BENCHMARK(send_requests)
    ->ArgNames({"KiB", "upload_KiB"})
    ->ArgsProduct({{64, 1024, 5120}, {64, 128, 256, 512}});

}  // namespace
}  // namespace penstock::net
