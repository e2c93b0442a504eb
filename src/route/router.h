// Router: which stream takes which event. First match wins.
//
// Tag, source and the log_type of a collector's tag are known for a whole batch; when they decide,
// no record is opened and the batch moves on as it is. Else each record is read once, and the batch
// is split into one part for each target, entries in the order they came in.
//
// Immutable after construction; thread: any. A reload makes a new one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "record/batch.h"
#include "route/field_path.h"
#include "route/log_type.h"
#include "route/tag_pattern.h"

namespace penstock::route {

// A text as given, or with * (any characters) and ? (one character).
class Glob {
 public:
  explicit Glob(std::string pattern);
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  std::string pattern_;
  bool is_exact_;
};

struct FieldCondition {
  FieldPath path;
  Glob pattern;
};

// All conditions given must hold; a route without any takes everything.
struct Route {
  std::string source;
  std::optional<TagPattern> tag;
  std::optional<LogType> log_type;
  std::vector<FieldCondition> where;
  std::string stream;
  std::string condition = {};  // as an operator reads it on the status page
};

// What became of one batch. Together the parts have all its events.
struct Routed {
  struct Part {
    std::string stream;
    record::Batch batch;
  };
  struct Refused {
    std::string reason;  // no_route
    record::Batch batch;
  };
  struct Dropped {
    std::string reason;  // own_logs, not_selected
    uint64_t events = 0;
  };
  std::vector<Part> parts;  // in the order their streams first occur in the routes
  std::vector<Refused> refused;
  std::vector<Dropped> dropped;
  uint64_t log_type_by_default = 0;  // events whose log_type nothing told
  // How many events each route took, by its index; empty: none took any. Where all routes that may
  // match lead to one stream nobody looks which does: the first of them counts.
  std::vector<uint64_t> by_route;
};

class Router {
 public:
  struct Options {
    std::vector<Route> routes;
    bool drop_unrouted = false;  // as not_selected, instead of refusing as no_route
    // ignore_own_logs: this namespace, and a pod name that begins with "<workload>-". Either one
    // empty: nothing is dropped.
    std::string own_namespace = {};
    std::string own_workload = {};
  };
  explicit Router(Options options);

  // How a batch is split whose records have to be looked at.
  enum class Split : uint8_t {
    at_once,    // for a moment it is there twice
    by_pieces,  // one too large for that: what has been copied gives its memory back, and each
                // record is looked at twice
  };

  // Event ids: each part's id is a hash of the batch's and the target's name, its first_index 0:
  // the same for the same bytes under the same routes.
  [[nodiscard]] Routed route(record::Batch batch, Split split = Split::at_once) const;

  // Bytes route() needs beside the batch while it runs; the caller reserves them. 0: the batch as a
  // whole goes one way. The parts' own leases are carved out of the batch's.
  [[nodiscard]] size_t bytes_to_split(const record::Batch& batch,
                                      Split split = Split::at_once) const;

  // Of the route with this index in Routed::by_route.
  [[nodiscard]] const std::string& condition_of(size_t index) const {
    return routes_[index].condition;
  }
  [[nodiscard]] const std::string& stream_of(size_t index) const {
    return streams_[routes_[index].target];
  }

 private:
  class Splitter;
  // Where an event goes: a stream, or one of three ends.
  using Target = uint8_t;
  static constexpr Target kNoRoute = 255;
  static constexpr Target kNotSelected = 254;
  static constexpr Target kOwnLogs = 253;
  static constexpr size_t kStreamsMax = 250;

  struct CompiledCondition {
    size_t field;  // in the fields looked for
    Glob pattern;
  };
  struct CompiledRoute {
    std::string source;
    std::optional<TagPattern> tag;
    std::optional<LogType> log_type;
    std::vector<CompiledCondition> where;
    Target target;
    std::string condition;
  };
  // What is known of a batch without opening a record.
  struct Known {
    TagFacts tag;
    bool is_otlp = false;
    std::optional<Target> target;  // of all its events
    // Else: routes that may match, in order; the last one does when nothing is left to ask.
    std::vector<const CompiledRoute*> candidates;
    bool asks_log_type = false;
    bool asks_owner = false;
  };
  [[nodiscard]] Known known_of(const record::Batch& batch) const;
  [[nodiscard]] bool is_own(std::string_view namespace_name, std::string_view pod_name) const;
  void finish(record::Batch batch, Target target, Routed& routed) const;
  void count(const CompiledRoute& route, uint64_t events, Routed& routed) const;

  std::vector<CompiledRoute> routes_;
  std::vector<std::string> streams_;  // by target
  Target unrouted_;
  std::string own_namespace_;
  std::string own_pod_prefix_;
  std::optional<FieldSet> fields_;       // facts of log_type and owner, then those of where
  std::optional<FieldSet> otlp_fields_;  // the same for events with the tag otlp
};

}  // namespace penstock::route
