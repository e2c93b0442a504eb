// The error codes of AWS services, as they come in headers and bodies, and what they mean for a
// PutRecords request. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "kinesis/put_records.h"

namespace penstock::kinesis {

// "com.amazonaws.kinesis.v20131202#ResourceNotFoundException:http://…" to the bare name: at
// most 128 letters, digits and "._-".
[[nodiscard]] std::string_view bare_error_code(std::string_view code);

// What a request refused with this code and status came to. code: bare, or "" when none was given.
[[nodiscard]] PutError classify_error(std::string_view code, int status, std::string_view message);

// <Code>…</Code>, <Message>…</Message>, or the first element when its name is that of an exception.
struct XmlError {
  std::string code;
  std::string message;
};
[[nodiscard]] XmlError read_xml_error(ByteView body);

// At most 256 printable characters, with what stands in single quotes taken out: validation errors
// quote the caller's values.
[[nodiscard]] std::string message_for_log(std::string_view message);

}  // namespace penstock::kinesis
