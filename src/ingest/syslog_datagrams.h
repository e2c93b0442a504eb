// SyslogDatagrams: syslog over UDP, one message a datagram. What comes while the spool pushes back
// waits in the socket's buffer and is then lost: UDP has nothing else. What the kernel dropped is
// counted (SO_RXQ_OVFL, socket(7)); it tells with the next datagram that it takes.
//
// Thread: made anywhere, runs on the IoThread given. Outlives that thread's loop; release() before
// its io_context goes.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "ingest/intake.h"
#include "ingest/syslog_session.h"
#include "net/io_thread.h"
#include "net/listen_address.h"

namespace penstock::ingest {

class SyslogDatagrams {
 public:
  using Settings = std::function<std::shared_ptr<const SyslogSettings>()>;

  // Same host and port as the source's TCP listener. Errors name the address.
  static Result<std::unique_ptr<SyslogDatagrams>, Error> open(net::IoThread& thread,
                                                              const net::ListenAddress& address,
                                                              Intake& intake, Settings settings);
  void start();
  // No more is taken.
  void close();
  void release() { socket_.reset(); }

 private:
  SyslogDatagrams(net::IoThread& thread, Intake& intake, Settings settings);
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<bool> take_waiting();
  void receive_into(SyslogBatch& batch, const SyslogSettings& settings);
  // Into datagram_. nullopt: none waits, or the socket is broken.
  [[nodiscard]] std::optional<ByteView> receive();
  // dropped: by the kernel since the socket was made, modulo 2^32.
  void count_dropped(uint32_t dropped);

  net::IoThread& thread_;
  Intake& intake_;
  const Settings settings_;
  metrics::Counter& bytes_received_;
  std::optional<boost::asio::ip::udp::socket> socket_;
  ByteBuffer datagram_;
  uint32_t dropped_ = 0;
};

}  // namespace penstock::ingest
