#include "config/readers.h"

#include <array>

namespace penstock::config {

std::span<const Reader> all_readers() {
  static constexpr std::array kAll = {
      Reader::channel_json, Reader::channel_string, Reader::channel_bytes, Reader::firehose,
      Reader::kcl,          Reader::lambda,         Reader::flink,         Reader::own};
  return kAll;
}

bool is_channel(Reader reader) {
  return reader == Reader::channel_json || reader == Reader::channel_string ||
         reader == Reader::channel_bytes;
}

RecordForm form_of(const StreamOptions& stream) {
  return {stream.aggregation, stream.compression, !stream.data_key.empty()};
}

std::vector<Misfit> misfits(Reader reader, const RecordForm& form) {
  const bool is_kpl = form.aggregation == Aggregation::kpl;
  const bool is_lines = form.aggregation == Aggregation::lines;
  const bool is_compressed = form.compression != Compression::none;
  std::vector<Misfit> found;
  const auto of_aggregation = [&](const char* why, const char* cure) {
    found.push_back({Misfit::Option::aggregation, why, cure});
  };
  const auto of_compression = [&](const char* why) {
    found.push_back({Misfit::Option::compression, why, "use compression: none"});
  };
  const auto of_text = [&](const char* why, const char* cure) {
    if (form.is_text) found.push_back({Misfit::Option::data_key, why, cure});
  };
  switch (reader) {
    case Reader::channel_json:
      if (is_kpl || is_lines) {
        of_aggregation("such a channel rejects what is not one JSON document",
                       "use aggregation: none, or a channel of format STRING or BYTE_ARRAY");
      }
      if (is_compressed) of_compression("such a channel rejects what is not JSON");
      of_text("such a channel rejects what is not JSON",
              "remove data_key, or use a channel of format STRING");
      break;
    case Reader::channel_string:
      if (is_kpl) {
        of_aggregation("such a channel rejects what is not text",
                       "use none or lines, or a channel of format BYTE_ARRAY");
      }
      if (is_compressed) of_compression("such a channel rejects what is not text");
      break;
    case Reader::firehose:
      if (is_compressed) {
        of_compression(
            "its delimiter would stand between compressed pieces; let Firehose compress objects");
      }
      break;
    case Reader::lambda:
      if (is_kpl) {
        of_aggregation("Lambda does not take aggregates apart",
                       "use lines or none, or reader own where your function does it");
      }
      break;
    case Reader::flink:
      if (is_lines) {
        of_aggregation("its JSON format takes one document a record", "use none or kpl");
      }
      if (is_compressed) of_compression("its JSON format does not decompress");
      of_text("its JSON format takes objects", "remove data_key, or use reader own");
      break;
    case Reader::channel_bytes:
    case Reader::kcl:
    case Reader::own:
      break;
  }
  return found;
}

bool needs_newline(Reader reader) {
  return reader == Reader::channel_json || reader == Reader::channel_string;
}

}  // namespace penstock::config
