// `penstock version`: what this binary was made from and what it runs with.
#pragma once

#include <string>

namespace penstock::cli {

[[nodiscard]] std::string version_number();  // 0.2.0
[[nodiscard]] std::string commit();          // 0123abcd
[[nodiscard]] std::string version_line();    // penstock 0.2.0 (commit 0123abcd)

// All of it, several lines.
[[nodiscard]] std::string version_text();

}  // namespace penstock::cli
