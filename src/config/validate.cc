#include <algorithm>

#include "base/bytes.h"
#include "config/findings.h"
#include "config/secret_ref.h"
#include "config/tls_files.h"
#include "config/values.h"

namespace penstock::config {
namespace {

constexpr uint64_t kMessageBytesMin = 1_KiB;
constexpr uint64_t kMessageBytesMax = 1_GiB;  // an entry of the spool is less than 2 GiB
constexpr uint64_t kFixedBytes = 32_MiB;      // what the process needs beside messages

enum class SecretUse { text, header };  // header: comes in as an HTTP header, which has no blanks

void check_secret(const std::string& key, const SecretRef& secret, SecretUse use,
                  Findings& findings) {
  const auto value = read_secret(secret);
  if (!value) {
    findings.error(key, value.error().message, "write the value into its first line");
    return;
  }
  const bool has_blanks = value->find_first_of(" \t") != std::string::npos;
  const bool is_padded = trimmed(*value) != *value;
  if (use == SecretUse::header && has_blanks) {
    findings.error(key, "the first line of " + secret.path + " has blanks in it",
                   "write the token alone");
  } else if (is_padded) {
    findings.warn(key, "the first line of " + secret.path + " begins or ends with blanks",
                  "remove them, unless senders have them too: they are part of the value");
  }
  if (const auto content = read_small_file(secret.path);
      content && content->starts_with("\xef\xbb\xbf")) {
    findings.warn(key, secret.path + " begins with a byte order mark, which is left out",
                  "save it without one");
  }
}

void check_users(const std::string& key, const std::vector<UserOptions>& users,
                 Findings& findings) {
  for (size_t i = 0; i < users.size(); ++i) {
    const std::string at = key + "[" + std::to_string(i) + "]";
    if (users[i].name.empty()) findings.error(at + ".name", "is missing", "name the user");
    if (users[i].password_file.path.empty()) {
      findings.error(at + ".password_file", "is missing", "name the file with the password");
    } else {
      check_secret(at + ".password_file", users[i].password_file, SecretUse::text, findings);
    }
    for (size_t j = 0; j < i; ++j) {
      if (users[j].name == users[i].name) {
        findings.error(at + ".name", "'" + users[i].name + "' is given twice", "remove one");
      }
    }
  }
}

void check_message_limit(const std::string& key, uint64_t bytes, Findings& findings) {
  if (bytes < kMessageBytesMin || bytes > kMessageBytesMax) {
    findings.error(key, show_size(bytes) + " is out of range", "use 1KiB to 1GiB");
  }
}

void check_common(const std::string& path, const SourceOptions& source, Findings& findings) {
  if (!is_plain_name(source.name)) {
    findings.error(path + ".name", "cannot be used as a label",
                   "use letters, digits, '_', '-' and '.'");
  }
  if (source.name == "recovered" || source.name == "dead_letter") {
    findings.error(path + ".name", "'" + source.name + "' is taken: backlog is counted under it",
                   "choose another name");
  }
  if (source.tls && !findings.has_error(path + ".tls")) {
    check_tls_files(path + ".tls", *source.tls, findings);
  }
}

void check_forward(const std::string& path, const ForwardOptions& source, Findings& findings) {
  for (size_t i = 0; i < source.shared_key_files.size(); ++i) {
    const std::string key = source.shared_key_files.size() == 1
                                ? path + ".shared_key_file"
                                : path + ".shared_key_files[" + std::to_string(i) + "]";
    check_secret(key, source.shared_key_files[i], SecretUse::text, findings);
  }
  if (!source.users.empty() && source.shared_key_files.empty() &&
      !findings.has_error(path + ".shared_key_file") &&
      !findings.has_error(path + ".shared_key_files")) {
    findings.error(path + ".users", "need a shared key: without one there is no handshake",
                   "add shared_key_file");
  }
  check_users(path + ".users", source.users, findings);
  check_message_limit(path + ".max_message", source.max_message, findings);
}

void check_auth(const std::string& at, const HttpAuthOptions& auth, Findings& findings) {
  if (auth.bearer_token_files.empty() && auth.basic.empty() && auth.service_accounts.empty()) {
    findings.error(at, "asks for nothing",
                   "give bearer_token_files, basic or service_accounts, or remove auth");
  }
  for (size_t i = 0; i < auth.bearer_token_files.size(); ++i) {
    check_secret(at + ".bearer_token_files[" + std::to_string(i) + "]", auth.bearer_token_files[i],
                 SecretUse::header, findings);
  }
  check_users(at + ".basic", auth.basic, findings);
  for (size_t i = 0; i < auth.service_accounts.size(); ++i) {
    const std::string& account = auth.service_accounts[i];
    const size_t slash = account.find('/');
    if (slash == std::string::npos || slash == 0 || slash + 1 == account.size() ||
        account.find('/', slash + 1) != std::string::npos) {
      findings.error(at + ".service_accounts[" + std::to_string(i) + "]",
                     "'" + account + "' is not namespace/name",
                     "write openshift-logging/collector");
    }
  }
}

void check_http(const std::string& path, const HttpOptions& source, Findings& findings) {
  check_message_limit(path + ".max_body", source.max_body, findings);
  if (source.ack_timeout < milliseconds(100)) {
    findings.error(path + ".ack_timeout", "is shorter than 100ms",
                   "use 25s, or a little less than your senders wait");
  }
  if (!source.auth) return;
  check_auth(path + ".auth", *source.auth, findings);
  if (!source.tls) {
    findings.warn(path + ".auth", "tokens and passwords come in as plain text", "add tls");
  }
}

// Two sockets on one address: the second could not be opened.
void check_listen(const Config& config, Findings& findings) {
  struct Taken {
    std::string key;
    ListenAddress address;
  };
  std::vector<Taken> taken;
  const auto take = [&](const std::string& key, const ListenAddress& address) {
    if (findings.has_error(key)) return;
    for (const Taken& other : taken) {
      if (overlap(other.address, address)) {
        findings.error(key, to_string(address) + " is taken by " + other.key,
                       "choose another port");
      }
    }
    taken.push_back({key, address});
  };
  size_t i = 0;
  for_each_source(config, [&](const SourceOptions& source) {
    take(findings.source_path(i++) + ".listen", source.listen);
  });
  take("admin.listen", config.admin_listen);
  if (config.admin_secure) take("admin.secure.listen", config.admin_secure->listen);
}

void check_admin(const Config& config, Findings& findings) {
  if (!config.admin_secure) return;
  const std::string at = "admin.secure";
  if (!config.admin_secure->tls) {
    findings.error(at + ".tls", "is missing", "name a certificate and its key");
  } else if (!findings.has_error(at + ".tls")) {
    check_tls_files(at + ".tls", *config.admin_secure->tls, findings);
  }
  if (!config.admin_secure->auth) {
    findings.error(at + ".auth", "is missing",
                   "say who may read: bearer_token_files, basic or service_accounts");
  } else {
    check_auth(at + ".auth", *config.admin_secure->auth, findings);
  }
  if (!net::is_loopback(config.admin_listen)) {
    findings.warn("admin.listen",
                  to_string(config.admin_listen) +
                      " shows the same to other hosts without a token",
                  "listen on 127.0.0.1:9880 beside admin.secure");
  }
}

void check_memory(const Config& config, Findings& findings) {
  uint64_t largest = 0;
  for (const ForwardOptions& source : config.forward)
    largest = std::max(largest, source.max_message);
  for (const HttpOptions& source : config.http) largest = std::max(largest, source.max_body);
  for (const SyslogOptions& source : config.syslog) largest = std::max(largest, source.max_message);
  const uint64_t needed = 2 * largest + kFixedBytes;
  if (config.memory_limit < needed) {
    findings.error(
        "memory_limit",
        show_size(config.memory_limit) + " is too little for messages of " + show_size(largest) +
            ": 2 x the largest max_message or max_body + 32MiB",
        "raise memory_limit to " + show_size(needed) + ", or lower max_message, max_body");
  }
}

}  // namespace

void validate_sources(const Config& config, Findings& findings) {
  size_t i = 0;
  for_each_source(config, [&](const SourceOptions& source) {
    check_common(findings.source_path(i++), source, findings);
  });
  i = 0;
  for (const ForwardOptions& source : config.forward) {
    check_forward(findings.source_path(i++), source, findings);
  }
  for (const HttpOptions& source : config.http) {
    check_http(findings.source_path(i++), source, findings);
  }
  for (const SyslogOptions& source : config.syslog) {
    check_message_limit(findings.source_path(i++) + ".max_message", source.max_message, findings);
  }
  if (i == 0) {
    findings.error("sources", "there is none", "add one: '- forward: {listen: 0.0.0.0:24224}'");
  }
  check_listen(config, findings);
  check_admin(config, findings);
  check_memory(config, findings);
  if (!config.aws.ca_bundle.empty()) {
    check_authorities("aws.ca_bundle", config.aws.ca_bundle, findings);
  }
}

void validate(const Config& config, Findings& findings) {
  validate_sources(config, findings);
  validate_delivery(config, findings);
}

}  // namespace penstock::config
