#include "ingest/source_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "record/event.h"

namespace penstock::ingest {
namespace {

constexpr const char* kStream = "all";

std::shared_ptr<const route::Router> router_to_all() {
  route::Route route;
  route.stream = kStream;
  return std::make_shared<const route::Router>(route::Router::Options{.routes = {route}});
}

}  // namespace

Peer::Peer(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  const timeval patience{kPatience.count(), 0};
  CHECK(::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
}

void Peer::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0) return;  // it has hung up; what it said tells more
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

void Peer::end_writing() { ::shutdown(fd_.get(), SHUT_WR); }

void Peer::hang_up() {
  end_writing();
  const auto end = std::chrono::steady_clock::now() + kPatience;
  tcp_info info{};
  info.tcpi_state = TCP_FIN_WAIT1;
  while (info.tcpi_state == TCP_FIN_WAIT1) {
    CHECK(std::chrono::steady_clock::now() < end);
    std::this_thread::yield();
    socklen_t size = sizeof info;
    CHECK(::getsockopt(fd_.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
  }
  fd_.reset();
}

std::string Peer::receive_to(std::string_view last) {
  for (;;) {
    const size_t found = last.empty() ? std::string::npos : received_.find(last);
    if (found != std::string::npos) {
      std::string text = received_.substr(0, found + last.size());
      received_.erase(0, text.size());
      return text;
    }
    char bytes[4096];
    const ssize_t got = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (got <= 0) return std::exchange(received_, {});
    received_.append(bytes, static_cast<size_t>(got));
  }
}

bool Peer::has_bytes() const {
  char byte = 0;
  return !received_.empty() || ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

SourceRig::SourceRig(uint64_t spool_bytes_max)
    : router_(router_to_all()), threads_(std::make_unique<net::IoThreads>(1)) {
  spool::SpoolOptions options;
  options.ack = spool::AckMode::delivered;
  options.bytes_max = spool_bytes_max;
  spool_ = *spool::Spool::open(options, ledger_, memory_, Clock::system());
  log_ = *spool_->open_stream({kStream, "target", "", 0});
  log_->on_readable([this] {
    const std::lock_guard lock(mutex_);
    may_have_more_ = true;
    readable_.notify_all();
  });
}

// As the daemon does: sessions stand still before what they refer to goes.
SourceRig::~SourceRig() {
  threads_->stop();
  log_->on_readable(nullptr);
  taken_.clear();
  spool_.reset();
  if (source_) source_->release_listeners();
  threads_.reset();
}

void SourceRig::start() {
  const std::string address = source_->status().address;
  port_ = static_cast<uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
  threads_->start();
  source_->start();
}

std::vector<std::string> SourceRig::take_entry() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      may_have_more_ = false;
    }
    if (auto entry = log_->read()) {
      std::vector<std::string> events;
      record::EventView event;
      for (record::EntryReader reader(*entry->batch); reader.next(event);) {
        events.emplace_back(as_text(event.record));
      }
      taken_.push_back(std::move(*entry));
      return events;
    }
    std::unique_lock lock(mutex_);
    if (!readable_.wait_for(lock, kPatience, [this] { return may_have_more_; })) return {};
  }
}

bool SourceRig::has_no_entry() {
  auto entry = log_->read();
  if (entry) taken_.push_back(std::move(*entry));
  return !entry;
}

void SourceRig::deliver_entry() {
  CHECK(!taken_.empty());
  const spool::Entry entry = std::move(taken_.front());
  taken_.erase(taken_.begin());
  ledger_.deliver(kStream, entry.batch->event_count);
  log_->release(entry.position);
}

uint64_t SourceRig::received() const {
  uint64_t all = 0;
  for (const auto& [source, count] : ledger_.snapshot().received) all += count;
  return all;
}

void SourceRig::wait_refused(std::string_view reason, uint64_t count) {
  auto& refused = metrics_.messages_refused.with(source_->name(), reason);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (refused.value() < count) {
    CHECK(std::chrono::steady_clock::now() < end);
    std::this_thread::yield();
  }
}

}  // namespace penstock::ingest
