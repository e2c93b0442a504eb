// The page at `/`: status.html, compiled in so that the binary is all there is to install.
#pragma once

#include <string_view>

namespace penstock::admin {

[[nodiscard]] std::string_view status_page();

}  // namespace penstock::admin
