// Any bytes as the beginning of a connection: a PROXY header is the same however it is cut, and no
// byte behind it belongs to it.
#include "base/check.h"
#include "protocol/opening.h"
#include "protocol/proxy_header.h"

using namespace penstock;
using protocol::ProxyRead;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(data, size);
  protocol::ProxyHeader whole;
  const ProxyRead read = protocol::read_proxy_header(bytes, whole);
  if (read == ProxyRead::done) {
    CHECK(whole.size <= size);
    protocol::ProxyHeader cut;
    CHECK(protocol::read_proxy_header(bytes.first(whole.size), cut) == ProxyRead::done);
    CHECK(cut.peer == whole.peer && cut.size == whole.size);
    CHECK(protocol::read_proxy_header(bytes.first(whole.size - 1), cut) == ProxyRead::need_bytes);
    CHECK(protocol::opening_of(bytes) == protocol::Opening::proxy);
  }
  if (read == ProxyRead::need_bytes) CHECK(whole.size > size);
  (void)protocol::opening_of(bytes);
  return 0;
}
