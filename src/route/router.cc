#include "route/router.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "record/event.h"

namespace penstock::route {

using record::Batch;
using record::EntryReader;
using record::EventView;

namespace {

constexpr std::string_view kOtlpTag = "otlp";

// Split by pieces: so many bytes are there twice, and a few pages at the edges of each part.
constexpr size_t kPiece = 256_KiB;
constexpr size_t kPiecesBeside = 2 * kPiece;

// The same event gets the same id as long as it goes to the same place.
Hash128 part_id(const Hash128& batch_id, std::string_view target) {
  ByteBuffer named(sizeof batch_id + target.size());
  named.append({reinterpret_cast<const uint8_t*>(&batch_id.low), sizeof batch_id.low});
  named.append({reinterpret_cast<const uint8_t*>(&batch_id.high), sizeof batch_id.high});
  named.append(target);
  return hash128(named.view());
}

}  // namespace

Glob::Glob(std::string pattern)
    : pattern_(std::move(pattern)), is_exact_(pattern_.find_first_of("*?") == std::string::npos) {}

// On a mismatch only the last star is stretched: time is at most pattern times text.
bool Glob::matches(std::string_view text) const {
  if (is_exact_) return text == pattern_;
  size_t at = 0;
  size_t in_pattern = 0;
  size_t star = std::string::npos;
  size_t star_at = 0;
  while (at < text.size()) {
    if (in_pattern < pattern_.size() && pattern_[in_pattern] == '*') {
      star = in_pattern++;
      star_at = at;
    } else if (in_pattern < pattern_.size() &&
               (pattern_[in_pattern] == '?' || pattern_[in_pattern] == text[at])) {
      ++in_pattern;
      ++at;
    } else if (star != std::string::npos) {
      in_pattern = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  return pattern_.find_first_not_of('*', in_pattern) == std::string::npos;
}

Router::Router(Options options)
    : unrouted_(options.drop_unrouted ? kNotSelected : kNoRoute),
      own_namespace_(std::move(options.own_namespace)) {
  if (!own_namespace_.empty() && !options.own_workload.empty()) {
    own_pod_prefix_ = options.own_workload + "-";
  }
  const bool asks_owner = !own_pod_prefix_.empty();
  std::vector<FieldSet::Wanted> wanted;
  std::vector<FieldSet::Wanted> otlp_wanted;
  for (size_t i = 0; i < kFactCount; ++i) {
    const auto fact = static_cast<Fact>(i);
    const bool is_owner = fact == Fact::namespace_name || fact == Fact::pod_name ||
                          fact == Fact::otlp_namespace || fact == Fact::otlp_pod;
    const bool is_first = fact == Fact::log_type || fact == Fact::otlp_resource_openshift;
    const FieldSet::Wanted one{path_of(fact), is_first || (is_owner && asks_owner)};
    // OTLP's places are no one else's: there they would be what a container printed.
    const bool is_otlp = fact >= Fact::otlp_resource_openshift;
    wanted.push_back(is_otlp ? FieldSet::Wanted{} : one);
    otlp_wanted.push_back(is_otlp ? one : FieldSet::Wanted{});
  }
  for (Route& route : options.routes) {
    auto stream = std::find(streams_.begin(), streams_.end(), route.stream);
    if (stream == streams_.end()) stream = streams_.insert(stream, route.stream);
    CompiledRoute compiled{std::move(route.source),
                           std::move(route.tag),
                           route.log_type,
                           {},
                           static_cast<Target>(stream - streams_.begin()),
                           std::move(route.condition)};
    for (FieldCondition& condition : route.where) {
      compiled.where.push_back({wanted.size(), std::move(condition.pattern)});
      wanted.push_back({condition.path, true});
      otlp_wanted.push_back({std::move(condition.path), true});
    }
    routes_.push_back(std::move(compiled));
  }
  CHECK(streams_.size() <= kStreamsMax);
  fields_.emplace(wanted);
  otlp_fields_.emplace(otlp_wanted);
}

bool Router::is_own(std::string_view namespace_name, std::string_view pod_name) const {
  return !own_pod_prefix_.empty() && namespace_name == own_namespace_ &&
         pod_name.starts_with(own_pod_prefix_);
}

Router::Known Router::known_of(const Batch& batch) const {
  Known known;
  known.tag = facts_of_tag(batch.tag);
  known.is_otlp = batch.tag == kOtlpTag;
  if (known.tag.is_container && is_own(known.tag.namespace_name, known.tag.pod_name)) {
    known.target = kOwnLogs;
    return known;
  }
  known.asks_owner = !own_pod_prefix_.empty() && !known.tag.log_type;
  bool is_open = true;  // an event may fall through all candidates
  for (const CompiledRoute& route : routes_) {
    if (!route.source.empty() && route.source != batch.source) continue;
    if (route.tag && !route.tag->matches(batch.tag)) continue;
    if (route.log_type && known.tag.log_type && *route.log_type != *known.tag.log_type) continue;
    const bool asks_log_type = route.log_type && !known.tag.log_type;
    known.asks_log_type = known.asks_log_type || asks_log_type;
    known.candidates.push_back(&route);
    if (!asks_log_type && route.where.empty()) {
      is_open = false;
      break;
    }
  }
  if (known.asks_owner) return known;
  const Target last = is_open ? unrouted_ : known.candidates.back()->target;
  if (std::all_of(known.candidates.begin(), known.candidates.end(),
                  [&](const CompiledRoute* route) { return route->target == last; })) {
    known.target = last;
  }
  return known;
}

void Router::count(const CompiledRoute& route, uint64_t events, Routed& routed) const {
  routed.by_route.resize(routes_.size());
  routed.by_route[static_cast<size_t>(&route - routes_.data())] += events;
}

void Router::finish(Batch batch, Target target, Routed& routed) const {
  switch (target) {
    case kOwnLogs:
      routed.dropped.push_back({"own_logs", batch.event_count});
      return;
    case kNotSelected:
      routed.dropped.push_back({"not_selected", batch.event_count});
      return;
    case kNoRoute:
      batch.id = part_id(batch.id, "");
      batch.first_index = 0;
      routed.refused.push_back({"no_route", std::move(batch)});
      return;
    default:
      batch.id = part_id(batch.id, streams_[target]);
      batch.first_index = 0;
      routed.parts.push_back({streams_[target], std::move(batch)});
  }
}

// One batch whose events have to be looked at: first where each goes, then one copy of each.
// Budget: one find() a record, one byte an event, no allocation an event; by pieces two find()s, no
// byte.
class Router::Splitter {
 public:
  Splitter(const Router& router, const Known& known, Routed& routed)
      : router_(router),
        known_(known),
        routed_(routed),
        set_(known.is_otlp ? *router.otlp_fields_ : *router.fields_),
        fields_(set_.size()) {}

  void split(Batch batch, Split how) {
    how_ = how;
    if (how == Split::at_once) targets_.resize(batch.event_count);
    EventView event;
    uint32_t index = 0;
    for (EntryReader reader(batch); reader.next(event); ++index) {
      const Target target = target_of(event, batch.encoding);
      if (how == Split::at_once) targets_.data()[index] = target;
      ++counts_[target];
      sizes_[target] += event.entry.size();
    }
    CHECK(index == batch.event_count);
    if (const auto whole = std::find(counts_.begin(), counts_.end(), batch.event_count);
        whole != counts_.end()) {
      router_.finish(std::move(batch), static_cast<Target>(whole - counts_.begin()), routed_);
      return;
    }
    copy_apart(batch);
  }

 private:
  Target target_of(const EventView& event, record::Encoding encoding) {
    set_.find(event.record, encoding, fields_);
    const std::span<const FieldValue> facts = std::span(fields_).first(kFactCount);
    Classified classified;
    const bool may_be_own = known_.asks_owner && is_own(facts);
    if (known_.asks_log_type || may_be_own) {
      classified = classify(facts, known_.tag);
      if (classified.by_default) ++routed_.log_type_by_default;
    }
    if (may_be_own && classified.type != LogType::audit) return kOwnLogs;
    for (const CompiledRoute* route : known_.candidates) {
      if (route->log_type && !known_.tag.log_type && *route->log_type != classified.type) continue;
      if (!holds(route->where)) continue;
      router_.count(*route, 1, routed_);
      return route->target;
    }
    return router_.unrouted_;
  }

  bool is_own(std::span<const FieldValue> facts) {
    const auto fact = [&](Fact plain, Fact otlp) -> const FieldValue& {
      return facts[static_cast<size_t>(known_.is_otlp ? otlp : plain)];
    };
    const auto name = fact(Fact::namespace_name, Fact::otlp_namespace).text(scratch_);
    const auto pod = fact(Fact::pod_name, Fact::otlp_pod).text(pod_scratch_);
    return name && pod && router_.is_own(*name, *pod);
  }

  bool holds(const std::vector<CompiledCondition>& where) {
    return std::all_of(where.begin(), where.end(), [&](const CompiledCondition& condition) {
      const auto text = fields_[condition.field].text(scratch_);
      return text && condition.pattern.matches(*text);
    });
  }

  void copy_apart(Batch& batch) {
    std::array<ByteBuffer, 256> copies;
    for (size_t i = 0; i < copies.size(); ++i) {
      if (counts_[i] > 0 && i != kOwnLogs && i != kNotSelected) copies[i].reserve(sizes_[i]);
    }
    const uint64_t by_default = routed_.log_type_by_default;  // each event counts once
    const std::vector<uint64_t> by_route = routed_.by_route;
    // Neighbors that go the same way are copied together.
    size_t run_start = 0;
    Target run_target = 0;
    EventView event;
    EntryReader reader(batch);
    for (uint32_t i = 0; i < batch.event_count; ++i) {
      const size_t at = reader.position();
      CHECK(reader.next(event));
      const Target target =
          how_ == Split::at_once ? targets_.data()[i] : target_of(event, batch.encoding);
      const bool is_long = how_ == Split::by_pieces && at - run_start >= kPiece;
      if (i > 0 && (target != run_target || is_long)) {
        move_run(batch, run_start, at, copies[run_target]);
        run_start = at;
      }
      run_target = target;
    }
    move_run(batch, run_start, reader.position(), copies[run_target]);
    routed_.log_type_by_default = by_default;
    routed_.by_route = by_route;
    for (size_t i = 0; i < copies.size(); ++i) {
      if (counts_[i] > 0) finish(batch, static_cast<Target>(i), std::move(copies[i]));
    }
  }

  // Entries [begin, end) of batch, which nobody reads there any more.
  void move_run(Batch& batch, size_t begin, size_t end, ByteBuffer& to) {
    const size_t piece = how_ == Split::by_pieces ? kPiece : end - begin;
    for (size_t at = begin; at < end; at += piece) {
      const size_t size = std::min(piece, end - at);
      if (to.capacity() > 0) to.append(batch.entries().subspan(at, size));
      if (how_ == Split::at_once) continue;
      // One call for many short runs; from a little before the last one's end, whose page is whole
      // only now.
      const size_t moved = at + size;
      if (moved - discarded_ < kPiece) continue;
      const size_t from = discarded_ - std::min(discarded_, kPiece);
      batch.storage.discard(batch.entries_offset + from, batch.entries_offset + moved);
      discarded_ = moved;
    }
  }

  void finish(Batch& whole, Target target, ByteBuffer entries) {
    Batch part;
    part.source = whole.source;
    part.tag = whole.tag;
    part.encoding = whole.encoding;
    part.event_count = counts_[target];
    part.received_ns = whole.received_ns;
    part.id = whole.id;
    part.entries_size = entries.size();
    if (whole.lease) part.lease = whole.lease.split(std::min(entries.size(), whole.lease.bytes()));
    part.storage = std::move(entries);
    router_.finish(std::move(part), target, routed_);
  }

  const Router& router_;
  const Known& known_;
  Routed& routed_;
  const FieldSet& set_;
  std::vector<FieldValue> fields_;
  Split how_ = Split::at_once;
  ByteBuffer targets_;    // of each event, when they are copied at once
  size_t discarded_ = 0;  // by pieces: entries before that have given theirs back
  std::array<uint32_t, 256> counts_{};
  std::array<size_t, 256> sizes_{};
  std::string scratch_;
  std::string pod_scratch_;
};

Routed Router::route(Batch batch, Split split) const {
  Routed routed;
  if (batch.event_count == 0) return routed;
  const Known known = known_of(batch);
  if (known.target) {
    if (*known.target < kStreamsMax) count(*known.candidates.front(), batch.event_count, routed);
    finish(std::move(batch), *known.target, routed);
  } else {
    Splitter(*this, known, routed).split(std::move(batch), split);
  }
  return routed;
}

size_t Router::bytes_to_split(const Batch& batch, Split split) const {
  if (known_of(batch).target) return 0;
  if (split == Split::by_pieces) return kPiecesBeside;
  return batch.entries_size + batch.event_count;
}

}  // namespace penstock::route
