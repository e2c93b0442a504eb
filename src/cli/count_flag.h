// A flag's value that counts something: CLI11 itself takes "-1" for an unsigned number, a huge one.
#pragma once

#include <string>

namespace penstock::cli {

// For CLI::Option::check(): what is wrong with the text; empty: nothing.
[[nodiscard]] std::string wrong_with_count(const std::string& text);

}  // namespace penstock::cli
