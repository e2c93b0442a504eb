// The PROXY protocol, versions 1 and 2 (haproxy.org/download/2.9/doc/proxy-protocol.txt): the line
// or block that a load balancer puts before a connection it passes on, to say whose it is.
//
//   PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n
//
// Pure; thread: any.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace penstock::protocol {

// Of version 2.
inline constexpr std::array<uint8_t, 12> kProxySignature{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                         0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

struct ProxyHeader {
  size_t size = 0;  // bytes; of need_bytes: so many at least belong to it
  // "192.0.2.1:56324", "[2001:db8::1]:56324"; empty: the balancer's own connection (a health
  // check), or of a kind without addresses: the peer is who it is.
  std::string peer;
};

enum class ProxyRead : uint8_t { done, need_bytes, none, malformed };

constexpr size_t kProxyHeaderMax = 4096;  // of version 2, with what it may carry beside addresses

// bytes: all that has come of the connection. What stands behind the header is not looked at.
[[nodiscard]] ProxyRead read_proxy_header(ByteView bytes, ProxyHeader& header);

}  // namespace penstock::protocol
