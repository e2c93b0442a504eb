#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <ctime>

#include "net/tls_ciphers.h"

namespace penstock::net {
namespace {

std::string last_openssl_error() {
  char text[256] = "unknown error";
  const unsigned long code = ERR_get_error();
  if (code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return text;
}

auto file_error(const std::string& what, const std::string& file, const std::string& cure) {
  return usage_error(what + " '" + file + "' cannot be used (" + last_openssl_error() +
                     "): " + cure);
}

}  // namespace

Result<std::shared_ptr<const TlsContext>, Error> TlsContext::load(const Options& options) {
  ERR_clear_error();
  SSL_CTX* native = SSL_CTX_new(TLS_server_method());
  if (native == nullptr) return run_error("cannot make a TLS context: " + last_openssl_error());
  std::shared_ptr<TlsContext> made(new TlsContext(native));

  SSL_CTX_set_min_proto_version(native, options.tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
  const auto ciphers = read_tls_ciphers(options.ciphers);
  if (!ciphers) return usage_error("tls.ciphers: " + ciphers.error());
  SSL_CTX_set_cipher_list(native, ciphers->tls12.c_str());
  SSL_CTX_set_ciphersuites(native, ciphers->tls13.c_str());
  SSL_CTX_set_dh_auto(native, 1);  // DHE needs parameters
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Buffers go back when a connection is idle; with read-ahead one recv fetches a whole TLS record,
  // where two (header, body) would be needed.
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(native, 1);
  static constexpr unsigned char kSessionContext[] = "penstock";
  SSL_CTX_set_session_id_context(native, kSessionContext, sizeof kSessionContext - 1);

  if (SSL_CTX_use_certificate_chain_file(native, options.certificate_file.c_str()) != 1) {
    return file_error("tls.cert", options.certificate_file,
                      "give a readable PEM certificate chain");
  }
  if (SSL_CTX_use_PrivateKey_file(native, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return file_error("tls.key", options.key_file, "give the PEM key that belongs to tls.cert");
  }
  if (SSL_CTX_check_private_key(native) != 1) {
    return file_error("tls.key", options.key_file,
                      "it does not belong to '" + options.certificate_file + "'");
  }
  if (!options.client_ca_file.empty()) {
    if (SSL_CTX_load_verify_file(native, options.client_ca_file.c_str()) != 1) {
      return file_error("tls.client_ca", options.client_ca_file, "give a readable PEM CA bundle");
    }
    if (STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(options.client_ca_file.c_str())) {
      SSL_CTX_set_client_CA_list(native, names);
    }
    SSL_CTX_set_verify(native, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }

  const X509* certificate = SSL_CTX_get0_certificate(native);
  char subject[256] = "";
  X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof subject);
  made->subject_ = subject;
  std::tm expiry{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &expiry) == 1) {
    made->expiry_ = std::chrono::system_clock::from_time_t(timegm(&expiry));
  }
  return made;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

}  // namespace penstock::net
