#include "cli/migrate/migrate_source.h"

#include <array>

namespace penstock::cli {
namespace {

constexpr auto kNoEffect = "not needed: penstock has no such limit to set";

std::string quoted_list(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const std::string& item : items) text += (text.size() > 1 ? ", " : "") + yaml_scalar(item);
  return text + "]";
}

void migrate_listen(FluentSection& section, Account& account, std::string_view port_default,
                    YamlMap& to) {
  const std::string host = account.exact(section, "bind", "listen").value_or("0.0.0.0");
  const std::string port =
      account.exact(section, "port", "listen").value_or(std::string(port_default));
  to.raw("listen",
         yaml_scalar((host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + port));
}

void migrate_tls_versions(FluentSection& transport, Account& account, YamlMap& tls) {
  for (const char* key : {"version", "min_version"}) {
    const auto value = account.take(transport, key);
    if (!value) continue;
    const bool is_1_3 = value->find("1_3") != std::string::npos;
    const bool is_old = value->find("1_1") != std::string::npos || *value == "TLSv1";
    if (!tls.has("min_version")) tls.raw("min_version", is_1_3 ? "\"1.3\"" : "\"1.2\"");
    account.say(transport, key, is_old ? Verdict::safer : Verdict::exact,
                is_old ? "tls.min_version: 1.2 is the oldest version that penstock accepts"
                       : "tls.min_version (newer versions are accepted, too)");
  }
  account.say(transport, "max_version", Verdict::safer, "newer versions of TLS are accepted, too");
}

// <transport tls>, or the parameters of the older secure_forward.
void migrate_tls(FluentSection& transport, Account& account, YamlMap& to) {
  transport.seen = true;
  YamlMap tls;
  if (const auto cert = account.exact(transport, "cert_path", "tls.cert")) tls.text("cert", *cert);
  for (const char* key : {"private_key_path", "private_key_file"}) {
    if (const auto file = account.exact(transport, key, "tls.key")) tls.text("key", *file);
  }
  const bool wants_client = account.is_true(transport, "client_cert_auth");
  const auto ca = account.take(transport, "ca_path");
  account.say(transport, "client_cert_auth", Verdict::exact, "tls.client_ca");
  if (ca && wants_client) tls.text("client_ca", *ca);
  account.say(transport, "ca_path", Verdict::exact,
              wants_client ? "tls.client_ca" : "not needed: client certificates are not required");
  migrate_tls_versions(transport, account, tls);
  if (const auto ciphers = account.take(transport, "ciphers")) {
    if (*ciphers != "ALL:!aNULL:!eNULL:!SSLv2") tls.text("ciphers", *ciphers);
    account.say(transport, "ciphers", Verdict::exact, "tls.ciphers");
  }
  constexpr Rule kRules[] = {
      {"private_key_passphrase", Verdict::impossible,
       "keys with a passphrase are not read: store the key without one, in a Secret"},
      {"ca_cert_path", Verdict::impossible,
       "certificates are not generated: set tls.cert and tls.key"},
      {"ca_private_key_path", Verdict::impossible, "see ca_cert_path"},
      {"ca_private_key_passphrase", Verdict::impossible, "see ca_cert_path"},
      {"insecure", Verdict::impossible,
       "anonymous ciphers are not offered: set tls.cert and tls.key"},
  };
  account.apply(transport, kRules);
  to.map("tls", std::move(tls));
}

void migrate_users(FluentSection& security, Account& account, const MigrationOptions& options,
                   YamlMap& to) {
  std::vector<YamlMap> users;
  for (FluentSection& user : security.sections) {
    if (user.name != "user") continue;
    user.seen = true;
    const std::string name = account.exact(user, "username", "users").value_or("");
    const std::string file = options.secrets_directory + "/user-" + name;
    account.say(user, "password", Verdict::step, "write the password of " + name + " to " + file);
    YamlMap entry;
    entry.text("name", name);
    entry.text("password_file", file);
    users.push_back(std::move(entry));
  }
  const bool wants_users = account.is_true(security, "user_auth");
  account.say(security, "user_auth", Verdict::exact, "users");
  if (wants_users) to.list("users", std::move(users));
}

void migrate_security(FluentSection& security, Account& account, const MigrationOptions& options,
                      YamlMap& to) {
  security.seen = true;
  std::vector<std::string> keys;
  if (security.find("shared_key") != nullptr) {
    keys.push_back(options.secrets_directory + "/shared_key");
    account.say(security, "shared_key", Verdict::step, "write the shared key to " + keys.back());
  }
  for (FluentSection& client : security.sections) {
    if (client.name != "client") continue;
    client.seen = true;
    for (const char* key : {"network", "host"}) {
      account.say(client, key, Verdict::impossible,
                  "senders are not distinguished by address: use a NetworkPolicy or a firewall");
    }
    account.say(client, "users", Verdict::impossible,
                "users are not tied to addresses: each user of the source may connect");
    if (client.find("shared_key") == nullptr) continue;
    keys.push_back(options.secrets_directory + "/shared_key-" + std::to_string(keys.size()));
    account.say(client, "shared_key", Verdict::step,
                "write it to " + keys.back() + "; any sender may use any key of the source");
  }
  if (keys.size() == 1) to.text("shared_key_file", keys.front());
  if (keys.size() > 1) to.raw("shared_key_files", quoted_list(keys));
  migrate_users(security, account, options, to);
  constexpr Rule kRules[] = {
      {"self_hostname", Verdict::exact, "not needed: the name of the host is used"},
      {"allow_anonymous_source", Verdict::safer,
       "every sender needs the shared key; to limit addresses use a NetworkPolicy"},
  };
  account.apply(security, kRules);
}

MigratedSource migrate_forward(FluentSection& source, Account& account,
                               const MigrationOptions& options) {
  MigratedSource to{"forward", {}, {}, {}, {}};
  migrate_listen(source, account, "24224", to.options);
  if (const auto size = account.exact(source, "chunk_size_limit", "max_message")) {
    to.options.raw("max_message", *size);
  }
  FluentSection* const transport = source.find_section("transport");
  if (transport != nullptr && transport->argument == "tls") {
    migrate_tls(*transport, account, to.options);
  } else if (transport != nullptr && transport->argument == "tcp") {
    transport->seen = true;
  }
  if (FluentSection* security = source.find_section("security")) {
    migrate_security(*security, account, options, to.options);
  }
  to.tag_prefix = account.take(source, "add_tag_prefix").value_or("");
  constexpr Rule kRules[] = {
      {"add_tag_prefix", Verdict::impossible,
       "tags stay as the sender gave them: routes are written without the prefix"},
      {"tag", Verdict::impossible, "tags stay as the sender gave them"},
      {"source_hostname_key", Verdict::impossible,
       "the sender's name is not added: OpenShift's records name their node "
       "(kubernetes.host, hostname)"},
      {"source_address_key", Verdict::impossible, "the sender's address is not added"},
      {"resolve_hostname", Verdict::exact, "not needed: names of senders are not looked up"},
      {"deny_keepalive", Verdict::impossible, "use max_connection_age to end long connections"},
      {"skip_invalid_event", Verdict::safer,
       "an invalid event is stored as a dead letter; its neighbors are delivered"},
      {"chunk_size_warn_limit", Verdict::exact, kNoEffect},
      {"linger_timeout", Verdict::exact, kNoEffect},
      {"backlog", Verdict::exact, kNoEffect},
      {"send_keepalive_packet", Verdict::exact, "not needed: TCP keepalive is on"},
  };
  account.apply(source, kRules);
  return to;
}

// The plugin of old releases: TLS and the shared key in the source itself.
MigratedSource migrate_secure_forward(FluentSection& source, Account& account,
                                      const MigrationOptions& options) {
  MigratedSource to{"forward", {}, {}, {}, {}};
  migrate_listen(source, account, "24284", to.options);
  migrate_tls(source, account, to.options);
  migrate_security(source, account, options, to.options);
  account.say(source, "secure", Verdict::exact, "tls");
  account.say(source, "cert_auto_generate", Verdict::impossible,
              "certificates are not generated: set tls.cert and tls.key");
  return to;
}

MigratedSource migrate_http(FluentSection& source, Account& account) {
  MigratedSource to{"http", {}, {}, {}, {}};
  migrate_listen(source, account, "9880", to.options);
  if (const auto size = account.exact(source, "body_size_limit", "max_body")) {
    to.options.raw("max_body", *size);
  }
  if (FluentSection* transport = source.find_section("transport")) {
    migrate_tls(*transport, account, to.options);
  }
  account.add(Verdict::impossible, source.place, title_of(source) + ": tags from the path",
              "events by HTTP carry the tag http: route them by source: or where:");
  constexpr Rule kRules[] = {
      {"keepalive_timeout", Verdict::exact, "not needed: an idle connection stays open"},
      {"add_http_headers", Verdict::impossible, "headers are not added to records"},
      {"add_remote_addr", Verdict::impossible, "the sender's address is not added"},
      {"backlog", Verdict::exact, kNoEffect},
  };
  account.apply(source, kRules);
  return to;
}

MigratedSource migrate_syslog(FluentSection& source, Account& account) {
  MigratedSource to{"syslog", {}, {}, {}, {}};
  migrate_listen(source, account, "5140", to.options);
  FluentSection* const transport = source.find_section("transport");
  const auto protocol = account.exact(source, "protocol_type", "udp");
  const bool is_udp =
      transport != nullptr ? transport->argument == "udp" : !protocol || *protocol == "udp";
  if (is_udp) to.options.raw("udp", "true");
  if (transport != nullptr) migrate_tls(*transport, account, to.options);
  if (const auto size = account.exact(source, "message_length_limit", "max_message")) {
    to.options.raw("max_message", *size);
  }
  if (FluentSection* parse = source.find_section("parse")) {
    account.add_section(Verdict::exact, *parse,
                        "RFC 3164 and RFC 5424 are recognized message by message");
  }
  constexpr Rule kRules[] = {
      {"tag", Verdict::impossible,
       "events by syslog carry the tag syslog: route them by source: or where:"},
      {"frame_type", Verdict::exact, "octet-counted messages and lines are recognized"},
      {"message_format", Verdict::exact, "RFC 3164 and RFC 5424 are recognized message by message"},
      {"priority_key", Verdict::exact, "see doc/syslog.md for the fields of a record"},
      {"facility_key", Verdict::exact, "see doc/syslog.md for the fields of a record"},
      {"severity_key", Verdict::exact, "see doc/syslog.md for the fields of a record"},
      {"source_hostname_key", Verdict::impossible, "the sender's name is not added"},
      {"source_address_key", Verdict::impossible, "the sender's address is not added"},
  };
  account.apply(source, kRules);
  return to;
}

}  // namespace

std::optional<MigratedSource> migrate_source(FluentSection& source, Account& account,
                                             const MigrationOptions& options) {
  const std::string type = source.type();
  source.seen = true;
  std::optional<MigratedSource> to;
  if (type == "forward") {
    to = migrate_forward(source, account, options);
  } else if (type == "secure_forward") {
    to = migrate_secure_forward(source, account, options);
  } else if (type == "http") {
    to = migrate_http(source, account);
  } else if (type == "syslog") {
    to = migrate_syslog(source, account);
  } else if (type == "monitor_agent" || type == "prometheus" || type == "debug_agent" ||
             type.starts_with("prometheus_")) {
    account.add_section(Verdict::exact, source,
                        "the admin port has status and metrics: admin.listen, default :9880");
  } else {
    account.add_section(Verdict::impossible, source,
                        "penstock receives forward, http and syslog: let a collector read this "
                        "and send it to penstock");
  }
  if (to) {
    to->label = account.take(source, "@label").value_or("");
    const auto id = account.take(source, "@id");
    to->name = id && !id->empty() ? *id : "";
  }
  return to;
}

}  // namespace penstock::cli
