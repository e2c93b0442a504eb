// What a connection begins with when it speaks another protocol than its port does: so that its
// operator is told which, and no record is made of it.
//
// Pure; thread: any.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace penstock::protocol {

enum class Opening : uint8_t {
  other,      // none of these
  undecided,  // perhaps one of these: more bytes tell
  tls,        // a ClientHello, RFC 8446 section 5.1
  http,       // a request line, "GET / HTTP/1.1", or the preface of HTTP/2
  proxy,      // a PROXY header, see proxy_header.h
};

// bytes: all that has come of the connection.
[[nodiscard]] Opening opening_of(ByteView bytes);

}  // namespace penstock::protocol
