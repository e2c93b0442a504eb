// TlsContext: certificate, key and rules of a TLS listener, loaded once and shared by its
// connections; a renewed certificate makes a new one, and old connections keep theirs.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace penstock::net {

class TlsContext {
 public:
  struct Options {
    std::string certificate_file;  // PEM, leaf first
    std::string key_file;          // PEM, without passphrase
    std::string client_ca_file;  // PEM; not empty: clients must present a certificate signed by it
    bool tls13_only = false;
    std::string ciphers = {};  // read_tls_ciphers(); empty: the defaults
  };

  // Errors name the file and the cure.
  static Result<std::shared_ptr<const TlsContext>, Error> load(const Options& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  [[nodiscard]] SSL_CTX* native() const { return context_; }
  [[nodiscard]] const std::string& subject() const { return subject_; }
  [[nodiscard]] WallTime expiry() const { return expiry_; }

 private:
  explicit TlsContext(SSL_CTX* context) : context_(context) {}

  SSL_CTX* context_;
  std::string subject_;
  WallTime expiry_;
};

}  // namespace penstock::net
