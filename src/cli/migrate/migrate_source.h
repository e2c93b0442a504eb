// A <source> of Fluentd as a source of penstock.
#pragma once

#include <optional>

#include "cli/migrate/account.h"
#include "cli/migrate/yaml_text.h"

namespace penstock::cli {

struct MigratedSource {
  std::string kind;        // forward, http, syslog
  std::string name;        // of the source in penstock.yaml
  std::string label;       // Fluentd's @label; empty: none
  std::string tag_prefix;  // Fluentd's add_tag_prefix; empty: none
  YamlMap options;
};

// nullopt: penstock has no such source; the account says so.
[[nodiscard]] std::optional<MigratedSource> migrate_source(FluentSection& source, Account& account,
                                                           const MigrationOptions& options);

}  // namespace penstock::cli
