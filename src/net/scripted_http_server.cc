#include "net/scripted_http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "base/check.h"

namespace penstock::net {
namespace {

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

bool receive(int fd, std::string& pending) {
  char bytes[65536];
  const ssize_t received = ::recv(fd, bytes, sizeof bytes, 0);
  if (received <= 0) return false;
  pending.append(bytes, static_cast<size_t>(received));
  return true;
}

void reset_on_close(int fd) {
  const linger at_once{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace

ScriptedHttpServer::ScriptedHttpServer(Script script) : script_(std::move(script)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  CHECK(::listen(listener_, 64) == 0);
  CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_connections(); });
}

ScriptedHttpServer::~ScriptedHttpServer() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_fds_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
}

std::string ScriptedHttpServer::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

std::vector<ScriptedHttpServer::Request> ScriptedHttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void ScriptedHttpServer::close_connections() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (open_fds_.empty()) return;
      for (const int fd : open_fds_) ::shutdown(fd, SHUT_RDWR);
    }
    std::this_thread::yield();
  }
}

void ScriptedHttpServer::accept_connections() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const int number = ++connections_;
    {
      const std::lock_guard lock(mutex_);
      open_fds_.push_back(fd);
      if (stopping_) ::shutdown(fd, SHUT_RDWR);
    }
    threads_.emplace_back([this, fd, number] { serve(fd, number); });
  }
}

void ScriptedHttpServer::serve(int fd, int number) {
  std::string pending;
  Request request;
  while (read_request(fd, pending, request)) {
    request.connection = number;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    Reply reply;
    {
      const std::lock_guard lock(script_mutex_);
      reply = script_(request);
    }
    if (!reply_to(fd, reply)) break;
    request = {};
  }
  const std::lock_guard lock(mutex_);
  open_fds_.erase(std::find(open_fds_.begin(), open_fds_.end(), fd));
  ::close(fd);
}

bool ScriptedHttpServer::read_request(int fd, std::string& pending, Request& request) {
  size_t end = 0;
  while ((end = pending.find("\r\n\r\n")) == std::string::npos) {
    if (!receive(fd, pending)) return false;
  }
  const std::string head = pending.substr(0, end + 2);
  pending.erase(0, end + 4);
  size_t line_start = 0;
  for (size_t line_end = 0; (line_end = head.find("\r\n", line_start)) != std::string::npos;
       line_start = line_end + 2) {
    const std::string line = head.substr(line_start, line_end - line_start);
    if (line_start == 0) {
      const size_t space = line.find(' ');
      request.method = line.substr(0, space);
      request.target = line.substr(space + 1, line.rfind(' ') - space - 1);
      continue;
    }
    std::string name = line.substr(0, line.find(':'));
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    request.headers[name] = line.substr(std::min(line.size(), name.size() + 2));
  }
  const auto length = request.headers.find("content-length");
  const size_t body_size = length == request.headers.end() ? 0 : std::stoul(length->second);
  const size_t cut_after = cut_after_.load();
  while (pending.size() < body_size) {
    if (cut_after != 0 && pending.size() >= cut_after) {
      reset_on_close(fd);
      return false;
    }
    if (!receive(fd, pending)) return false;
  }
  request.body = pending.substr(0, body_size);
  pending.erase(0, body_size);
  return true;
}

bool ScriptedHttpServer::reply_to(int fd, const Reply& reply) {
  using Action = Reply::Action;
  if (reply.action == Action::close) return false;
  if (reply.action == Action::hang) {
    std::string ignored;
    while (receive(fd, ignored)) ignored.clear();
    return false;
  }
  if (reply.action == Action::garbage) {
    send_all(fd, "\x16\x03\x01 this is not HTTP\r\n\r\n");
    return false;
  }
  std::string bytes = "HTTP/1.1 " + std::to_string(reply.status) + " Scripted\r\n";
  bytes += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
  for (const std::string& header : reply.headers) bytes += header + "\r\n";
  bytes += "\r\n" + reply.body;
  if (reply.action == Action::close_midway) bytes.resize(bytes.size() - reply.body.size() / 2);
  send_all(fd, bytes);
  return reply.action == Action::answer;
}

}  // namespace penstock::net
