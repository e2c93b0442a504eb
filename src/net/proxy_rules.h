// ProxyRules: which proxy a request goes by, as http_proxy, https_proxy, all_proxy and no_proxy of
// the environment say, read as Go's and Python's HTTP clients (and so the AWS tools) do; libcurl
// alone knows neither CIDR, nor ports, nor wildcards in no_proxy.
//
// Pure. Thread: any.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::net {

class ProxyRules {
 public:
  // The variable's value; "" when it is not set.
  using Variables = std::function<std::string(const char* name)>;

  ProxyRules() = default;  // no proxy at all
  explicit ProxyRules(const Variables& variables);
  [[nodiscard]] static ProxyRules of_process();

  // The proxy's URL for an http(s) URL; "": none.
  [[nodiscard]] std::string proxy_for(std::string_view url) const;

 private:
  // One entry of no_proxy.
  struct Exception {
    std::string host;              // of names in lower case, without "*." or a dot in front
    uint16_t port = 0;             // 0: any
    bool below_only = false;       // "*.domain": not the domain itself
    std::vector<uint8_t> address;  // 4 or 16 bytes; empty: a name
    int prefix_bits = -1;          // of a CIDR range; -1: the whole address
  };
  void add_exception(std::string_view text);
  [[nodiscard]] bool is_exception(const std::string& host, uint16_t port) const;

  std::string http_proxy_;
  std::string https_proxy_;
  std::vector<Exception> exceptions_;
  bool never_ = false;  // no_proxy: *
};

}  // namespace penstock::net
