#include "cli/migrate/migration.h"

#include <algorithm>
#include <set>

#include "cli/migrate/account.h"
#include "cli/migrate/fluent_pattern.h"
#include "cli/migrate/migrate_source.h"
#include "cli/migrate/migrate_stream.h"
#include "cli/migrate/yaml_text.h"
#include "config/values.h"

namespace penstock::cli {
namespace {

constexpr uint64_t kMiB = 1ull << 20;
constexpr uint64_t kMemoryDefault = 256 * kMiB;
constexpr uint64_t kSpoolDefault = 8192 * kMiB;
constexpr uint64_t kShareDefault = 1024 * kMiB;  // of a stream whose buffer had no limit

class Migrator {
 public:
  explicit Migrator(const MigrationOptions& options) : options_(options) {}

  Migration run(FluentSection& root) {
    root_ = &root;
    root.seen = true;
    read_sources(root);
    read_pipeline(root, {}, {});
    for (FluentSection& section : root.sections) read_top(section);
    account_.add_unseen(root);
    Migration migration;
    write(migration.yaml);
    migration.findings = std::move(account_).findings();
    return migration;
  }

 private:
  // A filter that adds fields of its own, for the outputs behind it that see the same tags.
  struct Filter {
    std::string pattern;
    YamlMap fields;
  };

  // How events get to a pipeline.
  struct Reach {
    std::string label;           // from sources with this label; empty: without any
    std::string pattern = "**";  // and through this <match> with `@type relabel`
  };

  void read_sources(FluentSection& root) {
    for (FluentSection& section : root.sections) {
      if (section.name == "worker") read_sources(section);
      if (section.name != "source") continue;
      auto source = migrate_source(section, account_, options_);
      if (!source) continue;
      if (source->name.empty()) source->name = source->kind;
      source->name = unique(key_of(source->name), source_names_);
      sources_.push_back(std::move(*source));
    }
  }

  void read_top(FluentSection& section) {
    if (section.name == "label" && section.argument != "@ERROR") {
      section.seen = true;
      if (has_sources(section.argument)) read_pipeline(section, {section.argument, "**"}, {});
    } else if (section.name == "label") {
      account_.add_section(Verdict::safer, section, "what cannot be delivered is a dead letter");
    } else if (section.name == "worker") {
      section.seen = true;
      read_pipeline(section, {}, {});
    } else if (section.name == "system") {
      constexpr Rule kRules[] = {
          {"workers", Verdict::exact, "not needed: threads follow the cores"},
          {"log_level", Verdict::exact, "penstock run --log-level (fatal is error, trace debug)"},
          {"root_dir", Verdict::exact, "not needed: spool.directory"},
          {"process_name", Verdict::exact, "not needed"},
          {"suppress_repeated_stacktrace", Verdict::exact,
           "not needed: repeated lines are limited"},
          {"emit_error_log_interval", Verdict::exact, "not needed: repeated lines are limited"},
      };
      account_.apply(section, kRules);
      if (FluentSection* log = section.find_section("log")) {
        account_.add_section(Verdict::exact, *log, "penstock run --log-format, --log-level");
      }
    }
  }

  [[nodiscard]] bool has_sources(const std::string& label) const {
    return std::any_of(sources_.begin(), sources_.end(),
                       [&](const MigratedSource& each) { return each.label == label; });
  }

  // Filters and matches in their order: the first match takes the event.
  void read_pipeline(FluentSection& around, const Reach& reach, std::vector<Filter> filters) {
    for (FluentSection& section : around.sections) {
      if (section.name == "filter") read_filter(section, filters);
      if (section.name != "match") continue;
      read_match(section, reach, filters);
      // The outputs behind this one see none of its events.
      std::erase_if(filters, [&](const Filter& filter) {
        return pattern_covers(section.argument, filter.pattern);
      });
    }
  }

  void read_filter(FluentSection& filter, std::vector<Filter>& filters) {
    const std::string type = filter.type();
    filter.seen = true;
    FluentSection* const record = filter.find_section("record");
    if (type == "prometheus" || type == "stdout") {
      account_.add_section(Verdict::exact, filter, "not needed: the admin port has metrics");
      return;
    }
    if (type != "record_transformer" && type != "record_modifier") {
      account_.add_section(Verdict::impossible, filter,
                           "records are stored as they were sent: let the collector change them");
      return;
    }
    if (record == nullptr) return;
    record->seen = true;
    Filter to{filter.argument, {}};
    for (FluentParameter& field : record->parameters) {
      const auto value = account_.take(*record, field.key);
      if (!value) continue;
      // record_transformer's own ${…} reads the record, the tag or the time.
      const bool is_placeholder = value->find("$${") != std::string::npos;
      account_.say(*record, field.key, is_placeholder ? Verdict::impossible : Verdict::exact,
                   is_placeholder
                       ? "fields are fixed: a value cannot be computed from the record or its tag"
                       : "inject.fields of the streams behind this filter; a record that has the "
                         "field keeps its own");
      if (!is_placeholder) to.fields.text(field.key, *value);
    }
    filters.push_back(std::move(to));
  }

