// host:port as people write it, taken apart; the one parser of it. Pure. Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::net {

struct HostPort {
  std::string host;  // as written, without brackets; may be empty
  uint16_t port = 0;
};
// localhost:24224, 127.0.0.1:24224, [::1]:24224, :24224. An error is the sentence that says what
// was expected.
[[nodiscard]] Result<HostPort, std::string> parse_host_port(std::string_view text);

// What to listen on. Port 0: the system chooses one.
struct ListenAddress {
  std::string host = "0.0.0.0";  // without brackets; "::" is every address of both families
  uint16_t port = 0;
  bool operator==(const ListenAddress&) const = default;
};
// As parse_host_port(); an empty host, `*` and `[::]` are every address of both families.
[[nodiscard]] Result<ListenAddress, std::string> parse_listen_address(std::string_view text);
[[nodiscard]] std::string to_string(const ListenAddress& address);  // brackets where needed

// Whether only this host reaches it: localhost, 127.x.x.x, ::1.
[[nodiscard]] bool is_loopback(const ListenAddress& address);

// Whether a socket on one keeps a socket from the other.
[[nodiscard]] bool overlap(const ListenAddress& a, const ListenAddress& b);

}  // namespace penstock::net
