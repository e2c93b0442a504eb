// The address of a peer, whose name is "address:port" (net::Stream::peer()): the same sender comes
// back from other ports.
#pragma once

#include <string_view>

namespace penstock::ingest {

[[nodiscard]] inline std::string_view address_of(std::string_view peer) {
  return peer.substr(0, peer.rfind(':'));
}

}  // namespace penstock::ingest
