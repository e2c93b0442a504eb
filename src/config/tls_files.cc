#include "config/tls_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>

#include "config/secret_ref.h"

namespace penstock::config {
namespace {

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, FreeWith<BIO_free>>;
using Context = std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>>;

constexpr int64_t kSoon = 14 * 86'400;

Bio bio_of(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Never asks: a key with a passphrase is an error.
int no_passphrase(char*, int, int, void*) { return -1; }

// The content, or nothing and a finding.
std::optional<std::string> read_pem(const std::string& key, const std::string& path,
                                    Findings& findings) {
  auto content = read_small_file(path);
  if (!content) {
    findings.error(key, content.error().message, "mount the file, or correct the path");
    return std::nullopt;
  }
  if (const std::string complaint = encoding_complaint(*content); !complaint.empty()) {
    findings.error(key, path + " " + complaint, "save it as plain text (UTF-8)");
    return std::nullopt;
  }
  return std::move(*content);
}

std::vector<Certificate> read_certificates(const std::string& key, const std::string& path,
                                           Findings& findings) {
  std::vector<Certificate> certificates;
  const auto text = read_pem(key, path, findings);
  if (!text) return certificates;
  ERR_clear_error();
  const Bio bio = bio_of(*text);
  for (;;) {
    Certificate next(PEM_read_bio_X509_AUX(bio.get(), nullptr, no_passphrase, nullptr));
    if (!next) break;
    certificates.push_back(std::move(next));
  }
  const unsigned long why = ERR_peek_last_error();
  ERR_clear_error();
  const bool is_end = ERR_GET_LIB(why) == ERR_LIB_PEM && ERR_GET_REASON(why) == PEM_R_NO_START_LINE;
  if (!is_end) {
    findings.error(key,
                   path + ": certificate " + std::to_string(certificates.size() + 1) +
                       " in it cannot be parsed",
                   "write it as PEM again, whole");
    certificates.clear();
  } else if (certificates.empty()) {
    findings.error(key, path + " holds no PEM certificate", "write the chain as PEM");
  }
  return certificates;
}

Key read_key(const std::string& key, const std::string& path, Findings& findings) {
  const auto text = read_pem(key, path, findings);
  if (!text) return nullptr;
  ERR_clear_error();
  Key found(PEM_read_bio_PrivateKey(bio_of(*text).get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (found) return found;
  if (text->find("PRIVATE KEY-----") == std::string::npos) {
    findings.error(key, path + " holds no PEM private key", "write the key as PEM");
  } else if (text->find("ENCRYPTED") != std::string::npos) {
    findings.error(key, path + " holds an encrypted key",
                   "decrypt it first: openssl pkey -in KEY -out PLAIN");
  } else {
    findings.error(key, path + ": the private key in it cannot be parsed",
                   "write it as PEM again, whole");
  }
  return nullptr;
}

std::string strength_of(X509* certificate) {
  EVP_PKEY* const key = X509_get0_pubkey(certificate);
  if (key == nullptr) return "unknown";
  return std::string(EVP_PKEY_get0_type_name(key)) + " " + std::to_string(EVP_PKEY_get_bits(key)) +
         " bits";
}

// The security level of the context the source will make decides.
void check_strength(const std::string& key, const std::string& path,
                    const std::vector<Certificate>& chain, Findings& findings) {
  const Context context(SSL_CTX_new(TLS_server_method()));
  for (size_t i = 0; i < chain.size(); ++i) {
    ERR_clear_error();
    const long taken = i == 0 ? SSL_CTX_use_certificate(context.get(), chain[i].get())
                              : SSL_CTX_add1_chain_cert(context.get(), chain[i].get());
    if (taken == 1) continue;
    const int why = ERR_GET_REASON(ERR_peek_last_error());
    ERR_clear_error();
    const std::string which = path + ": certificate " + std::to_string(i + 1);
    if (why == SSL_R_EE_KEY_TOO_SMALL || why == SSL_R_CA_KEY_TOO_SMALL) {
      findings.error(key, which + " has a weak key (" + strength_of(chain[i].get()) + ")",
                     "make one with RSA 2048 bits or more, or with P-256");
    } else if (why == SSL_R_CA_MD_TOO_WEAK) {
      findings.error(key, which + " is signed with a weak digest", "have it signed with SHA-256");
    } else {
      findings.error(key, which + " cannot be used", "make a new one");
    }
    return;
  }
}

int64_t seconds_until(const ASN1_TIME* time) {
  int days = 0, seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, nullptr, time) != 1) return 0;
  return int64_t{days} * 86'400 + seconds;
}

void check_validity(const std::string& key, const std::string& path, X509* certificate,
                    Findings& findings) {
  const int64_t left = seconds_until(X509_get0_notAfter(certificate));
  if (left < kSoon) {
    findings.warn(key, path + (left < 0 ? " has expired" : " expires soon"),
                  "renew it; it is taken up without a restart");
  } else if (seconds_until(X509_get0_notBefore(certificate)) > 0) {
    findings.warn(key, path + " is not valid yet", "set the clock, or make a new one");
  }
}

bool has_alternative_names(X509* certificate) {
  return X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0;
}

void check_chain(const std::string& key, const std::string& path,
                 const std::vector<Certificate>& chain, Findings& findings) {
  check_validity(key, path, chain[0].get(), findings);
  if (!has_alternative_names(chain[0].get())) {
    findings.warn(key, path + " has no subjectAltName: clients that check names reject it",
                  "make one with the DNS names and addresses that senders use");
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    if (X509_check_issued(chain[i].get(), chain[i - 1].get()) == X509_V_OK) continue;
    findings.warn(key,
                  path + ": certificate " + std::to_string(i + 1) + " did not issue certificate " +
                      std::to_string(i) + " before it",
                  "write the server's certificate first, then each issuer behind what it issued");
    return;
  }
}

// Whether the key is the first certificate's.
bool check_pair(const std::string& key, const TlsServerOptions& tls,
                const std::vector<Certificate>& chain, EVP_PKEY* private_key, Findings& findings) {
  size_t owner = 0;
  while (owner < chain.size() && X509_check_private_key(chain[owner].get(), private_key) != 1) {
    ++owner;
  }
  ERR_clear_error();
  if (owner == 0) return true;
  if (owner < chain.size()) {
    findings.error(key + ".cert",
                   tls.cert + ": the certificate of the key is number " +
                       std::to_string(owner + 1) + " in the file, behind an authority's",
                   "write the server's certificate first, its issuers behind it");
  } else {
    findings.error(key + ".key", tls.key + " does not belong to " + tls.cert,
                   "give the key that the certificate was made for");
  }
  return false;
}

}  // namespace

void check_authorities(const std::string& key, const std::string& path, Findings& findings) {
  for (const Certificate& authority : read_certificates(key, path, findings)) {
    if (X509_check_ca(authority.get()) == 0) {
      findings.warn(key, path + " holds a certificate that is no authority's",
                    "give the certificate of the authority that signs");
      return;
    }
  }
}

void check_tls_files(const std::string& key, const TlsServerOptions& tls, Findings& findings) {
  if (tls.cert.empty()) {
    findings.error(key + ".cert", "is missing", "name the PEM file with the certificate chain");
  }
  if (tls.key.empty()) {
    findings.error(key + ".key", "is missing", "name the PEM file with the private key");
  }
  std::vector<Certificate> chain;
  Key private_key;
  if (!tls.cert.empty()) chain = read_certificates(key + ".cert", tls.cert, findings);
  if (!tls.key.empty()) private_key = read_key(key + ".key", tls.key, findings);
  if (!chain.empty() && private_key && check_pair(key, tls, chain, private_key.get(), findings)) {
    check_strength(key + ".cert", tls.cert, chain, findings);
    check_chain(key + ".cert", tls.cert, chain, findings);
  }
  if (!tls.client_ca.empty()) check_authorities(key + ".client_ca", tls.client_ca, findings);
}

}  // namespace penstock::config
