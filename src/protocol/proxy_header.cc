#include "protocol/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/big_endian.h"

namespace penstock::protocol {
namespace {

constexpr std::string_view kLineStart = "PROXY ";
constexpr size_t kLineMax = 107;  // CR LF included
constexpr size_t kLineMin = 15;   // "PROXY UNKNOWN" CR LF
constexpr size_t kBlockHeadSize = 16;

std::string with_port(int family, const void* address, uint16_t port) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(family, address, text.data(), text.size()) == nullptr) return {};
  const std::string host = family == AF_INET6 ? "[" + std::string(text.data()) + "]" : text.data();
  return host + ":" + std::to_string(port);
}

bool starts_as(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start.substr(0, text.size());
}

std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

bool read_port(std::string_view text, uint16_t& port) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

// "TCP4 192.0.2.1 198.51.100.1 56324 443"
ProxyRead read_line(std::string_view line, ProxyHeader& header) {
  const std::string_view family_name = take_word(line);
  if (family_name == "UNKNOWN") return ProxyRead::done;
  const int family = family_name == "TCP6" ? AF_INET6 : AF_INET;
  if (family_name != "TCP4" && family_name != "TCP6") return ProxyRead::malformed;
  const std::string source(take_word(line));
  const std::string destination(take_word(line));
  std::array<uint8_t, 16> address{};
  std::array<uint8_t, 16> ignored{};
  uint16_t port = 0;
  uint16_t ignored_port = 0;
  const bool reads = ::inet_pton(family, source.c_str(), address.data()) == 1 &&
                     ::inet_pton(family, destination.c_str(), ignored.data()) == 1 &&
                     read_port(take_word(line), port) && read_port(take_word(line), ignored_port);
  if (!reads || !line.empty()) return ProxyRead::malformed;
  header.peer = with_port(family, address.data(), port);
  return ProxyRead::done;
}

ProxyRead read_version_1(std::string_view text, ProxyHeader& header) {
  const std::string_view said = text.substr(kLineStart.size());
  if (!starts_as(said, "TCP4 ") && !starts_as(said, "TCP6 ") && !starts_as(said, "UNKNOWN")) {
    return ProxyRead::malformed;
  }
  const size_t end = text.substr(0, kLineMax).find('\n');
  if (end == std::string_view::npos) {
    header.size = std::max(kLineMin, text.size() + 1);
    return text.size() < kLineMax ? ProxyRead::need_bytes : ProxyRead::malformed;
  }
  if (text[end - 1] != '\r') return ProxyRead::malformed;
  header.size = end + 1;
  return read_line(text.substr(kLineStart.size(), end - 1 - kLineStart.size()), header);
}

ProxyRead read_version_2(ByteView bytes, ProxyHeader& header) {
  constexpr uint8_t kLocal = 0x20;
  constexpr uint8_t kProxy = 0x21;
  constexpr uint8_t kTcp4 = 0x11;
  constexpr uint8_t kTcp6 = 0x21;
  header.size = kBlockHeadSize;
  if (bytes.size() < kBlockHeadSize) {
    header.size = std::max(kLineMin, bytes.size() + 1);
    return ProxyRead::need_bytes;
  }
  const uint8_t command = bytes[12];
  const uint8_t family = bytes[13];
  const size_t rest = load_be<uint16_t>(bytes.data() + 14);
  header.size = kBlockHeadSize + rest;
  if ((command != kLocal && command != kProxy) || header.size > kProxyHeaderMax) {
    return ProxyRead::malformed;
  }
  const bool has_addresses = command == kProxy && (family == kTcp4 || family == kTcp6);
  const size_t address_size = family == kTcp4 ? 4 : 16;
  if (has_addresses && rest < 2 * address_size + 4) return ProxyRead::malformed;
  if (bytes.size() < header.size) return ProxyRead::need_bytes;
  if (has_addresses) {
    const uint8_t* const source = bytes.data() + kBlockHeadSize;
    header.peer = with_port(family == kTcp4 ? AF_INET : AF_INET6, source,
                            load_be<uint16_t>(source + 2 * address_size));
  }
  return ProxyRead::done;
}

}  // namespace

ProxyRead read_proxy_header(ByteView bytes, ProxyHeader& header) {
  header = {};
  if (starts_as(as_text(bytes), kLineStart)) {
    header.size = kLineMin;
    if (bytes.size() < kLineStart.size()) return ProxyRead::need_bytes;
    return read_version_1(as_text(bytes), header);
  }
  if (starts_as(as_text(bytes), as_text(kProxySignature))) return read_version_2(bytes, header);
  return ProxyRead::none;
}

}  // namespace penstock::protocol
