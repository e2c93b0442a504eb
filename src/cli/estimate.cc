// `penstock estimate`: shards needed and dollars a month, for each way of packing.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cli/estimate/comparison.h"
#include "cli/estimate/cost.h"
#include "cli/estimate/packing.h"
#include "cli/output_format.h"
#include "cli/send/sample_record.h"
#include "cli/subcommands.h"
#include "config/readers.h"
#include "config/values.h"
#include "kinesis/endpoint.h"
#include "kinesis_format/event_json.h"

namespace penstock::cli {
namespace {

struct EstimateOptions {
  double rate = 1'000;
  std::string size;  // "": events come from stdin
  double utilization = 0.8;
  std::string flush_interval = "1s";
  double retention_hours = 24;
  double archive_years = 0;
  std::string storage_class = "GLACIER_IR";
  std::string region;
  std::string prices_file;
  bool print_prices = false;
  OutputFormat format = OutputFormat::text;
};

// Whose prices are used, and for what.
struct Basis {
  PriceTable table;
  std::string region;
  Wishes wishes;
  size_t event_count = 0;
  size_t event_bytes = 0;  // on average
};

constexpr size_t kSampleBytesMax = 256u << 20;

Result<PriceTable, Error> load_prices(const EstimateOptions& options) {
  if (options.prices_file.empty()) {
    return read_prices(std::string(built_in_prices()), "the built-in table");
  }
  std::ifstream file(options.prices_file);
  if (!file) return usage_error("cannot open --prices " + options.prices_file);
  std::ostringstream text;
  text << file.rdbuf();
  return read_prices(text.str(), options.prices_file);
}

// "all", or a region that the table has.
Result<std::string, Error> choose_region(const EstimateOptions& options, const PriceTable& table) {
  std::string region = options.region;
  if (region.empty()) region = kinesis::environment_region(kinesis::process_environment());
  if (region.empty()) {
    return usage_error("say whose prices: --region, or AWS_REGION (there are " +
                       table.region_names() + ", or all)");
  }
  if (region != "all" && table.find(region) == nullptr) {
    return usage_error("no prices for " + region + " (there are " + table.region_names() +
                       "); add them to the table of --print-prices and give it with --prices");
  }
  return region;
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

int finish_printing() { return std::fflush(stdout) == 0 ? kDone : kFailed; }

std::string dollars(const Choice* choice) {
  if (choice == nullptr) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", choice->bill.total());
  return text;
}

std::string described(const Choice& choice) {
  std::string text = std::string(name_of(choice.packed->packing.aggregation)) + " + " +
                     name_of(choice.packed->packing.compression) + ", " + to_string(choice.mode);
  if (choice.bill.shards > 0) text += " with " + std::to_string(choice.bill.shards) + " shards";
  if (choice.archive != Archive::none)
    text += ", archive by " + std::string(to_string(choice.archive));
  return text;
}

std::string parts_of(const Bill& bill) {
  std::string text;
  const auto add = [&text](const char* name, double amount) {
    if (amount <= 0) return;
    char part[64];
    std::snprintf(part, sizeof part, "%s%s %.2f", text.empty() ? "" : ", ", name, amount);
    text += part;
  };
  add("stream", bill.stream);
  add("PUT units", bill.put_units);
  add("account minimum", bill.minimum);
  add("retention", bill.retention);
  add("delivery", bill.delivery);
  add("S3", bill.archive);
  return text;
}

void print_notes(const Basis& basis, const Prices& prices) {
  std::printf(
      "\nA month is 720 hours; shards are used to %.0f %%; records stay in the stream for %.0f h. "
      "Readers other\nthan channels and Firehose cost extra.\n",
      basis.wishes.utilization * 100, basis.wishes.retention_hours);
  if (prices.advantage.minimum_mib_per_second > 0) {
    std::printf(
        "On-demand advantage bills an account and region for at least %.0f MiB/s, %.2f a month: "
        "the "
        "column\nholds it whole, and all streams of the account share it.\n",
        prices.advantage.minimum_mib_per_second,
        prices.advantage.minimum_mib_per_second * 720 * 3'600 / 1024 * prices.advantage.gb_in);
  }
  if (!basis.table.not_checked.empty()) {
    std::printf("Prices that were not checked against the pages of the services:\n ");
    for (const std::string& name : basis.table.not_checked) std::printf(" %s", name.c_str());
    std::printf("\n");
  }
  if (basis.wishes.archive_years > 0) {
    std::printf(
        "The archive holds %.4g years, the first month of each object in STANDARD, then in %s; "
        "requests to S3\nare not counted. `-`: nothing archives that form%s.\n",
        basis.wishes.archive_years, basis.wishes.storage_class.c_str(),
        prices.channel_gb ? "" : ", or only a channel, whose price the table does not have");
  }
}

void print_cheapest(const std::vector<Choice>& choices) {
  const Choice* best = cheapest(choices);
  if (best == nullptr) {
    std::printf("\nnothing fits: no form of record has an archive with a price\n");
    return;
  }
  std::printf("\ncheapest        %10s  %s\n                            %s\n", dollars(best).c_str(),
              described(*best).c_str(), parts_of(best->bill).c_str());
  for (const config::Reader reader : config::all_readers()) {
    const Choice* const choice = cheapest(choices, reader);
    std::printf("%-15s %10s  %s\n", to_string(reader), dollars(choice).c_str(),
                choice == nullptr ? "" : described(*choice).c_str());
  }
}

void print_table(const Basis& basis, const std::vector<PackedTraffic>& packed,
                 const std::vector<Choice>& choices) {
  std::printf("%-12s %-12s %11s %9s %11s %7s %13s %13s %13s\n", "aggregation", "compression",
              "records/s", "MB/s", "PUT units/s", "shards", "provisioned/mo", "on-demand/mo",
              "advantage/mo");
  for (const PackedTraffic& each : packed) {
    const Choice* const provisioned = cheapest(choices, each, StreamMode::provisioned);
    const auto shards = bill_of(each.traffic, *basis.table.find(basis.region),
                                StreamMode::provisioned, Archive::none, basis.wishes)
                            ->shards;
    std::printf("%-12s %-12s %11.1f %9.3f %11.1f %7llu %13s %13s %13s\n",
                name_of(each.packing.aggregation), name_of(each.packing.compression),
                each.traffic.records_per_second, each.traffic.bytes_per_second / 1e6,
                each.traffic.put_units_per_second, static_cast<unsigned long long>(shards),
                dollars(provisioned).c_str(),
                dollars(cheapest(choices, each, StreamMode::on_demand)).c_str(),
                dollars(cheapest(choices, each, StreamMode::advantage)).c_str());
  }
}

int print_text(const Basis& basis, double rate, const std::vector<PackedTraffic>& packed) {
  std::printf(
      "%zu events of %zu bytes on average, scaled to %.0f a second; prices of %s, %s "
      "(USD)\n\n",
      basis.event_count, basis.event_bytes, rate,
      basis.region == "all" ? "all regions" : basis.region.c_str(), basis.table.dated.c_str());
  if (basis.region == "all") {
    for (const auto& [region, prices] : basis.table.regions) {
      const auto choices = all_choices(packed, prices, basis.wishes);
      const Choice* const best = cheapest(choices);
      std::printf("%-15s %10s  %s\n", region.c_str(), dollars(best).c_str(),
                  best == nullptr ? "" : described(*best).c_str());
    }
    return finish_printing();
  }
  const Prices& prices = *basis.table.find(basis.region);
  const auto choices = all_choices(packed, prices, basis.wishes);
  print_table(basis, packed, choices);
  print_notes(basis, prices);
  print_cheapest(choices);
  return finish_printing();
}

nlohmann::ordered_json json_of(const Choice& choice) {
  nlohmann::ordered_json readers = nlohmann::ordered_json::array();
  for (const config::Reader reader : choice.readers) readers.push_back(to_string(reader));
  const Traffic& traffic = choice.packed->traffic;
  const Bill& bill = choice.bill;
  return {{"aggregation", name_of(choice.packed->packing.aggregation)},
          {"compression", name_of(choice.packed->packing.compression)},
          {"mode", to_string(choice.mode)},
          {"archive", to_string(choice.archive)},
          {"records_per_second", traffic.records_per_second},
          {"bytes_per_second", traffic.bytes_per_second},
          {"put_units_per_second", traffic.put_units_per_second},
          {"shards", bill.shards},
          {"month", bill.total()},
          {"parts",
           {{"stream", bill.stream},
            {"put_units", bill.put_units},
            {"account_minimum", bill.minimum},
            {"retention", bill.retention},
            {"delivery", bill.delivery},
            {"s3", bill.archive}}},
          {"readers", readers}};
}

std::string json_text(const Basis& basis, double rate, const std::vector<PackedTraffic>& packed) {
  nlohmann::ordered_json document = {{"events_per_second", rate},
                                     {"event_bytes", basis.event_bytes},
                                     {"prices_dated", basis.table.dated},
                                     {"prices_not_checked", basis.table.not_checked},
                                     {"currency", "USD"},
                                     {"retention_hours", basis.wishes.retention_hours},
                                     {"archive_years", basis.wishes.archive_years},
                                     {"regions", nlohmann::ordered_json::object()}};
  for (const auto& [region, prices] : basis.table.regions) {
    if (basis.region != "all" && basis.region != region) continue;
    const auto choices = all_choices(packed, prices, basis.wishes);
    auto& of_region = document["regions"][region];
    of_region["cheapest"] = nullptr;
    if (const Choice* best = cheapest(choices)) of_region["cheapest"] = json_of(*best);
    of_region["choices"] = nlohmann::ordered_json::array();
    for (const Choice& choice : choices) of_region["choices"].push_back(json_of(choice));
  }
  return document.dump(2);
}

int estimate(const EstimateOptions& options) {
  if (options.print_prices) {
    std::fwrite(built_in_prices().data(), 1, built_in_prices().size(), stdout);
    return finish_printing();
  }
  const auto flush_interval = config::parse_duration(options.flush_interval);
  if (!flush_interval) return report(Error{Error::Kind::usage, flush_interval.error()});
  auto table = load_prices(options);
  if (!table) return report(table.error());
  const auto region = choose_region(options, *table);
  if (!region) return report(region.error());
  for (const auto& [name, prices] : table->regions) {
    if (*region != "all" && *region != name) continue;
    const auto& classes = prices.s3_gb_month;
    if (std::none_of(classes.begin(), classes.end(),
                     [&](const auto& entry) { return entry.first == options.storage_class; })) {
      return report(Error{Error::Kind::usage, "--storage-class " + options.storage_class + ": " +
                                                  "the table of prices has none for " + name});
    }
  }
  const auto events = options.size.empty() ? events_of_stdin() : made_up_events(options.size);
  if (!events) return report(events.error());
  size_t bytes = 0;
  for (const std::string& event : *events) bytes += event.size();
  const Basis basis{
      std::move(*table),
      *region,
      {options.utilization, options.retention_hours, options.archive_years, options.storage_class},
      events->size(),
      bytes / events->size()};
  const auto packed = pack_each_way(*events, options.rate, *flush_interval);
  return options.format == OutputFormat::json
             ? print_document(json_text(basis, options.rate, packed))
             : print_text(basis, options.rate, packed);
}

}  // namespace

void register_estimate(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<EstimateOptions>();
  CLI::App* const command = app.add_subcommand(
      "estimate", "Estimate shards and monthly cost for each aggregation and compression");
  command->add_option("--rate", options->rate, "Events per second (default 1000)")
      ->type_name("N")
      ->check(CLI::Range(0.001, 1e9));
  command
      ->add_option("--size", options->size,
                   "Generate events of this size (default: read records from stdin)")
      ->type_name("SIZE");
  command
      ->add_option("--utilization,--utilisation", options->utilization,
                   "Share of each shard to use (default 0.8)")
      ->type_name("SHARE")
      ->check(CLI::Range(0.01, 1.0));
  command
      ->add_option("--flush-interval", options->flush_interval,
                   "flush.interval: how long an aggregate fills (default 1s)")
      ->type_name("TIME");
  command
      ->add_option("--retention", options->retention_hours,
                   "Hours that the stream keeps records (default 24)")
      ->type_name("HOURS")
      ->check(CLI::Range(24.0, 8760.0));
  command
      ->add_option("--archive-years", options->archive_years,
                   "Also archive to S3, for N years (default 0: no archive)")
      ->type_name("YEARS")
      ->check(CLI::Range(0.0, 100.0));
  command
      ->add_option("--storage-class", options->storage_class,
                   "S3 class of archived objects after the first month (default GLACIER_IR)")
      ->type_name("CLASS");
  command
      ->add_option("--region", options->region,
                   "Region of the prices, or all to compare regions (default AWS_REGION)")
      ->type_name("REGION");
  add_format_option(*command, options->format);
  command
      ->add_option("--prices", options->prices_file,
                   "Price table to use instead of the built-in one")
      ->type_name("FILE");
  command->add_flag("--print-prices", options->print_prices, "Print the built-in table and exit");
  command->footer(
      "The sample is packed with the code of delivery; every figure is measured on it.\n"
      "Examples:\n"
      "  penstock estimate --rate 5000 < records.jsonl\n"
      "  penstock estimate --rate 16667 --size 300 --region us-east-1 --archive-years 3");
  command->callback([options, &exit_code] { exit_code = estimate(*options); });
}

}  // namespace penstock::cli
