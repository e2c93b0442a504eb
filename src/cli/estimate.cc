// `penstock estimate`: shards needed and dollars a month, for each way of packing.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "cli/estimate/cost.h"
#include "cli/estimate/packing.h"
#include "cli/send/sample_record.h"
#include "cli/subcommands.h"
#include "config/values.h"
#include "kinesis/endpoint.h"
#include "kinesis_format/event_json.h"

namespace penstock::cli {
namespace {

struct EstimateOptions {
  double rate = 1'000;
  std::string size;  // "": events come from stdin
  double utilisation = 0.8;
  std::string flush_interval = "1s";
  std::string region;
  std::string prices_file;
  bool print_prices = false;
};

constexpr size_t kSampleBytesMax = 256u << 20;

Result<PriceTable, Error> load_prices(const EstimateOptions& options) {
  std::string region = options.region;
  if (region.empty()) region = kinesis::environment_region(kinesis::process_environment());
  if (options.prices_file.empty()) {
    return read_prices(std::string(built_in_prices()), "the built-in table", region);
  }
  std::ifstream file(options.prices_file);
  if (!file) return usage_error("cannot open --prices " + options.prices_file);
  std::ostringstream text;
  text << file.rdbuf();
  return read_prices(text.str(), options.prices_file, region);
}

Result<std::vector<std::string>, Error> events_of_stdin() {
  std::vector<std::string> events;
  size_t bytes = 0;
  for (std::string line; std::getline(std::cin, line);) {
    if (line.empty()) continue;
    bytes += line.size();
    events.push_back(std::move(line));
    if (bytes > kSampleBytesMax) break;  // a sample of this size says enough
  }
  if (events.empty()) {
    return usage_error("no records on stdin: give some, one a line, or --size");
  }
  return events;
}

// Made-up OpenShift records, their message cut or filled up to the size.
Result<std::vector<std::string>, Error> made_up_events(const std::string& size_text) {
  constexpr size_t kCount = 2'000;
  const auto size = config::parse_size(size_text);
  if (!size || *size < 2 || *size > (1u << 20)) {
    return usage_error("--size " + size_text + ": write the size of an event, 2 bytes to 1MiB");
  }
  std::vector<std::string> events;
  for (uint64_t i = 0; i < kCount; ++i) {
    std::string text;
    for (uint64_t part = 0; text.size() < *size; ++part) {
      ByteBuffer msgpack, json;
      append_sample_record(msgpack, i + part * kCount, "estimate-" + std::to_string(i), {});
      if (kinesis_format::append_event_json(json, msgpack.view()) !=
          kinesis_format::EncodeOutcome::done)
        break;
      text += as_text(json.view());
    }
    text.resize(*size);
    events.push_back(std::move(text));
  }
  return events;
}

const char* name_of(kinesis_format::Aggregation aggregation) {
  switch (aggregation) {
    case kinesis_format::Aggregation::none:
      return "none";
    case kinesis_format::Aggregation::kpl:
      return "kpl";
    case kinesis_format::Aggregation::lines:
      return "lines";
  }
  return "";
}

const char* name_of(codec::Compression compression) {
  switch (compression) {
    case codec::Compression::gzip:
      return "gzip";
    case codec::Compression::zstd:
      return "zstd";
    default:
      return "none";
  }
}

void print_row(const PackingMode& mode, const Traffic& traffic, const Cost& cost) {
  std::printf("%-12s %-12s %11.1f %9.3f %11.1f %7llu %13.2f %13.2f %13.2f\n",
              name_of(mode.aggregation), name_of(mode.compression), traffic.records_per_second,
              traffic.bytes_per_second / 1e6, traffic.put_units_per_second,
              static_cast<unsigned long long>(cost.shards), cost.provisioned_month,
              cost.on_demand_month, cost.advantage_month);
}

int print_table(const EstimateOptions& options, const PriceTable& table,
                const std::vector<std::string>& events, milliseconds flush_interval) {
  size_t bytes = 0;
  for (const std::string& event : events) bytes += event.size();
  std::printf("%zu events of %zu bytes on average, taken for %.0f a second; prices of %s (USD)\n\n",
              events.size(), bytes / events.size(), options.rate, table.region.c_str());
  if (!options.region.empty() && options.region != table.region) {
    std::fprintf(stderr, "note: no prices for %s in the table: those of %s are used\n",
                 options.region.c_str(), table.region.c_str());
  }
  std::printf("%-12s %-12s %11s %9s %11s %7s %13s %13s %13s\n", "aggregation", "compression",
              "records/s", "MB/s", "PUT units/s", "shards", "provisioned/mo", "on-demand/mo",
              "advantage/mo");
  for (const auto aggregation :
       {kinesis_format::Aggregation::none, kinesis_format::Aggregation::kpl,
        kinesis_format::Aggregation::lines}) {
    for (const auto compression :
         {codec::Compression::none, codec::Compression::gzip, codec::Compression::zstd}) {
      const PackingMode mode{aggregation, compression, flush_interval};
      const Traffic traffic = measure_packing(events, options.rate, mode);
      print_row(mode, traffic, cost_of(traffic, table.prices, options.utilisation));
    }
  }
  std::printf(
      "\nA month is 720 hours; shards are used to %.0f %%. The advantage price is the most it can "
      "be,\nwithout the account's minimum. Retention beyond 24 h and readers cost extra.\n",
      options.utilisation * 100);
  return std::fflush(stdout) == 0 ? kDone : kFailed;
}

int estimate(const EstimateOptions& options) {
  if (options.print_prices) {
    std::fwrite(built_in_prices().data(), 1, built_in_prices().size(), stdout);
    return std::fflush(stdout) == 0 ? kDone : kFailed;
  }
  const auto flush_interval = config::parse_duration(options.flush_interval);
  if (!flush_interval) return report(Error{Error::Kind::usage, flush_interval.error()});
  const auto table = load_prices(options);
  if (!table) return report(table.error());
  const auto events = options.size.empty() ? events_of_stdin() : made_up_events(options.size);
  if (!events) return report(events.error());
  return print_table(options, *table, *events, *flush_interval);
}

}  // namespace

void register_estimate(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<EstimateOptions>();
  CLI::App* const command = app.add_subcommand(
      "estimate", "Shards needed and dollars a month, for each aggregation and compression");
  command->add_option("--rate", options->rate, "Events a second (default 1000)")
      ->type_name("N")
      ->check(CLI::Range(0.001, 1e9));
  command
      ->add_option("--size", options->size,
                   "Make up events of this size (default: records from stdin, one a line)")
      ->type_name("SIZE");
  command
      ->add_option("--utilisation", options->utilisation,
                   "How much of each shard to use (default 0.8)")
      ->type_name("SHARE")
      ->check(CLI::Range(0.01, 1.0));
  command
      ->add_option("--flush-interval", options->flush_interval,
                   "flush.interval: how long an aggregate fills (default 1s)")
      ->type_name("TIME");
  command->add_option("--region", options->region, "Whose prices (default AWS_REGION)")
      ->type_name("REGION");
  command->add_option("--prices", options->prices_file, "Table of prices instead of the built-in")
      ->type_name("FILE");
  command->add_flag("--print-prices", options->print_prices, "Print the built-in table and exit");
  command->footer(
      "The sample is packed by the code that delivery packs with; every figure is measured on it.\n"
      "Examples:\n"
      "  penstock estimate --rate 5000 < records.jsonl\n"
      "  penstock estimate --rate 16667 --size 300 --utilisation 1");
  command->callback([options, &exit_code] { exit_code = estimate(*options); });
}

}  // namespace penstock::cli
