// Certificates for tests, made on the spot.
#pragma once

#include <cstdint>
#include <string>

namespace penstock::net {

struct TestCertificate {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

struct TestCertificateOptions {
  std::string common_name = "localhost";
  std::string alternative_names = "DNS:localhost,IP:127.0.0.1";  // "": none
  int64_t valid_from = -60;                                      // seconds from now
  int64_t valid_until = 365 * 86'400;
  bool is_authority = false;
  int rsa_bits = 0;                         // 0: P-256
  const TestCertificate* issuer = nullptr;  // null: signed by itself
};

[[nodiscard]] TestCertificate make_test_certificate(const TestCertificateOptions& options = {});

}  // namespace penstock::net
