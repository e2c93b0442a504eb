// Fluentd's tag patterns, compared with each other: which events of one <match> or <filter> another
// one sees, too. Several patterns may be in one text, separated by blanks.
//
// Pure. Thread: any.
#pragma once

#include <string_view>

namespace penstock::cli {

// Whether each tag that `inner` matches is matched by `outer` as well. False if that is not sure.
[[nodiscard]] bool pattern_covers(std::string_view outer, std::string_view inner);

// Whether no tag is matched by both. False if that is not sure.
[[nodiscard]] bool patterns_are_apart(std::string_view a, std::string_view b);

// `/…/`: a pattern that penstock's routes do not have.
[[nodiscard]] bool has_regular_expression(std::string_view patterns);

}  // namespace penstock::cli
