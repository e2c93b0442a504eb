// An INI file by the rules of Python's RawConfigParser, which the AWS CLI and boto3 read theirs
// with: indented lines continue the value above them (and are keys of their own right below a
// section), '=' and ':' separate, '#' and ';' begin whole-line comments, and what is neither a
// section nor a pair, stands before the first section, or is given twice is an error.
//
// Pure. Thread: any.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::kinesis {

struct IniSection {
  std::string name;
  std::map<std::string, std::string, std::less<>> values;  // keys in lower case
};

// The error names the line and what is wrong with it, never a value: it may be a secret.
[[nodiscard]] Result<std::vector<IniSection>, std::string> parse_ini(std::string_view text);

}  // namespace penstock::kinesis
