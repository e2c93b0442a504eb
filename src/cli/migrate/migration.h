// What becomes of a Fluentd configuration: a penstock.yaml, and a finding for each of its settings.
//
// Every parameter and section is accounted for: the migration marks what it has dealt with as seen,
// and what is left unseen at the end is reported as not possible. A secret never gets into the text
// or a finding: penstock reads secrets from files, so the finding names the file to write.
//
// Pure. Thread: any.
#pragma once

#include <string>
#include <vector>

#include "cli/migrate/fluent_config.h"

namespace penstock::cli {

enum class Verdict : uint8_t {
  exact,       // means the same in penstock
  safer,       // taken over in a way that loses less
  step,        // taken over once you have done what the text says
  impossible,  // penstock has no such thing: the text says what to do instead
};

struct Finding {
  Verdict verdict = Verdict::impossible;
  FluentPlace place;
  std::string setting;  // "match audit.**: data_key"
  std::string text;
};

struct Migration {
  std::string yaml;
  std::vector<Finding> findings;        // in the order of the file
  [[nodiscard]] bool complete() const;  // nothing is impossible
};

struct MigrationOptions {
  std::string secrets_directory = "/etc/penstock/secrets";  // where files of secrets are looked for
  std::string spool_directory = "/var/lib/penstock";
};

[[nodiscard]] Migration migrate(FluentSection& root, const MigrationOptions& options);

}  // namespace penstock::cli
