#include "net/tcp_stream.h"

#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <limits>
#include <tuple>

namespace penstock::net {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// A socket whose buffer is full tells of it before the peer can know that the buffer has grown.
constexpr int kFullBufferLooks = 8;
constexpr std::chrono::milliseconds kFullBufferPause{50};

void set_option(int fd, int level, int name, int value) {
  // Advisory: a kernel without the option changes nothing we rely on.
  (void)::setsockopt(fd, level, name, &value, sizeof value);
}

}  // namespace

void tune(asio::ip::tcp::socket& socket) {
  error_code ignored;
  socket.native_non_blocking(true, ignored);
  const int fd = socket.native_handle();
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

std::string peer_name(const asio::ip::tcp::socket& socket) {
  error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) return "unknown";
  asio::ip::address address = endpoint.address();
  // An IPv4 peer of a socket for both families.
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  const std::string text = address.to_string();
  return (address.is_v6() ? "[" + text + "]" : text) + ":" + std::to_string(endpoint.port());
}

TcpStream::TcpStream(asio::ip::tcp::socket socket)
    : Stream(peer_name(socket)), socket_(std::move(socket)) {
  tune(socket_);
}

asio::awaitable<Result<void, std::string>> TcpStream::handshake() {
  co_return Result<void, std::string>{};
}

asio::awaitable<error_code> TcpStream::wait_readable() {
  auto [error] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, kAwait);
  co_return error;
}

asio::awaitable<Result<size_t, error_code>> receive_from(asio::ip::tcp::socket& socket,
                                                         std::span<uint8_t> room, bool looks) {
  for (;;) {
    const ssize_t got =
        ::recv(socket.native_handle(), room.data(), room.size(), looks ? MSG_PEEK : 0);
    if (got >= 0) co_return static_cast<size_t>(got);
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      co_return failure(error_code(errno, boost::system::system_category()));
    }
    auto [error] = co_await socket.async_wait(asio::ip::tcp::socket::wait_read, kAwait);
    if (error) co_return failure(error);
  }
}

asio::awaitable<Result<size_t, error_code>> TcpStream::receive(std::span<uint8_t> room,
                                                               bool looks) {
  return receive_from(socket_, room, looks);
}

asio::awaitable<Result<size_t, error_code>> TcpStream::read_some(std::span<uint8_t> room) {
  return receive_from(socket_, room, false);
}

size_t bytes_waiting_of(asio::ip::tcp::socket& socket) {
  int count = 0;
  if (::ioctl(socket.native_handle(), FIONREAD, &count) != 0) return 0;
  return static_cast<size_t>(std::max(count, 0));
}

// The kernel makes its buffer large enough for the low-water mark, as far as its limits go
// (tcp_rmem in tcp(7)). What segments cost beside their bytes counts there, too: twice the mark has
// room for it. The peer learns of a larger window when something is received, be it a look.
asio::awaitable<error_code> wait_for_bytes_of(asio::ip::tcp::socket& socket, size_t bytes) {
  constexpr size_t kMost = std::numeric_limits<int>::max() / 2;
  const int mark = static_cast<int>(std::clamp<size_t>(bytes, 1, kMost));
  const int fd = socket.native_handle();
  set_option(fd, SOL_SOCKET, SO_RCVLOWAT, 2 * mark);
  set_option(fd, SOL_SOCKET, SO_RCVLOWAT, mark);
  asio::steady_timer pause(socket.get_executor());
  error_code error;
  for (int i = 0; i < kFullBufferLooks && !error; ++i) {
    if (i > 0) {
      pause.expires_after(kFullBufferPause);
      (void)co_await pause.async_wait(kAwait);
      if (!socket.is_open()) co_return error_code(asio::error::operation_aborted);
    }
    uint8_t first = 0;
    (void)::recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    std::tie(error) = co_await socket.async_wait(asio::ip::tcp::socket::wait_read, kAwait);
    if (error || bytes_waiting_of(socket) >= bytes) break;
  }
  if (socket.is_open()) set_option(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
  co_return error;
}

asio::awaitable<error_code> TcpStream::wait_for_bytes(size_t bytes) {
  return wait_for_bytes_of(socket_, bytes);
}

size_t TcpStream::bytes_waiting() { return bytes_waiting_of(socket_); }

asio::awaitable<error_code> TcpStream::write(ByteView bytes) {
  auto [error, written] =
      co_await asio::async_write(socket_, asio::buffer(bytes.data(), bytes.size()), kAwait);
  co_return error;
}

asio::awaitable<void> TcpStream::end_writing() {
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  co_return;
}

void TcpStream::close() {
  probe_.forget();
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace penstock::net
