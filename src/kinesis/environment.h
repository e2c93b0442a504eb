// The process's environment as a value to pass in, so that tests bring their own.
#pragma once

#include <functional>
#include <string>

namespace penstock::kinesis {

// The variable's value; "" when it is unset or empty (AWS tools treat both alike).
using Environment = std::function<std::string(const char* name)>;

// The real one. Nothing in the process changes its environment after start-up.
[[nodiscard]] Environment process_environment();

// The value without white space around it: values that come from a Secret or a file often end in a
// line break.
[[nodiscard]] std::string environment_text(const Environment& environment, const char* name);

// "true" in any case counts as set, as in the SDKs.
[[nodiscard]] bool environment_flag(const Environment& environment, const char* name);

}  // namespace penstock::kinesis
