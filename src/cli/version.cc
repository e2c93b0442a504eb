#include "cli/version.h"

#include <curl/curl.h>
#include <isa-l.h>
#include <openssl/crypto.h>
#include <snappy.h>
#include <spdlog/version.h>
#include <xxhash.h>
#include <yaml-cpp/yaml.h>
#include <zstd.h>

#include <CLI/CLI.hpp>
#include <boost/version.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/build_info.h"
#include "cli/subcommands.h"

namespace penstock::cli {
namespace {

std::string dotted(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

// What was loaded where the library tells, else what was compiled in.
std::string libraries() {
  std::string out;
  const auto add = [&out](const char* name, const std::string& version) {
    out += "  " + std::string(name) + " " + version + "\n";
  };
  const auto xxhash = static_cast<int>(XXH_versionNumber());
  add("Boost", dotted(BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100));
  add("CLI11", CLI11_VERSION);
  add("ISA-L", dotted(ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION));
  add("libcurl", curl_version_info(CURLVERSION_NOW)->version);
  add("libzstd", ZSTD_versionString());
  add("nlohmann/json", dotted(NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                              NLOHMANN_JSON_VERSION_PATCH));
  add("OpenSSL", OpenSSL_version(OPENSSL_FULL_VERSION_STRING));
  add("prometheus-cpp", kPrometheusCppVersion);
  add("snappy", dotted(SNAPPY_MAJOR, SNAPPY_MINOR, SNAPPY_PATCHLEVEL));
  add("spdlog", dotted(SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH));
  add("xxHash", dotted(xxhash / 10000, xxhash / 100 % 100, xxhash % 100));
  add("yaml-cpp", kYamlCppVersion);
  return out;
}

}  // namespace

std::string version_number() { return kVersion; }

std::string commit() { return kCommit; }

std::string version_line() { return "penstock " + version_number() + " (commit " + kCommit + ")"; }

std::string version_text() {
  return version_line() + "\ncompiler " + kCompiler + ", " + kBuildType + "\nlibraries\n" +
         libraries();
}

void register_version(CLI::App& app, int& exit_code) {
  app.add_subcommand("version", "Print version, commit, compiler and linked libraries")
      ->callback([&exit_code] {
        std::fputs(version_text().c_str(), stdout);
        exit_code = std::fflush(stdout) == 0 ? kDone : kFailed;
      });
}

}  // namespace penstock::cli
