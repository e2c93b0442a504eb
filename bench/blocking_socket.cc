#include "bench/blocking_socket.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "net/listen_socket.h"

namespace penstock::bench {
namespace {

constexpr timeval kAnswerTime{60, 0};  // nothing of a bench may hang for ever

}  // namespace

void die(const std::string& message) {
  std::fprintf(stderr, "bench: %s\n", message.c_str());
  std::exit(1);
}

BlockingSocket& BlockingSocket::operator=(BlockingSocket&& other) noexcept {
  if (this != &other) {
    SSL_free(ssl_);
    ssl_ = std::exchange(other.ssl_, nullptr);
    fd_ = std::move(other.fd_);
  }
  return *this;
}

ssize_t BlockingSocket::read_some(std::span<uint8_t> room) {
  if (ssl_ != nullptr) {
    size_t got = 0;
    if (SSL_read_ex(ssl_, room.data(), room.size(), &got) == 1) return static_cast<ssize_t>(got);
    return SSL_get_error(ssl_, 0) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
  }
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), room.data(), room.size(), 0);
    if (got >= 0 || errno != EINTR) return got;
  }
}

bool BlockingSocket::write_all(ByteView bytes) {
  while (!bytes.empty()) {
    size_t put = 0;
    if (ssl_ != nullptr) {
      if (SSL_write_ex(ssl_, bytes.data(), bytes.size(), &put) != 1) return false;
    } else {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return false;
      put = static_cast<size_t>(sent);
    }
    bytes = bytes.subspan(put);
  }
  return true;
}

Address parse_address(const std::string& text) {
  const auto address = net::parse_host_port(text);
  if (!address) die("'" + text + "': " + address.error());
  return {address->host, address->port};
}

namespace {

sockaddr_in to_native(const Address& address) {
  sockaddr_in native{};
  native.sin_family = AF_INET;
  native.sin_port = htons(address.port);
  if (::inet_pton(AF_INET, address.host.c_str(), &native.sin_addr) != 1) {
    die("'" + address.host + "' is not an IPv4 address");
  }
  return native;
}

}  // namespace

UniqueFd listen_on(const Address& address, uint16_t* port) {
  auto fd = net::open_listen_socket({address.host, address.port}, net::Transport::tcp);
  if (!fd) die("cannot listen: " + fd.error().message);
  if (::listen(fd->get(), 1024) != 0) die("cannot listen: " + std::string(std::strerror(errno)));
  *port = port_of(net::local_address(*fd));
  return std::move(*fd);
}

UniqueFd connect_to(const Address& address) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in native = to_native(address);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&native), sizeof native) != 0) {
    die("cannot connect to port " + std::to_string(address.port) + ": " + std::strerror(errno));
  }
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTime, sizeof kAnswerTime);
  return fd;
}

SSL_CTX* client_context() {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  return context;
}

SSL_CTX* server_context(const std::string& certificate, const std::string& key) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    die("cannot read " + certificate + " or " + key);
  }
  SSL_CTX_set_read_ahead(context, 1);
  return context;
}

BlockingSocket with_tls(UniqueFd fd, SSL_CTX* context, bool is_server) {
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd.get());
  const int result = is_server ? SSL_accept(ssl) : SSL_connect(ssl);
  if (result != 1) {
    SSL_free(ssl);
    return {};
  }
  return {std::move(fd), ssl};
}

}  // namespace penstock::bench
