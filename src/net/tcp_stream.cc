#include "net/tcp_stream.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/write.hpp>

namespace penstock::net {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

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
