#include "ingest/syslog_datagrams.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "ingest/acquire_memory.h"
#include "net/listen_socket.h"

namespace penstock::ingest {

namespace asio = boost::asio;
using asio::ip::udp;
using boost::system::error_code;

namespace {

constexpr size_t kDatagramMax = 64_KiB;  // more than UDP can carry
constexpr size_t kBatch = 1_MiB;         // entries of one append
constexpr int kSocketBuffer = 4 << 20;   // bursts wait here; the kernel may grant less

}  // namespace

SyslogDatagrams::SyslogDatagrams(net::IoThread& thread, Intake& intake, Settings settings)
    : thread_(thread),
      intake_(intake),
      settings_(std::move(settings)),
      bytes_received_(intake.metrics().bytes_received.with(intake.source())),
      socket_(std::in_place, thread.context()),
      datagram_(kDatagramMax) {}

Result<std::unique_ptr<SyslogDatagrams>, Error> SyslogDatagrams::open(
    net::IoThread& thread, const net::ListenAddress& address, Intake& intake, Settings settings) {
  const auto failed = [&address](const std::string& why) {
    return run_error("cannot listen on UDP " + to_string(address) + ": " + why +
                     "; choose another `listen` or set `udp: false`");
  };
  auto bound = net::open_listen_socket(address, net::Transport::udp);
  if (!bound) return failed(bound.error().message);
  const bool is_v6 = net::local_address(*bound).family() == AF_INET6;
  std::unique_ptr<SyslogDatagrams> made(new SyslogDatagrams(thread, intake, std::move(settings)));
  udp::socket& socket = *made->socket_;
  error_code error;
  socket.assign(is_v6 ? udp::v6() : udp::v4(), bound->release(), error);
  if (!error) socket.non_blocking(true, error);
  if (error) return failed(error.message());
  error_code ignored;
  socket.set_option(udp::socket::receive_buffer_size(kSocketBuffer), ignored);
  const int on = 1;
  if (::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) != 0) {
    return failed(error_code(errno, boost::system::system_category()).message());
  }
  return made;
}

void SyslogDatagrams::start() {
  asio::co_spawn(thread_.context(), run(), [](const std::exception_ptr&) {});
}

void SyslogDatagrams::close() {
  asio::post(thread_.context(), [this] {
    error_code ignored;
    if (socket_) socket_->close(ignored);
  });
}

asio::awaitable<void> SyslogDatagrams::run() {
  for (;;) {
    auto [error] =
        co_await socket_->async_wait(udp::socket::wait_read, asio::as_tuple(asio::use_awaitable));
    if (error == asio::error::operation_aborted || !socket_ || !socket_->is_open()) co_return;
    if (!co_await take_waiting()) co_return;
  }
}

// All datagrams there are, up to one batch; they wait in the socket until there is memory.
asio::awaitable<bool> SyslogDatagrams::take_waiting() {
  constexpr auto kWhole = memory::Purpose::whole;
  memory::MemoryLease lease = co_await acquire_memory(intake_.memory(), kBatch, nullptr, kWhole);
  if (!socket_ || !socket_->is_open()) co_return false;
  const auto settings = settings_();
  SyslogBatch batch(unix_nanoseconds(Clock::system().wall()), kBatch, settings->unwrap_json);
  receive_into(batch, *settings);
  if (batch.empty()) co_return true;
  Received received{batch.take(), std::nullopt, std::nullopt};
  lease.shrink(received.batch.storage.capacity());
  received.batch.source = intake_.source();
  received.batch.lease = std::move(lease);
  const auto admission = co_await intake_.append(thread_, std::move(received), nullptr);
  co_await admission->admitted->wait();
  co_return true;
}

void SyslogDatagrams::receive_into(SyslogBatch& batch, const SyslogSettings& settings) {
  while (batch.has_room(kDatagramMax)) {
    auto message = receive();
    if (!message) return;
    bytes_received_.add(message->size());
    while (!message->empty() &&
           (message->back() == '\n' || message->back() == '\r' || message->back() == 0)) {
      message = message->first(message->size() - 1);
    }
    if (message->size() > settings.message_bytes_max) {
      intake_.metrics().messages_refused.with(intake_.source(), "too_large").add();
    } else if (!message->empty()) {
      batch.add(*message);
    }
  }
}

std::optional<ByteView> SyslogDatagrams::receive() {
  iovec data{datagram_.data(), datagram_.capacity()};
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(uint32_t))> control;
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket_->native_handle(), &header, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return std::nullopt;
  for (cmsghdr* said = CMSG_FIRSTHDR(&header); said != nullptr; said = CMSG_NXTHDR(&header, said)) {
    if (said->cmsg_level != SOL_SOCKET || said->cmsg_type != SO_RXQ_OVFL) continue;
    uint32_t dropped = 0;
    std::memcpy(&dropped, CMSG_DATA(said), sizeof dropped);
    count_dropped(dropped);
  }
  return ByteView{datagram_.data(), static_cast<size_t>(got)};
}

void SyslogDatagrams::count_dropped(uint32_t dropped) {
  const uint32_t more = dropped - std::exchange(dropped_, dropped);
  if (more == 0) return;
  intake_.metrics().messages_refused.with(intake_.source(), "udp_overflow").add(more);
  log_limited(LogLevel::warn, intake_.source() + "/udp_overflow",
              "datagrams lost: they came faster than they were taken; use TCP, or raise "
              "net.core.rmem_max",
              {{"source", intake_.source()}, {"datagrams", more}});
}

}  // namespace penstock::ingest
