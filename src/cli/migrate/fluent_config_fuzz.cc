// Any bytes as a Fluentd configuration: an error that names file and line, or a tree whose
// migration accounts for every parameter; never a crash.
#include "cli/migrate/fluent_config.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "cli/migrate/migration.h"

namespace penstock::cli {
namespace {

constexpr const char* kFile = "/nonexistent/fuzz.conf";

size_t depth_of(const FluentSection& section) {
  size_t deepest = 0;
  for (const FluentSection& inner : section.sections) deepest = std::max(deepest, depth_of(inner));
  return deepest + 1;
}

void migrate_text(std::string_view text) {
  // A name behind @include may be a device that never ends.
  if (text.find("include") != std::string_view::npos) return;
  auto root = parse_fluent_config(text, kFile);
  if (!root) {
    CHECK(root.error().message.find(kFile) != std::string::npos);
    return;
  }
  CHECK(depth_of(*root) <= kFluentNestingMax + 1);
  const Migration migration = migrate(*root, {});
  for (const Finding& finding : migration.findings) {
    CHECK(!finding.text.empty() && finding.place.file == kFile);
  }
}

}  // namespace
}  // namespace penstock::cli

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::cli::migrate_text(penstock::as_text({data, size}));
  return 0;
}
