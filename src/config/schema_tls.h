// The section `tls` of a source. Only schema.cc includes it.
#pragma once

#include "config/option.h"
#include "net/tls_ciphers.h"

namespace penstock::config {

// One text as OpenSSL and nginx write it, or a list of names.
struct CipherListCodec : Codec<std::string> {
  static std::string type() { return "names"; }
  static void read(NodeReader& reader, const YAML::Node& node, std::string& out) {
    if (node.IsSequence()) {
      std::vector<std::string> names;
      Codec<std::vector<std::string>>::read(reader, node, names);
      for (const std::string& name : names) out += (out.empty() ? "" : ":") + name;
      if (names.empty()) reader.complain(node, "names no cipher", "name some, or remove the key");
    } else {
      Codec<std::string>::read(reader, node, out);
    }
    if (const auto read = net::read_tls_ciphers(out); !read) {
      reader.complain(node, reader.without_values(read.error()),
                      "use names that `openssl ciphers` lists");
    }
  }
};

template <>
struct Section<TlsServerOptions> {
  using T = TlsServerOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::cert, FileCodec>({"cert", "Certificate chain, PEM."}),
        option<T, &T::key, FileCodec>({"key", "Its private key, PEM."}),
        option<T, &T::client_ca, FileCodec>(
            {"client_ca",
             "If present, clients must present a certificate signed by one of these authorities."}),
        option<T, &T::min_version>({"min_version", "Lowest accepted TLS version."}),
        option<T, &T::ciphers, CipherListCodec>(
            {"ciphers",
             "Cipher suites to offer, by OpenSSL's names, as a list or separated by `:`. Names "
             "that "
             "begin with `TLS_` belong to TLS 1.3, others to TLS 1.2. A version without any keeps "
             "its default.",
             false, "forward secret AEAD suites"}),
    };
    return all;
  }
};

}  // namespace penstock::config
