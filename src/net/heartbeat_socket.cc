#include "net/heartbeat_socket.h"

#include <boost/asio/post.hpp>

#include "net/listen_socket.h"

namespace penstock::net {

using boost::system::error_code;

Result<std::unique_ptr<HeartbeatSocket>, Error> HeartbeatSocket::open(
    IoThread& thread, const ListenAddress& address) {
  auto socket = open_listen_socket(address, Transport::udp);
  if (!socket) {
    return run_error("cannot listen on UDP " + to_string(address) + ": " + socket.error().message);
  }
  std::unique_ptr<HeartbeatSocket> made(new HeartbeatSocket(thread));
  const bool is_v6 = local_address(*socket).family() == AF_INET6;
  error_code error;
  made->socket_.assign(is_v6 ? asio::ip::udp::v6() : asio::ip::udp::v4(), socket->release(), error);
  if (!error) made->socket_.non_blocking(true, error);
  if (error)
    return run_error("cannot listen on UDP " + to_string(address) + ": " + error.message());
  return made;
}

void HeartbeatSocket::start() {
  asio::post(thread_.context(), [this] { answer_next(); });
}

void HeartbeatSocket::close() {
  asio::post(thread_.context(), [this] {
    error_code ignored;
    socket_.close(ignored);
  });
}

void HeartbeatSocket::answer_next() {
  socket_.async_receive_from(
      asio::buffer(datagram_), peer_, [this](const error_code& error, size_t) {
        if (error == asio::error::operation_aborted || !socket_.is_open()) return;
        if (!error) {
          static constexpr char kAlive = '\0';
          error_code ignored;  // a full send buffer loses one heartbeat, as UDP may
          socket_.send_to(asio::buffer(&kAlive, 1), peer_, 0, ignored);
        }
        answer_next();
      });
}

}  // namespace penstock::net
