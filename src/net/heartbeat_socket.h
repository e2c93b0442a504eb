// Answers Fluentd's UDP heartbeats (heartbeat_type udp): any datagram gets one zero byte back.
// Thread: made anywhere, runs on the IoThread given.
#pragma once

#include <array>
#include <boost/asio/ip/udp.hpp>
#include <memory>

#include "base/result.h"
#include "net/io_thread.h"
#include "net/listen_address.h"

namespace penstock::net {

class HeartbeatSocket {
 public:
  // Same host and port as the source's TCP listener.
  static Result<std::unique_ptr<HeartbeatSocket>, Error> open(IoThread& thread,
                                                              const ListenAddress& address);
  void start();
  void close();

 private:
  explicit HeartbeatSocket(IoThread& thread) : thread_(thread), socket_(thread.context()) {}
  void answer_next();

  IoThread& thread_;
  asio::ip::udp::socket socket_;
  asio::ip::udp::endpoint peer_;
  std::array<uint8_t, 128> datagram_{};
};

}  // namespace penstock::net
