// Archived objects as files: what `aws s3 sync` brings of what a channel or Firehose wrote.
//
// Thread: one.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "kinesis_format/read/unpack.h"

namespace penstock::cli {

// Calls visit for each regular file below path (or for path itself when it is one), a directory's
// in the order of their names, which is the order of time under the keys that channels and Firehose
// write. visit returns false to stop. Symbolic links below path are not followed.
[[nodiscard]] Result<void, Error> for_each_object(
    const std::string& path, const std::function<bool(const std::string& file)>& visit);

// Memory for records and split events under way while objects are read.
[[nodiscard]] kinesis_format::UnpackOptions archive_unpack_options();

// Gives the records of an object to the unpacker, each with the file's name as its note. "-": of
// stdin. wants_more: asked now and then; false ends it early. The error names file and damage; what
// came before it has been given out.
[[nodiscard]] Result<void, Error> read_object(const std::string& file,
                                              kinesis_format::Unpacker& unpacker,
                                              const std::function<bool()>& wants_more);

}  // namespace penstock::cli
