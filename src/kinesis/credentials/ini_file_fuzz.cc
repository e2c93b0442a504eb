// Any bytes as shared AWS files: an error or profiles, never a crash, and never a profile twice.
#include "kinesis/credentials/ini_file.h"

#include <set>

#include "base/bytes.h"
#include "base/check.h"
#include "kinesis/credentials/profile_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;  // NOLINT(google-build-using-namespace)
  const std::string_view text = as_text(ByteView(data, size));
  if (const auto sections = kinesis::parse_ini(text)) {
    std::set<std::string> names;
    for (const kinesis::IniSection& section : *sections) {
      CHECK(!section.name.empty() && names.insert(section.name).second);
      for (const auto& [key, value] : section.values) CHECK(!key.empty());
    }
  }
  const size_t half = text.size() / 2;
  const auto files = kinesis::ProfileFiles::parse(text.substr(0, half), text.substr(half));
  if (files) (void)files->find("default");
  return 0;
}
