#include "protocol/opening.h"

#include <algorithm>
#include <array>

#include "protocol/proxy_header.h"

namespace penstock::protocol {
namespace {

// The record header of a handshake, version 3.0 to 3.4.
Opening is_client_hello(ByteView bytes) {
  constexpr uint8_t kHandshake = 0x16;
  if (bytes[0] != kHandshake) return Opening::other;
  if (bytes.size() > 1 && bytes[1] != 3) return Opening::other;
  if (bytes.size() < 3) return Opening::undecided;
  return bytes[2] <= 4 ? Opening::tls : Opening::other;
}

// Method, target, version and CR LF, nothing less: a log may quote a request.
Opening is_request_line(std::string_view text) {
  constexpr size_t kLineMax = 8_KiB;
  constexpr std::array<std::string_view, 10> kMethods{"GET ",    "HEAD ",    "POST ",  "PUT ",
                                                      "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ",
                                                      "TRACE ",  "PRI "};
  const auto* const method =
      std::find_if(kMethods.begin(), kMethods.end(), [&](std::string_view name) {
        return text.substr(0, name.size()) == name.substr(0, text.size());
      });
  if (method == kMethods.end()) return Opening::other;
  const size_t end = text.substr(0, kLineMax).find('\n');
  if (end == std::string_view::npos) {
    return text.size() < kLineMax ? Opening::undecided : Opening::other;
  }
  std::string_view line = text.substr(method->size(), end - std::min(end, method->size()));
  if (!line.ends_with('\r')) return Opening::other;
  line.remove_suffix(1);
  const size_t space = line.find(' ');
  const std::string_view version = space == std::string_view::npos ? "" : line.substr(space + 1);
  return space > 0 && version.size() == 8 && version.starts_with("HTTP/") ? Opening::http
                                                                          : Opening::other;
}

Opening is_proxy_header(ByteView bytes) {
  if (as_text(bytes).starts_with(as_text(kProxySignature))) return Opening::proxy;
  ProxyHeader header;
  const ProxyRead read = read_proxy_header(bytes, header);
  if (read == ProxyRead::done) return Opening::proxy;
  return read == ProxyRead::need_bytes ? Opening::undecided : Opening::other;
}

}  // namespace

Opening opening_of(ByteView bytes) {
  if (bytes.empty()) return Opening::undecided;
  for (const Opening opening :
       {is_client_hello(bytes), is_proxy_header(bytes), is_request_line(as_text(bytes))}) {
    if (opening != Opening::other) return opening;
  }
  return Opening::other;
}

}  // namespace penstock::protocol
