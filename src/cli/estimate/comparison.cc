#include "cli/estimate/comparison.h"

#include <algorithm>

#include "config/readers.h"

namespace penstock::cli {
namespace {

using kinesis_format::Aggregation;

config::Aggregation as_option(Aggregation aggregation) {
  switch (aggregation) {
    case Aggregation::kpl:
      return config::Aggregation::kpl;
    case Aggregation::lines:
      return config::Aggregation::lines;
    case Aggregation::none:
      break;
  }
  return config::Aggregation::none;
}

config::Compression as_option(codec::Compression compression) {
  switch (compression) {
    case codec::Compression::gzip:
      return config::Compression::gzip;
    case codec::Compression::zstd:
      return config::Compression::zstd;
    default:
      return config::Compression::none;
  }
}

std::vector<config::Reader> readers_of(const PackingMode& packing, StreamMode mode) {
  std::vector<config::Reader> readers;
  for (const config::Reader reader : config::all_readers()) {
    if (config::is_channel(reader) && mode == StreamMode::provisioned) continue;
    const config::RecordForm form{as_option(packing.aggregation), as_option(packing.compression)};
    if (config::misfits(reader, form).empty()) readers.push_back(reader);
  }
  return readers;
}

bool has(const std::vector<config::Reader>& readers, config::Reader reader) {
  return std::find(readers.begin(), readers.end(), reader) != readers.end();
}

template <class Fits>
const Choice* cheapest_of(const std::vector<Choice>& choices, Fits fits) {
  const Choice* best = nullptr;
  for (const Choice& choice : choices) {
    if (fits(choice) && (best == nullptr || choice.bill.total() < best->bill.total())) {
      best = &choice;
    }
  }
  return best;
}

}  // namespace

std::vector<PackedTraffic> pack_each_way(const std::vector<std::string>& events,
                                         double events_per_second, milliseconds flush_interval) {
  std::vector<PackedTraffic> all;
  for (const auto aggregation : {Aggregation::none, Aggregation::kpl, Aggregation::lines}) {
    for (const auto compression :
         {codec::Compression::none, codec::Compression::gzip, codec::Compression::zstd}) {
      const PackingMode packing{aggregation, compression, flush_interval};
      all.push_back({packing, measure_packing(events, events_per_second, packing)});
    }
  }
  return all;
}

std::vector<Choice> all_choices(const std::vector<PackedTraffic>& packed, const Prices& prices,
                                const Wishes& wishes) {
  std::vector<Choice> choices;
  for (const PackedTraffic& each : packed) {
    for (const StreamMode mode : kStreamModes) {
      const auto readers = readers_of(each.packing, mode);
      const auto add = [&](Archive archive) {
        const auto bill = bill_of(each.traffic, prices, mode, archive, wishes);
        if (bill) choices.push_back({&each, mode, archive, *bill, readers});
      };
      if (wishes.archive_years == 0) {
        add(Archive::none);
        continue;
      }
      if (std::any_of(readers.begin(), readers.end(), config::is_channel)) add(Archive::channel);
      if (has(readers, config::Reader::firehose)) add(Archive::firehose);
    }
  }
  return choices;
}

const Choice* cheapest(const std::vector<Choice>& choices, std::optional<config::Reader> reader) {
  return cheapest_of(
      choices, [reader](const Choice& choice) { return !reader || has(choice.readers, *reader); });
}

const Choice* cheapest(const std::vector<Choice>& choices, const PackedTraffic& packed,
                       StreamMode mode) {
  return cheapest_of(choices, [&](const Choice& choice) {
    return choice.packed == &packed && choice.mode == mode;
  });
}

const char* name_of(Aggregation aggregation) { return to_string(as_option(aggregation)); }
const char* name_of(codec::Compression compression) { return to_string(as_option(compression)); }

}  // namespace penstock::cli
