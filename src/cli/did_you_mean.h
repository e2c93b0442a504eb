// "; did you mean --config?" for a name that is nearly right. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace penstock::cli {

// Empty where nothing is near enough.
[[nodiscard]] std::string did_you_mean(std::string_view wrong,
                                       const std::vector<std::string>& known);

}  // namespace penstock::cli