  // Fields of the filters in front of an output. What a filter adds to some of the output's events
  // only cannot be added.
  YamlMap fields_for(const FluentSection& match, const std::vector<Filter>& filters) {
    YamlMap fields;
    for (const Filter& filter : filters) {
      if (filter.fields.entries.empty()) continue;
      if (pattern_covers(filter.pattern, match.argument)) {
        for (const auto& entry : filter.fields.entries) fields.set(entry);
      } else if (!patterns_are_apart(filter.pattern, match.argument)) {
        account_.add(Verdict::impossible, match.place,
                     title_of(match) + ": filter " + filter.pattern,
                     "its fields are not added here, since it covers other tags than this match: "
                     "set inject.fields if all events of the stream should have them");
      }
    }
    return fields;
  }

  void read_match(FluentSection& match, const Reach& reach, const std::vector<Filter>& filters) {
    const std::string type = match.type();
    match.seen = true;
    if (is_kinesis_type(type)) {
      add_stream(match, match, reach, filters);
    } else if (type == "copy") {
      read_copy(match, reach, filters);
    } else if (type == "relabel") {
      read_relabel(match, reach, filters);
    } else if (type == "null" && match.argument.starts_with("fluent.")) {
      account_.add_section(Verdict::exact, match, "not needed: penstock's own log is no event");
    } else {
      account_.add_section(
          Verdict::impossible, match,
          (type == "null" ? std::string("no route discards events") : not_kinesis()) +
              "; events with these tags go to a later route that matches them");
    }
  }

  void read_copy(FluentSection& match, const Reach& reach, const std::vector<Filter>& filters) {
    account_.say(match, "copy_mode", Verdict::exact, "not needed");
    bool has_stream = false;
    for (FluentSection& store : match.sections) {
      if (store.name != "store") continue;
      const std::string type = store.type();
      if (type == "prometheus" || type == "stdout") {
        account_.add_section(Verdict::exact, store, "not needed: the admin port has metrics");
      } else if (!is_kinesis_type(type)) {
        account_.add_section(Verdict::impossible, store, not_kinesis());
      } else if (has_stream) {
        account_.add_section(Verdict::impossible, store,
                             "an event goes to one stream: let another consumer read the stream, "
                             "or the collector send twice");
      } else {
        add_stream(store, match, reach, filters);
        has_stream = true;
      }
    }
  }

  // The pipeline of the label, for the events of this match.
  void read_relabel(FluentSection& match, const Reach& reach, const std::vector<Filter>& filters) {
    const std::string label = account_.take(match, "@label").value_or("");
    const auto target = std::find_if(
        root_->sections.begin(), root_->sections.end(),
        [&](const auto& section) { return section.name == "label" && section.argument == label; });
    const auto pattern = both(reach.pattern, match.argument);
    if (target == root_->sections.end() || !pattern || !labels_on_the_way_.insert(label).second) {
      account_.say(match, "@label", Verdict::impossible,
                   "write the routes of that label with the tags of this match");
      return;
    }
    account_.say(match, "@label", Verdict::exact, "routes of that label");
    target->seen = true;
    read_pipeline(*target, {reach.label, *pattern}, filters);
    labels_on_the_way_.erase(label);
  }

  // The tags that both patterns match; nullopt: no pattern says so.
  static std::optional<std::string> both(const std::string& a, const std::string& b) {
    if (pattern_covers(a, b)) return b;
    if (pattern_covers(b, a)) return a;
    return std::nullopt;
  }

  static std::string not_kinesis() {
    return "penstock delivers to Kinesis and Firehose only: let the collector send there itself";
  }

  void add_stream(FluentSection& output, FluentSection& match, const Reach& reach,
                  const std::vector<Filter>& filters) {
    MigratedStream stream = migrate_stream(output, account_, fields_for(match, filters));
    const std::string key = unique(key_of(stream.name), stream_keys_);
    if (!stream.total_limit_size.empty()) {
      stream.options.raw("max_size", yaml_scalar(stream.total_limit_size));
    }
    if (add_routes(match, reach, key)) {
      account_.add(Verdict::exact, match.place, "<match " + match.argument + ">",
                   "routes, streams." + key);
    }
    streams_.push_back({key, std::move(stream)});
  }

  bool add_routes(const FluentSection& match, const Reach& reach, const std::string& key) {
    const auto pattern = both(reach.pattern, match.argument);
    if (!pattern || has_regular_expression(*pattern)) {
      account_.add(Verdict::impossible, match.place, "<match " + match.argument + ">",
                   pattern ? "no route is written: write the regular expression with * and **"
                           : "no route is written: write one for the tags that match this and " +
                                 reach.pattern);
      return false;
    }
    const std::vector<std::string> sources = sources_of(reach.label, match);
    for (const std::string& source : sources) {
      YamlMap route;
      if (!source.empty()) route.text("source", source);
      if (*pattern != "**") route.text("tag", without_prefix(*pattern));
      route.text("stream", key);
      routes_.push_back(std::move(route));
    }
    return !sources.empty();
  }

