// doc/config.md is printed from the schema; deploy/penstock.yaml shows every key and loads.
#include "config/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "config/loader.h"
#include "config/secret_ref.h"
#include "config/test_files.h"

namespace penstock::config {
namespace {

TEST(Schema, TheReferenceInDocIsWhatTheSchemaSays) {
  const std::string path = PENSTOCK_SOURCE_DIR "/doc/config.md";
  const std::string printed = config_reference();
  if (std::getenv("PENSTOCK_UPDATE_DOC") != nullptr) std::ofstream(path) << printed;
  EXPECT_EQ(read_small_file(path).value_or("missing"), printed)
      << "run this test with PENSTOCK_UPDATE_DOC=1 to write doc/config.md anew";
}

TEST(Schema, TheExampleInDeployLoads) {
  const TestFiles files;
  const Environment environment{{"PENSTOCK_TLS", files.path("")}, {"AWS_REGION", "us-east-1"}};
  files.certificate();
  files.private_key();
  files.write("shared_key", "secret\n");
  const LoadResult result = load_file(PENSTOCK_SOURCE_DIR "/deploy/penstock.yaml", environment);
  if (!result) {
    for (const Problem& problem : result.error()) ADD_FAILURE() << to_string(problem);
    return;
  }
  EXPECT_THAT(result->warnings, testing::IsEmpty());
}

}  // namespace
}  // namespace penstock::config
