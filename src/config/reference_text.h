// The parts of doc/config.md that no option says.
#pragma once

#include <string_view>

namespace penstock::config {

extern const std::string_view kReferenceIntroduction;
extern const std::string_view kReferenceOfTheEnvironment;

}  // namespace penstock::config