  // The sources whose events reach a pipeline; one empty name: all of them.
  std::vector<std::string> sources_of(const std::string& label, const FluentSection& match) {
    std::vector<std::string> names;
    for (const MigratedSource& source : sources_) {
      if (source.label == label) names.push_back(source.name);
    }
    if (names.size() == sources_.size()) return {""};
    if (names.empty()) {
      account_.add(Verdict::impossible, match.place, title_of(match) + ": " + label,
                   "no source that penstock has sends events here: no route is written");
    }
    return names;
  }

  // Patterns as they match the tags that senders give.
  [[nodiscard]] std::string without_prefix(const std::string& patterns) const {
    std::string result = patterns;
    for (const MigratedSource& source : sources_) {
      if (source.tag_prefix.empty()) continue;
      const std::string prefix = source.tag_prefix + ".";
      for (size_t at = 0; (at = result.find(prefix, at)) != std::string::npos;) {
        const bool begins_pattern = at == 0 || result[at - 1] == ' ';
        if (begins_pattern) {
          result.erase(at, prefix.size());
        } else {
          at += prefix.size();
        }
      }
    }
    return result;
  }

  // A name for a stream or a source that penstock.yaml accepts.
  static std::string key_of(const std::string& name) {
    std::string key;
    for (const char c : name) {
      key += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ? c : '-';
    }
    return key.empty() ? "stream" : key;
  }

  static std::string unique(const std::string& name, std::set<std::string>& taken) {
    std::string candidate = name;
    for (int i = 2; !taken.insert(candidate).second; ++i)
      candidate = name + "-" + std::to_string(i);
    return candidate;
  }

  void write(std::string& yaml) {
    YamlMap file;
    std::vector<YamlMap> sources;
    for (MigratedSource& source : sources_) {
      YamlMap named;
      named.text("name", source.name);
      for (auto& entry : source.options.entries) named.entries.push_back(std::move(entry));
      YamlMap item;
      item.map(source.kind, std::move(named));
      sources.push_back(std::move(item));
    }
    file.list("sources", std::move(sources));
    file.list("routes", routes_);
    YamlMap streams;
    bool all_drop = !streams_.empty();
    uint64_t disk = 0;
    for (auto& [key, stream] : streams_) {
      all_drop &= stream.drops_oldest;
      disk += config::parse_size(stream.total_limit_size).value_or(kShareDefault);
      streams.map(key, std::move(stream.options));
    }
    file.map("streams", std::move(streams));
    YamlMap spool;
    spool.text("directory", options_.spool_directory);
    if (disk > kSpoolDefault) spool.raw("max_size", std::to_string(disk / kMiB) + "MiB");
    if (all_drop) spool.raw("when_full", "drop_oldest");
    report_overflow(all_drop);
    file.map("spool", std::move(spool));
    if (const uint64_t memory = memory_needed(); memory > kMemoryDefault) {
      file.raw("memory_limit", std::to_string((memory + kMiB - 1) / kMiB) + "MiB");
    }
    yaml =
        "# Written by `penstock migrate`. Read its report, then run: penstock check --config "
        "FILE\n";
    file.write(yaml, 0);
  }

  // when_full holds for the whole spool.
  void report_overflow(bool all_drop) {
    for (const auto& [key, stream] : streams_) {
      if (!stream.drops_oldest) continue;
      account_.add(all_drop ? Verdict::exact : Verdict::safer, stream.overflow_place,
                   "streams." + key + ": overflow_action",
                   all_drop ? "spool.when_full: drop_oldest"
                            : "spool.when_full: block, since the other streams do not drop");
    }
  }

  // 2 x the largest message + 32 MiB, and as much again to work with.
  [[nodiscard]] uint64_t memory_needed() const {
    uint64_t largest = 64 * kMiB;
    for (const MigratedSource& source : sources_) {
      for (const auto& entry : source.options.entries) {
        if (entry.key != "max_message" && entry.key != "max_body") continue;
        largest = std::max(largest, config::parse_size(entry.scalar).value_or(0));
      }
    }
    return largest <= 64 * kMiB ? 0 : 2 * largest + 128 * kMiB;
  }

  const MigrationOptions& options_;
  FluentSection* root_ = nullptr;
  std::set<std::string> labels_on_the_way_;
  Account account_;
  std::vector<MigratedSource> sources_;
  std::vector<YamlMap> routes_;
  std::vector<std::pair<std::string, MigratedStream>> streams_;
  std::set<std::string> source_names_;
  std::set<std::string> stream_keys_;
};

}  // namespace

bool Migration::complete() const {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& each) { return each.verdict == Verdict::impossible; });
}

Migration migrate(FluentSection& root, const MigrationOptions& options) {
  return Migrator(options).run(root);
}

}  // namespace penstock::cli
