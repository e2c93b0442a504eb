// What is wrong, or odd, with the certificate, key and client authorities of a source: read as
// OpenSSL will read them when the source opens, each mistake with its own word and cure.
//
// Reads the files; opens nothing. Thread: any.
#pragma once

#include <string>

#include "config/findings.h"

namespace penstock::config {

// key: the path of the `tls` section, such as "sources[0].forward.tls".
void check_tls_files(const std::string& key, const TlsServerOptions& tls, Findings& findings);

// A file of authorities to trust, such as aws.ca_bundle.
void check_authorities(const std::string& key, const std::string& path, Findings& findings);

}  // namespace penstock::config
