#include "cli/count_flag.h"

namespace penstock::cli {

std::string wrong_with_count(const std::string& text) {
  const bool is_number = text.find_first_not_of("0123456789") == std::string::npos;
  const bool is_zero = text.find_first_not_of('0') == std::string::npos;
  if (is_number && !is_zero) return {};
  return "expected a whole number above 0, not '" + text + "'";
}

}  // namespace penstock::cli
