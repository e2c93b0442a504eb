#include "cli/send/connection.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/listen_address.h"

namespace penstock::cli {
namespace {

std::string openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "connection closed";
  const char* const reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "TLS error";
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, FreeContext>;

Result<ContextPtr, Error> make_context(const Target& target) {
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context) return run_error("TLS: " + openssl_error());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_AUTO_RETRY |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Peers that close without close_notify are common; an ack tells whether something is missing.
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  if (target.insecure) return context;
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const bool loaded = target.ca_file.empty()
                          ? SSL_CTX_set_default_verify_paths(context.get()) == 1
                          : SSL_CTX_load_verify_file(context.get(), target.ca_file.c_str()) == 1;
  if (!loaded) {
    return usage_error("--ca " + target.ca_file + ": " + openssl_error() +
                       "; name a PEM file of CA certificates");
  }
  return context;
}

bool is_ip_address(const std::string& host) {
  uint8_t address[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), address) == 1;
}

}  // namespace

Result<Target, Error> parse_target(std::string_view flag, std::string_view text) {
  const auto address = net::parse_host_port(text);
  if (!address)
    return usage_error(std::string(flag) + " " + std::string(text) + ": " + address.error());
  Target target;
  target.host = address->host.empty() ? "localhost" : address->host;
  target.port = address->port;
  return target;
}

void Connection::FreeSsl::operator()(ssl_st* ssl) const { SSL_free(ssl); }

Result<Connection, Error> Connection::open(const Target& target, SteadyTime deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int looked_up =
      ::getaddrinfo(target.host.c_str(), std::to_string(target.port).c_str(), &hints, &found);
  if (looked_up != 0)
    return run_error(target.name() + ": " + ::gai_strerror(looked_up) + kCheckAddress);
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);

  std::string problem = "no address";
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    UniqueFd fd(::socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return run_error(std::string("socket: ") + std::strerror(errno));
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection connection(std::move(fd), target.name());
    const int began = ::connect(connection.fd_.get(), address->ai_addr, address->ai_addrlen);
    if (began != 0 && errno == EINPROGRESS) {
      if (const auto waited = connection.wait(POLLOUT, deadline); !waited) {
        problem = waited.error().message;
        continue;
      }
    }
    int error = began == 0 || errno == EINPROGRESS ? 0 : errno;
    socklen_t size = sizeof error;
    if (error == 0) ::getsockopt(connection.fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      problem = target.name() + ": " + std::strerror(error) + kCheckAddress;
      continue;
    }
    if (target.tls) {
      if (const auto shaken = connection.start_tls(target, deadline); !shaken) {
        return failure(shaken.error());
      }
    }
    return connection;
  }
  return run_error(problem);
}

Result<void, Error> Connection::start_tls(const Target& target, SteadyTime deadline) {
  const auto context = make_context(target);
  if (!context) return failure(context.error());
  ssl_.reset(SSL_new(context->get()));
  if (!ssl_) return run_error("TLS: " + openssl_error());
  SSL_set_fd(ssl_.get(), fd_.get());
  if (is_ip_address(target.host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), target.host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl_.get(), target.host.c_str());
    SSL_set1_host(ssl_.get(), target.host.c_str());
  }
  for (;;) {
    ERR_clear_error();
    const int result = SSL_connect(ssl_.get());
    if (result == 1) return {};
    const long verdict = SSL_get_verify_result(ssl_.get());
    if (verdict != X509_V_OK && !target.insecure) {
      return run_error(name_ + ": the server's certificate: " +
                       X509_verify_cert_error_string(verdict) + "; name its CA with --ca");
    }
    if (const auto waited = wait_for_ssl(result, deadline); !waited) return waited;
  }
}

Result<void, Error> Connection::wait(short events, SteadyTime deadline) const {
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::system().steady()).count();
  pollfd poll_for{.fd = fd_.get(), .events = events, .revents = 0};
  const int ready = ::poll(&poll_for, 1, static_cast<int>(std::clamp<long>(left, 0, 3'600'000)));
  if (ready > 0 || (ready < 0 && errno == EINTR)) return {};
  if (ready < 0) return run_error(name_ + ": " + std::strerror(errno));
  return run_error(name_ + ": no answer in time");
}

Result<void, Error> Connection::wait_for_ssl(int result, SteadyTime deadline) const {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return wait(POLLIN, deadline);
    case SSL_ERROR_WANT_WRITE:
      return wait(POLLOUT, deadline);
    case SSL_ERROR_SYSCALL:
      return run_error(name_ + ": " + (errno != 0 ? std::strerror(errno) : "connection closed"));
    default:
      return run_error(name_ + ": TLS: " + openssl_error());
  }
}

Result<void, Error> Connection::write(ByteView bytes, SteadyTime deadline) {
  while (!bytes.empty()) {
    if (ssl_) {
      ERR_clear_error();
      size_t written = 0;
      const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
      if (result == 1) {
        bytes = bytes.subspan(written);
      } else if (const auto waited = wait_for_ssl(result, deadline); !waited) {
        return waited;
      }
      continue;
    }
    const ssize_t written = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      if (const auto waited = wait(POLLOUT, deadline); !waited) return waited;
    } else if (errno != EINTR) {
      return run_error(name_ + ": " + std::strerror(errno));
    }
  }
  return {};
}

Result<size_t, Error> Connection::read_some(std::span<uint8_t> into, SteadyTime deadline) {
  for (;;) {
    if (ssl_) {
      ERR_clear_error();
      size_t got = 0;
      const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
      if (result == 1) return got;
      if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN) {
        end_ = End::orderly;
        return size_t{0};
      }
      if (const auto waited = wait_for_ssl(result, deadline); !waited) {
        return failure(waited.error());
      }
      continue;
    }
    const ssize_t got = ::recv(fd_.get(), into.data(), into.size(), 0);
    if (got >= 0) {
      if (got == 0) end_ = End::orderly;
      return static_cast<size_t>(got);
    }
    if (errno == EAGAIN) {
      if (const auto waited = wait(POLLIN, deadline); !waited) return failure(waited.error());
    } else if (errno != EINTR) {
      end_ = End::broken;
      return run_error(name_ + ": " + std::strerror(errno));
    }
  }
}

void Connection::end_writing() {
  if (ssl_) SSL_shutdown(ssl_.get());
  ::shutdown(fd_.get(), SHUT_WR);
}

}  // namespace penstock::cli
