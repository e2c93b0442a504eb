#include <set>
#include <string>
#include <utility>

#include "config/findings.h"
#include "config/readers.h"

namespace penstock::config {
namespace {

// The option at fault, and the value that does not fit.
std::pair<std::string, std::string> at_fault(Misfit::Option option, const StreamOptions& stream) {
  switch (option) {
    case Misfit::Option::aggregation:
      return {".aggregation", to_string(stream.aggregation)};
    case Misfit::Option::compression:
      return {".compression", to_string(stream.compression)};
    case Misfit::Option::data_key:
      return {".data_key", "a text"};
  }
  return {};
}

void check_form(const std::string& at, const StreamOptions& stream, Reader reader,
                Findings& findings) {
  for (const Misfit& misfit : misfits(reader, form_of(stream))) {
    const auto [key, value] = at_fault(misfit.option, stream);
    findings.error(at + key,
                   value + " does not fit the reader " + to_string(reader) + ": " + misfit.why,
                   misfit.cure);
  }
  if (needs_newline(reader) && !stream.newline) {
    findings.warn(at + ".readers",
                  std::string("nothing separates the records in the objects of ") +
                      to_string(reader) + ": AWS documents no separator",
                  "set newline: true, or read the objects with penstock unpack");
  }
}

}  // namespace

void validate_readers(const std::string& at, const StreamOptions& stream, Findings& findings) {
  std::set<Reader> seen;
  size_t channels = 0;
  for (const Reader reader : stream.readers) {
    if (!seen.insert(reader).second) {
      findings.error(at + ".readers", std::string(to_string(reader)) + " is given twice",
                     "remove one of them");
      continue;
    }
    if (is_channel(reader) && ++channels == 2) {
      findings.error(at + ".readers", "a stream has at most one channel to S3",
                     "keep one of the channels");
    }
    if (stream.kind == StreamKind::kinesis) {
      check_form(at, stream, reader, findings);
    } else if (reader != Reader::firehose) {
      findings.error(at + ".readers",
                     std::string(to_string(reader)) + " cannot read a Firehose delivery stream",
                     "remove it");
    }
  }
}

}  // namespace penstock::config
