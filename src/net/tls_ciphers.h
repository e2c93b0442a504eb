// tls.ciphers: which cipher suites a TLS server offers. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::net {

// By version, as OpenSSL takes them.
struct TlsCiphers {
  std::string tls12;
  std::string tls13;
};

// list: OpenSSL's names joined by ':'. Names that begin with TLS_ are suites of TLS 1.3, the others
// of TLS 1.2; a version that none is given for keeps its default. The error says what is wrong.
[[nodiscard]] Result<TlsCiphers, std::string> read_tls_ciphers(std::string_view list);

}  // namespace penstock::net
