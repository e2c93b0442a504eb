#include "delivery/packer.h"

#include "base/check.h"
#include "record/msgpack_cursor.h"

namespace penstock::delivery {

Packer::Packer(PackerOptions options) : options_(std::move(options)), encoder_(options_.inject) {}

void Packer::reconfigure(PackerOptions options) {
  options_ = std::move(options);
  encoder_ = encode::EventEncoder(options_.inject);
}

void Packer::begin(uint64_t ticket, const spool::Entry& entry) {
  ticket_ = ticket;
  batch_ = entry.batch;
  index_ = 0;
  reader_.emplace(*batch_);
  // What was final before a restart is stepped over.
  for (record::EventView event; index_ < entry.events_final; ++index_) {
    CHECK(reader_->next(event));
  }
  open_ = reader_->open();
}

encode::RecordKey Packer::key_of(const record::EventView& event, uint32_t index) {
  return {options_.partition_key.of(*batch_, event, index, key_scratch_), std::nullopt};
}

Packer::Outcome Packer::pack(encode::RequestBuilder& builder, std::vector<RecordNote>& notes,
                             std::deque<Waiting>& aside) {
  if (!open_) {
    reader_.reset();
    batch_.reset();
    return Outcome::entry_done;
  }
  const record::EventView event{open_->time, open_->record_and_rest, {}};
  const encode::RecordKey key = key_of(event, index_);
  ByteBuffer& data = builder.begin_record();
  size_t consumed = 0;
  const auto encoded =
      encoder_.append(data, *batch_, event, index_, builder.data_bytes_max(key), &consumed);
  if (encoded == encode::EncodeOutcome::too_large) {
    builder.cancel_record();
    return put_aside_oversized(builder, aside);
  }
  CHECK(encoded == encode::EncodeOutcome::done);  // the batch was walked before it was admitted
  switch (builder.end_record(key, notes.size())) {
    case encode::AddOutcome::request_full:
      return Outcome::request_full;
    case encode::AddOutcome::record_too_large:
      return put_aside_oversized(builder, aside);
    case encode::AddOutcome::added:
      break;
  }
  notes.emplace_back().span = {ticket_, index_, 1};
  advance(consumed);
  return Outcome::added;
}

// The event is larger than a record may be: by the stream's policy it is cut, or given up.
Packer::Outcome Packer::put_aside_oversized(encode::RequestBuilder&, std::deque<Waiting>&) {
  refused_ = {ticket_, index_, 1};
  step_over();
  return Outcome::oversized;
}

void Packer::step_over() {
  ByteView record = open_->record_and_rest;
  if (batch_->encoding == record::Encoding::msgpack) {
    const auto skipped = record::MsgpackCursor(record).skip();
    CHECK(skipped.has_value());
    record = *skipped;
  }
  advance(record.size());
}

void Packer::advance(size_t record_size) {
  reader_->close(record_size);
  open_ = reader_->open();
  ++index_;
}

Waiting Packer::pack_alone(const EventSpan& span, const spool::Entry& entry) {
  record::EntryReader reader(*entry.batch);
  record::EventView event;
  for (uint32_t i = 0; i <= span.first; ++i) CHECK(reader.next(event));
  Waiting alone;
  const auto encoded = encoder_.append(alone.data, *entry.batch, event, span.first);
  CHECK(encoded == encode::EncodeOutcome::done);
  alone.partition_key = options_.partition_key.of(*entry.batch, event, span.first, key_scratch_);
  alone.note.span = span;
  return alone;
}

}  // namespace penstock::delivery
