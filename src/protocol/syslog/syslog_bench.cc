// What a syslog message costs: framing and parsing, on what OpenShift's collector sends.
#include <benchmark/benchmark.h>

#include <fstream>
#include <string>

#include "base/test_data.h"
#include "protocol/syslog/framing.h"
#include "protocol/syslog/message.h"

namespace penstock::protocol::syslog {
namespace {

void stream(benchmark::State& state) {
  std::ifstream file(test_data() + "/openshift/6.6-syslog/rfc5424.txt");
  std::string text;
  int64_t count = 0;
  for (std::string line; std::getline(file, line); ++count) text += line + "\n";
  const MessageOptions options{{1'718'093'700, 0}, state.range(0) != 0};
  for (auto _ : state) {
    JsonEntries events(options.received, 1_GiB, text.size());
    FrameReader reader(1_MiB);
    ByteView input = as_bytes(text);
    size_t consumed = 0;
    ByteView message;
    while (reader.next(input, consumed, message) == FrameReader::Outcome::message) {
      append_message(events, message, options);
      input = input.subspan(consumed);
    }
    benchmark::DoNotOptimize(events.take());
  }
  state.SetItemsProcessed(state.iterations() * count);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}
BENCHMARK(stream)->Name("syslog")->Arg(0)->Arg(1);

}  // namespace
}  // namespace penstock::protocol::syslog
