#include "net/listen_address.h"

#include <arpa/inet.h>

#include <charconv>

namespace penstock::net {
namespace {

constexpr std::string_view kExpected =
    "expected host:port, such as 0.0.0.0:24224, [::1]:24224 or :24224";

bool is_ipv4(const std::string& host) {
  in_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& host) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), &address) == 1;
}

// Of two ways to write an address, the one the system would.
std::string canonical(const std::string& host) {
  in6_addr address{};
  char text[INET6_ADDRSTRLEN];
  if (::inet_pton(AF_INET6, host.c_str(), &address) != 1) return host;
  return ::inet_ntop(AF_INET6, &address, text, sizeof text) != nullptr ? text : host;
}

}  // namespace

Result<HostPort, std::string> parse_host_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return failure(std::string(kExpected));
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (!is_ipv6(std::string(host))) {
      return failure(std::string("only an IPv6 address may be in brackets, such as [::1]:24224"));
    }
  } else if (host.find(':') != std::string_view::npos) {
    return failure(std::string("write an IPv6 address in brackets, such as [::1]:24224"));
  }
  if (host.find_first_of(" \t\r\n/[]@\"'") != std::string_view::npos) {
    return failure(std::string(kExpected));
  }
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return failure(std::string(kExpected) + "; a port is 0 to 65535");
  }
  return HostPort{std::string(host), port};
}

Result<ListenAddress, std::string> parse_listen_address(std::string_view text) {
  auto parts = parse_host_port(text);
  if (!parts) return failure(parts.error());
  const bool is_any = parts->host.empty() || parts->host == "*";
  // What can be no name is an address that was mistyped.
  const bool is_numeric = parts->host.find_first_not_of("0123456789.") == std::string::npos;
  if (!is_any && is_numeric && !is_ipv4(parts->host)) {
    return failure("'" + parts->host + "' is no IPv4 address; " + std::string(kExpected));
  }
  return ListenAddress{is_any ? "::" : canonical(parts->host), parts->port};
}

std::string to_string(const ListenAddress& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

bool is_loopback(const ListenAddress& address) {
  return address.host == "localhost" || address.host == "::1" || address.host.starts_with("127.");
}

bool overlap(const ListenAddress& a, const ListenAddress& b) {
  if (a.port != b.port || a.port == 0) return false;
  if (a.host == b.host || a.host == "::" || b.host == "::") return true;
  // 0.0.0.0 is every IPv4 address; of a name nobody knows what it is without a look-up.
  if (a.host == "0.0.0.0") return !is_ipv6(b.host);
  if (b.host == "0.0.0.0") return !is_ipv6(a.host);
  return false;
}

}  // namespace penstock::net
