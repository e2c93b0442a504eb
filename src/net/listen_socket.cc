#include "net/listen_socket.h"

#include <netdb.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace penstock::net {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

bool has_ipv6() {
  const UniqueFd probe(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe) return false;
  // A kernel with IPv6 switched off by sysctl still makes the socket.
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  return ::bind(probe.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0;
}

Error system_error(const std::string& what) {
  return Error{Error::Kind::failure, what + std::strerror(errno)};
}

Result<UniqueFd, Error> bind_socket(const BoundAddress& address, Transport transport) {
  const int type = (transport == Transport::tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC;
  UniqueFd fd(::socket(address.family(), type, 0));
  if (!fd) return failure(system_error(""));
  const int on = 1;
  const int off = 0;
  if (transport == Transport::tcp) {
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  if (address.family() == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
    const bool is_any = std::memcmp(&v6.sin6_addr, &in6addr_any, sizeof in6addr_any) == 0;
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, is_any ? &off : &on, sizeof on);
  }
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) {
    return failure(system_error(""));
  }
  return fd;
}

}  // namespace

Result<BoundAddress, Error> resolve(const ListenAddress& address) {
  const std::string host = address.host == "::" && !has_ipv6() ? "0.0.0.0" : address.host;
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int problem =
      ::getaddrinfo(host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  if (problem != 0) {
    return usage_error("'" + host + "' is not an address to listen on (" + ::gai_strerror(problem) +
                       "): write host:port, such as 0.0.0.0:24224 or [::]:24224");
  }
  const addrinfo* chosen = addresses.get();
  for (const addrinfo* each = chosen; each != nullptr; each = each->ai_next) {
    if (each->ai_family != AF_INET) continue;
    chosen = each;
    break;
  }
  BoundAddress bound;
  std::memcpy(&bound.storage, chosen->ai_addr, chosen->ai_addrlen);
  bound.size = chosen->ai_addrlen;
  return bound;
}

Result<UniqueFd, Error> open_listen_socket(const ListenAddress& address, Transport transport) {
  const auto resolved = resolve(address);
  if (!resolved) return failure(resolved.error());
  return bind_socket(*resolved, transport);
}

Result<void, Error> check_listen_address(const ListenAddress& address) {
  const auto resolved = resolve({address.host, 0});
  if (!resolved) return failure(resolved.error());
  const auto bound = bind_socket(*resolved, Transport::tcp);
  if (!bound) {
    return run_error("this machine cannot listen on " + address.host + ": " +
                     bound.error().message);
  }
  return {};
}

BoundAddress local_address(const UniqueFd& socket) {
  BoundAddress address;
  address.size = sizeof address.storage;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  return address;
}

uint16_t port_of(const BoundAddress& address) {
  if (address.family() == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in&>(address.storage).sin_port);
}

}  // namespace penstock::net
