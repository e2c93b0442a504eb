// Which form of record fits which reader of a stream: the table of doc/consuming.md. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/options.h"

namespace penstock::config {

[[nodiscard]] std::span<const Reader> all_readers();
[[nodiscard]] bool is_channel(Reader reader);

// What a stream's records are made of, as far as readers care.
struct RecordForm {
  Aggregation aggregation = Aggregation::none;
  Compression compression = Compression::none;
  bool is_text = false;  // of data_key, so no JSON
};
[[nodiscard]] RecordForm form_of(const StreamOptions& stream);

// Why a reader would lose records of that form, or not understand them; nothing: it does.
struct Misfit {
  enum class Option : uint8_t { aggregation, compression, data_key } option;
  std::string why;
  std::string cure;
};
[[nodiscard]] std::vector<Misfit> misfits(Reader reader, const RecordForm& form);

// Whether records that nothing separates may be joined in what the reader writes, and the
// configuration alone cannot know that something does.
[[nodiscard]] bool needs_newline(Reader reader);

}  // namespace penstock::config
