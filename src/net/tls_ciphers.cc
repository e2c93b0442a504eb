#include "net/tls_ciphers.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <memory>

namespace penstock::net {
namespace {

// RFC 7919 groups and forward secrecy only; TLS 1.2 stays because every Fluentd generation pins it.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM";
// Whatever a list says: peers are never without a certificate or encryption.
constexpr const char* kNever = ":!aNULL:!eNULL";

// In FIPS mode OpenSSL does without these, and the cluster's TLS profile may still name them.
constexpr std::array<std::string_view, 4> kMayBeMissing = {
    "TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    "DHE-RSA-CHACHA20-POLY1305"};

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

bool has_tls13_cipher(const SSL_CTX* context) {
  const STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(context);
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    if (std::string_view(SSL_CIPHER_get_version(sk_SSL_CIPHER_value(ciphers, i))) == "TLSv1.3") {
      return true;
    }
  }
  return false;
}

// Whether OpenSSL has at least one cipher of the list. It takes any TLS 1.3 suite whose name it
// knows, also where FIPS mode leaves no algorithm behind the name.
bool offers(SSL_CTX* context, const std::string& list, bool is_tls13) {
  const int done = is_tls13 ? SSL_CTX_set_ciphersuites(context, list.c_str())
                            : SSL_CTX_set_cipher_list(context, list.c_str());
  ERR_clear_error();
  return done == 1 && (!is_tls13 || has_tls13_cipher(context));
}

// "!SHA1", "-SHA" and "+RSA" change a list, "@STRENGTH" orders it.
bool is_operation(std::string_view name) {
  return std::string_view("!-+@").find(name[0]) != std::string_view::npos;
}

bool may_be_missing(std::string_view name) {
  return std::find(kMayBeMissing.begin(), kMayBeMissing.end(), name) != kMayBeMissing.end();
}

}  // namespace

Result<TlsCiphers, std::string> read_tls_ciphers(std::string_view list) {
  const std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return failure(std::string("OpenSSL makes no TLS context"));
  TlsCiphers ciphers;
  while (!list.empty()) {
    const size_t end = std::min(list.find(':'), list.size());
    const std::string name(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
    if (name.empty()) continue;
    const bool is_tls13 = name.starts_with("TLS_");
    // A list is taken when one name of it is known: each is looked at alone.
    if (!is_operation(name) && !offers(context.get(), name, is_tls13)) {
      if (may_be_missing(name)) continue;
      return failure("'" + name + "' is no cipher that " + OpenSSL_version(OPENSSL_VERSION) +
                     " offers");
    }
    std::string& names = is_tls13 ? ciphers.tls13 : ciphers.tls12;
    names += (names.empty() ? "" : ":") + name;
  }
  if (ciphers.tls12.empty()) ciphers.tls12 = kTls12Ciphers;
  if (ciphers.tls13.empty()) ciphers.tls13 = TLS_DEFAULT_CIPHERSUITES;
  if (!offers(context.get(), ciphers.tls12 + kNever, false)) {
    return failure("'" + ciphers.tls12 + "' leaves no cipher for TLS 1.2");
  }
  ciphers.tls12 += kNever;
  return ciphers;
}

}  // namespace penstock::net
