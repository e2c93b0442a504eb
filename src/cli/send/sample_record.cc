#include "cli/send/sample_record.h"

#include <array>
#include <string>

#include "codec/msgpack_writer.h"
#include "codec/rfc3339.h"

namespace penstock::cli {
namespace {

using codec::MsgpackWriter;

// From one number to the next nothing alike, and the same on every machine (SplitMix64).
uint64_t scattered(uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

std::string message_of(uint64_t number) {
  static constexpr std::array<std::string_view, 4> kPaths = {"/orders", "/healthz", "/cart/items",
                                                             "/static/js/main.9c1f.js"};
  const uint64_t chance = scattered(number);
  std::string message =
      "10.131.0." + std::to_string(chance % 250) + " - - [11/Jun/2024:08:15:00 +0000] \"GET " +
      std::string(kPaths[chance >> 8 & 3]) + "?request=" + std::to_string(chance) + " HTTP/1.1\" " +
      (chance >> 10 & 15 ? "200 " : "503 ") + std::to_string(chance >> 16 & 0xffff) +
      " \"-\" \"Mozilla/5.0 (X11; Linux)\"";
  // Some messages are longer, as some lines are.
  for (uint64_t more = chance >> 20 & 7; more > 3; --more) {
    message +=
        " upstream=10.129.2." + std::to_string(more) + " took=" + std::to_string(chance >> 32);
  }
  return message;
}

void text(MsgpackWriter& writer, std::string_view key, std::string_view value) {
  writer.str(key);
  writer.str(value);
}

void append_kubernetes(MsgpackWriter& writer) {
  writer.str("kubernetes");
  writer.map(11);
  text(writer, "container_name", "nginx");
  text(writer, "namespace_name", "shop-frontend");
  text(writer, "pod_name", "web-5f7b9d7c6d-9vmbr");
  text(writer, "container_image", "quay.io/example/nginx:1.4.2");
  text(writer, "container_image_id",
       "quay.io/example/nginx@sha256:"
       "feba9032050d09c5892503e12b47fa42f93ceaf2ffbf3e0b6e9aba45ee6ebc57");
  text(writer, "pod_id", "2c1748ad-2288-4ac0-ba8e-6b70e264e25d");
  text(writer, "pod_ip", "10.131.0.17");
  text(writer, "host", "ip-10-0-158-203.eu-west-1.compute.internal");
  writer.str("labels");
  writer.map(3);
  text(writer, "app", "web");
  text(writer, "tier", "frontend");
  text(writer, "deploymentconfig", "web-3");
  text(writer, "namespace_id", "02512c34-db9d-4445-b00a-125c4bcc7665");
  writer.str("namespace_labels");
  writer.map(2);
  text(writer, "kubernetes_io_metadata_name", "shop-frontend");
  text(writer, "pod-security_kubernetes_io_warn", "restricted");
}

}  // namespace

void append_sample_record(ByteBuffer& out, uint64_t number, std::string_view id,
                          codec::EventTime time) {
  std::array<uint8_t, codec::kRfc3339Size> stamp{};
  codec::write_rfc3339(stamp.data(), time);
  MsgpackWriter writer(out);
  writer.map(9);
  text(writer, "@timestamp", as_text(stamp));
  text(writer, "message", message_of(number));
  text(writer, "level", "info");
  text(writer, "hostname", "ip-10-0-158-203.eu-west-1.compute.internal");
  append_kubernetes(writer);
  writer.str("openshift");
  writer.map(2);
  writer.str("sequence");
  writer.unsigned_integer(number);
  text(writer, "cluster_id", "71d9e9e2-6b26-4b0f-9a4c-cb0c4dd9d5f1");
  text(writer, "log_type", "application");
  text(writer, "viaq_msg_id", "NDM3ODhmNTgtNzA4Ny00ZWY3LWEwYTctNDI5ZDczYzk3MDVk");
  text(writer, kIdField, id);
}

}  // namespace penstock::cli
