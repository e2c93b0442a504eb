#include "delivery/stream_sender.h"

#include <utility>

namespace penstock::delivery {
namespace {

RequestSettings::Options settings_of(const SenderOptions& options) {
  return {options.request, options.flush_bytes, options.request_bytes_max};
}

}  // namespace

StreamSender::StreamSender(spool::StreamLog& log, SenderOptions options, SenderServices services)
    : log_(log),
      options_(std::move(options)),
      services_(std::move(services)),
      member_(services_.memory.join()),
      seeds_(options_.random_seed != 0 ? options_.random_seed : std::random_device{}()),
      post_(services_.post),
      alarm_(services_.clock, services_.wake_at),
      settings_(settings_of(options_)),
      assembler_(settings_, services_.memory, member_),
      packer_(options_.packer, settings_.record_bytes_max()),
      splitters_(window_, services_.memory, member_),
      requests_(options_.requests_in_flight_max),
      selector_(seeds_()),
      overflow_(log_, window_, {services_.memory, member_}, post_, [this] { pump(); }),
      pause_(options_, search_, alarm_, seeds_()),
      dead_letters_(services_.spool, options_, window_, post_, [this] { pump(); }),
      sources_(log_, window_, overflow_),
      large_(log_, window_, sources_, splitters_, alarm_),
      mover_({.options = options_,
              .main = log_,
              .window = window_,
              .packer = packer_,
              .splitters = splitters_,
              .retry = retry_,
              .requests = requests_,
              .selector = selector_,
              .misplaced = misplaced_,
              .assembler = assembler_,
              .overflow = overflow_,
              .alarm = alarm_}),
      queuer_(window_, retry_, selector_, mover_, alarm_),
      repacker_({.window = window_,
                 .packer = packer_,
                 .splitters = splitters_,
                 .retry = retry_,
                 .selector = selector_,
                 .assembler = assembler_,
                 .memory = services_.memory,
                 .large = large_,
                 .dead_letters = dead_letters_,
                 .queuer = queuer_,
                 .alarm = alarm_}),
      maker_({.options = options_,
              .sources = sources_,
              .packer = packer_,
              .splitters = splitters_,
              .assembler = assembler_,
              .retry = retry_,
              .selector = selector_,
              .mover = mover_,
              .search = search_,
              .dead_letters = dead_letters_,
              .queuer = queuer_,
              .alarm = alarm_},
             {services_.memory, member_}),
      room_({.assembler = assembler_,
             .requests = requests_,
             .retry = retry_,
             .packer = packer_,
             .alarm = alarm_,
             .post = post_},
            services_.memory, member_, [this] { pump(); }),
      taker_({.retry = retry_,
              .selector = selector_,
              .assembler = assembler_,
              .room = room_,
              .queuer = queuer_,
              .repacker = repacker_,
              .overflow = overflow_,
              .alarm = alarm_}),
      filler_({.options = options_,
               .search = search_,
               .sources = sources_,
               .large = large_,
               .maker = maker_,
               .repacker = repacker_,
               .requests = requests_,
               .retry = retry_,
               .assembler = assembler_,
               .misplaced = misplaced_,
               .mover = mover_,
               .alarm = alarm_},
              room_, taker_),
      rejected_({.options = options_,
                 .window = window_,
                 .assembler = assembler_,
                 .splitters = splitters_,
                 .large = large_,
                 .mover = mover_,
                 .requests = requests_,
                 .search = search_,
                 .pause = pause_,
                 .overflow = overflow_,
                 .dead_letters = dead_letters_,
                 .queuer = queuer_,
                 .repacker = repacker_,
                 .alarm = alarm_}),
      answers_({.options = options_,
                .services = services_,
                .window = window_,
                .assembler = assembler_,
                .settings = settings_,
                .requests = requests_,
                .search = search_,
                .pause = pause_,
                .rejected = rejected_,
                .selector = selector_,
                .misplaced = misplaced_,
                .large = large_,
                .queuer = queuer_,
                .alarm = alarm_},
               seeds_()) {
  log_.on_readable(post_.posted([this] { pump(); }));
}

StreamSender::~StreamSender() {
  log_.on_readable(nullptr);
  post_.close();
}

void StreamSender::pump() {
  alarm_.begin();
  const SteadyTime now = alarm_.now();
  selector_.refresh(now);
  large_.take_wanted();
  if (search_.may_try_others(now)) try_others();
  if (search_.is_paused() && now < search_.paused_until()) {
    alarm_.by(search_.paused_until());
  } else {
    // What would have asked whether the pause is over was rejected, or moved: a new request does.
    if (!requests_.has_any_to_send()) search_.resume();
    send_due();
    send_new();
  }
  if (search_.wants_others()) make_way_for_others();
  move_to_overflow();
  // Else a cursor would hold the batch of an entry that is final, for as long as the stream pauses.
  sources_.skip_if([this](const EventSpan& event) { return splitters_.take_rejected(event); });
  large_.watch(requests_.has_any() || retry_.count() > 0 || maker_.oldest_aggregate());
  splitters_.rest();
  room_.release_unused();
  alarm_.set();
}

void StreamSender::send_new() {
  while (requests_.has_slot() && !search_.is_paused()) {
    filler_.fill();
    if (assembler_.empty()) return;
    const SteadyTime due = assembler_.since() + options_.flush_interval;
    const bool is_due = assembler_.is_full() || requests_.in_flight() == 0 || due <= alarm_.now();
    if (!is_due) return alarm_.by(due);
    send_filled();
  }
}

void StreamSender::send_filled() { send(assembler_.take()); }

void StreamSender::send(RequestAttempt attempt) {
  requests_.sent(attempt);
  auto kept = std::make_shared<RequestAttempt>(std::move(attempt));
  kinesis_format::Request request = std::move(kept->request);
  services_.port.put(
      std::move(request),
      post_.guarded([this, kept](PutResult result, kinesis_format::Request returned) {
        kept->request = std::move(returned);
        alarm_.refresh();
        answers_.handle(std::move(*kept), std::move(result));
        pump();
      }));
}

// Whole requests whose time has come, and the next step of the search for a rejected record.
void StreamSender::send_due() {
  while (requests_.has_slot()) {
    // Of a paused stream one request at a time asks: its answer pumps.
    if (search_.is_paused() && requests_.in_flight() > 0) return;
    std::optional<RequestAttempt> attempt = requests_.take_due(alarm_.now());
    if (!attempt) break;
    send(std::move(*attempt));
  }
  if (requests_.has_slot()) alarm_.by(requests_.next_due());
}

// After a pause for suspects: beside them goes something that shows whether it is the stream. If
// there is nothing, perhaps what they keep from being final fills what may be read: one entry more
// is, and goes out as soon as it is there.
void StreamSender::try_others() {
  const SteadyTime now = alarm_.now();
  filler_.fill();
  if (!assembler_.empty()) {
    search_.others_tried(now);
    return send_filled();
  }
  if (requests_.in_flight() > 0) return;
  // The next large entry of the main log comes when there is memory for it.
  const bool is_quiet = !requests_.has_any() && !log_.next_is_large();
  if (is_quiet || rejected_.put_suspects_back()) {
    search_.others_tried(now);
    return search_.resume();
  }
  search_.await_others();
  sources_.allow_one_more();
}

// What the suspects keep from being final, or wait for, may be all that can be read, though one
// entry more is. A large entry is in the way of the next large one.
void StreamSender::make_way_for_others() {
  if (requests_.in_flight() > 0 || !assembler_.empty()) return;
  const bool is_full = sources_.is_main_held_up(options_.window_bytes_max) ||
                       retry_.bytes() >= options_.queue_bytes_max;
  if (!large_.make_way() || (search_.awaited_in_vain() && is_full)) {
    if (large_.may_move()) rejected_.set_suspects_aside();
  }
}

// What waits for shards that take nothing.
void StreamSender::move_to_overflow() {
  if (!overflow_.is_active()) return;
  if (!overflow_.closings().empty() && requests_.has_only_suspects() && assembler_.empty()) {
    rejected_.release_suspects();
  }
  const std::vector<OverflowClosing> ready = mover_.ready();
  if (!ready.empty() && large_.may_move()) {
    maker_.close_aggregates(milliseconds(0));
    mover_.move(ready);
  }
  overflow_.flush();
}

void StreamSender::reconfigure(SenderOptions options) {
  alarm_.refresh();
  maker_.close_aggregates(milliseconds(0));
  options_ = std::move(options);
  requests_.set_in_flight_max(options_.requests_in_flight_max);
  settings_.configure(settings_of(options_));
  packer_.configure(options_.packer, settings_.record_bytes_max());
  splitters_.restart_all();
  answers_.decide_misplaced();
}

void StreamSender::limit_records(size_t record_bytes_max) {
  alarm_.refresh();
  maker_.close_aggregates(milliseconds(0));
  settings_.limit_records(record_bytes_max);
  packer_.configure(options_.packer, settings_.record_bytes_max());
}

void StreamSender::set_shards(std::shared_ptr<const kinesis::ShardMap> shards) {
  misplaced_.set_map(shards);
  selector_.set_shards(std::move(shards));
  answers_.decide_misplaced();
}

void StreamSender::expect_shards(bool are_expected) {
  misplaced_.expect_maps(are_expected);
  if (!are_expected) answers_.decide_misplaced();
}

void StreamSender::credentials_renewed() {
  alarm_.refresh();
  if (!search_.on_new_credentials(alarm_.now())) return;
  requests_.make_due(alarm_.now());
  pump();
}

}  // namespace penstock::delivery
