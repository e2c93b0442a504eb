// The IAM policy a configuration needs, as JSON.
#pragma once

#include <string>

#include "config/options.h"

namespace penstock::cli {

// account: for the ARNs of streams that are given by name; "": any.
[[nodiscard]] std::string iam_policy(const config::Config& config, const std::string& account);
// What `penstock tail` and `penstock verify` need to read the streams back.
[[nodiscard]] std::string reader_policy(const config::Config& config, const std::string& account);

}  // namespace penstock::cli
