#include "net/proxy_rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/text.h"

namespace penstock::net {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// 4 bytes of an IPv4 address (also one written inside IPv6), 16 of another IPv6 one, else none.
std::vector<uint8_t> address_of(const std::string& host) {
  uint8_t bytes[16];
  if (::inet_pton(AF_INET, host.c_str(), bytes) == 1) return {bytes, bytes + 4};
  if (::inet_pton(AF_INET6, host.c_str(), bytes) != 1) return {};
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped, kMapped + 12, bytes)) return {bytes + 12, bytes + 16};
  return {bytes, bytes + 16};
}

// Whether the first `bits` of both are the same.
bool shares_prefix(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b, int bits) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; bits > 0; ++i, bits -= 8) {
    const auto mask = static_cast<uint8_t>(bits >= 8 ? 0xff : 0xff << (8 - bits));
    if (((a[i] ^ b[i]) & mask) != 0) return false;
  }
  return true;
}

template <class Number>
bool parse_number(std::string_view text, Number& number) {
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

// host, host:port, [v6], [v6]:port; a bare IPv6 address has no port. False: the port is none.
bool split_port(std::string_view text, std::string& host, uint16_t& port) {
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    host = lowercase(text.substr(1, close - 1));
    text.remove_prefix(close + 1);
    return text.empty() || text == ":" || (text[0] == ':' && parse_number(text.substr(1), port));
  }
  const size_t colon = text.find(':');
  const bool has_port = colon != std::string_view::npos && colon == text.rfind(':');
  host = lowercase(text.substr(0, has_port ? colon : text.size()));
  return !has_port || colon + 1 == text.size() || parse_number(text.substr(colon + 1), port);
}

std::string first_of(const ProxyRules::Variables& variables, const char* one, const char* other) {
  std::string value(trimmed(variables(one), kBlanks));
  return value.empty() ? std::string(trimmed(variables(other), kBlanks)) : value;
}

}  // namespace

ProxyRules::ProxyRules(const Variables& variables) {
  const std::string all = first_of(variables, "all_proxy", "ALL_PROXY");
  // In a CGI program HTTP_PROXY is a header of whoever asks.
  const bool is_cgi = !variables("REQUEST_METHOD").empty();
  http_proxy_ = first_of(variables, "http_proxy", is_cgi ? "http_proxy" : "HTTP_PROXY");
  https_proxy_ = first_of(variables, "https_proxy", "HTTPS_PROXY");
  if (http_proxy_.empty()) http_proxy_ = all;
  if (https_proxy_.empty()) https_proxy_ = all;

  const std::string exceptions = first_of(variables, "no_proxy", "NO_PROXY");
  std::string_view rest = exceptions;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find_first_of(", \t\r\n"), rest.size());
    add_exception(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

ProxyRules ProxyRules::of_process() {
  return ProxyRules([](const char* name) -> std::string {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
  });
}

// What cannot be understood excepts nothing, as in Go.
void ProxyRules::add_exception(std::string_view text) {
  if (text.empty()) return;
  if (text == "*") {
    never_ = true;
    return;
  }
  Exception made;
  if (const size_t slash = text.find('/'); slash != std::string_view::npos) {
    made.address = address_of(std::string(text.substr(0, slash)));
    const int bits_max = static_cast<int>(made.address.size()) * 8;
    if (!parse_number(text.substr(slash + 1), made.prefix_bits)) return;
    if (made.address.empty() || made.prefix_bits < 0 || made.prefix_bits > bits_max) return;
    exceptions_.push_back(std::move(made));
    return;
  }
  if (!split_port(text, made.host, made.port)) return;
  made.address = address_of(made.host);
  if (made.host.starts_with("*.")) {
    made.below_only = true;
    made.host.erase(0, 2);
  }
  made.host.erase(0, made.host.find_first_not_of('.'));
  while (made.host.ends_with('.')) made.host.pop_back();
  if (!made.host.empty()) exceptions_.push_back(std::move(made));
}

bool ProxyRules::is_exception(const std::string& host, uint16_t port) const {
  if (never_) return true;
  const std::vector<uint8_t> address = address_of(host);
  return std::any_of(exceptions_.begin(), exceptions_.end(), [&](const Exception& each) {
    if (each.port != 0 && each.port != port) return false;
    if (each.prefix_bits >= 0) return shares_prefix(each.address, address, each.prefix_bits);
    if (!each.address.empty()) return each.address == address;
    if (host == each.host) return !each.below_only;
    return host.size() > each.host.size() && host.ends_with(each.host) &&
           host[host.size() - each.host.size() - 1] == '.';
  });
}

std::string ProxyRules::proxy_for(std::string_view url) const {
  const bool is_https = lowercase(url.substr(0, 8)) == "https://";
  const std::string& proxy = is_https ? https_proxy_ : http_proxy_;
  if (proxy.empty()) return {};
  const size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return {};
  std::string_view authority = url.substr(scheme_end + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
    authority.remove_prefix(at + 1);
  }
  std::string host;
  uint16_t port = is_https ? 443 : 80;
  if (!split_port(authority, host, port)) return {};
  while (host.ends_with('.')) host.pop_back();
  return is_exception(host, port) ? std::string() : proxy;
}

}  // namespace penstock::net
