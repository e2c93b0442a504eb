#include "route/log_type.h"

#include <gtest/gtest.h>

#include "protocol/json_entries.h"
#include "protocol/otlp/logs.h"
#include "protocol/syslog/message.h"
#include "route/router.h"
#include "route/sample_events.h"

namespace penstock::route {
namespace {

const std::string kHash(64, 'a');

std::optional<LogType> by_tag(const std::string& tag) { return facts_of_tag(tag).log_type; }

TEST(LogTypeOfTag, ContainersAreToldByTheirNamespace) {
  const std::string old_shape = "kubernetes.var.log.containers.";
  EXPECT_EQ(by_tag(old_shape + "web-1_shop_nginx-" + kHash + ".log"), LogType::application);
  EXPECT_EQ(by_tag(old_shape + "etcd-ip-10.eu.internal_openshift-etcd_etcd-" + kHash + ".log"),
            LogType::infrastructure);
  EXPECT_EQ(by_tag(old_shape + "a_kubernetes-dashboard_b-" + kHash + ".log"), LogType::application);
  const std::string new_shape = "kubernetes.var.log.pods.";
  const std::string uid = "6b967769-0eb1-4845-a0bc-756d101100c3";
  EXPECT_EQ(by_tag(new_shape + "default_pgsql.1_" + uid + ".deploy.0.log"),
            LogType::infrastructure);
  EXPECT_EQ(by_tag(new_shape + "kube_x_" + uid + ".c.12.log"), LogType::infrastructure);
  EXPECT_EQ(by_tag(new_shape + "openshift_x_" + uid + ".c.0.log"), LogType::infrastructure);
  EXPECT_EQ(by_tag(new_shape + "openshiftx_x_" + uid + ".c.0.log"), LogType::application);
  EXPECT_EQ(by_tag(new_shape + "kube-system_static_" + std::string(32, 'b') + ".c.0.log"),
            LogType::infrastructure);
}

TEST(LogTypeOfTag, ReadsNamespaceAndPod) {
  const std::string tag = "kubernetes.var.log.containers.a.b.c_ns-1_main-x-" + kHash + ".log";
  const TagFacts facts = facts_of_tag(tag);
  EXPECT_TRUE(facts.is_container);
  EXPECT_EQ(facts.namespace_name, "ns-1");
  EXPECT_EQ(facts.pod_name, "a.b.c");
}

TEST(LogTypeOfTag, AlmostAContainerDecidesNothing) {
  for (const std::string& tag :
       {"kubernetes.var.log.containers.web_shop_nginx-" + std::string(63, 'a') + ".log",
        "kubernetes.var.log.containers.shop_nginx-" + kHash + ".log",
        "kubernetes.var.log.containers._shop_nginx-" + kHash + ".log",
        "kubernetes.var.log.containers.a__nginx-" + kHash + ".log",
        std::string("kubernetes.var.log.pods.default_a_0123.c.0.log"),
        std::string("kubernetes.var.log.pods.default_a.log"), std::string("kubernetes.var.log."),
        std::string("http"), std::string()}) {
    const TagFacts facts = facts_of_tag(tag);
    EXPECT_FALSE(facts.log_type) << tag;
    EXPECT_FALSE(facts.is_container) << tag;
    EXPECT_FALSE(facts.log_type_of_record) << tag;
  }
}

TEST(LogTypeOfTag, NodesAndAudit) {
  EXPECT_EQ(by_tag("journal.system"), LogType::infrastructure);
  EXPECT_EQ(by_tag("kubernetes.journal.container._kube-system_"), LogType::infrastructure);
  EXPECT_EQ(by_tag("kubernetes.journal.container._default_.kubernetes-event"),
            LogType::infrastructure);
  EXPECT_EQ(by_tag("kubernetes.journal.container"), std::nullopt);
  EXPECT_EQ(by_tag("k8s-audit.log"), LogType::audit);
  EXPECT_EQ(by_tag("ovn-audit.log"), LogType::audit);
  EXPECT_EQ(by_tag("my-audit.log"), std::nullopt) << "not a collector's";
  EXPECT_EQ(facts_of_tag("my-audit.log").log_type_of_record, LogType::audit);
  EXPECT_EQ(facts_of_tag("a.my-audit.log").log_type_of_record, std::nullopt);
  EXPECT_EQ(facts_of_tag("system.var.log.messages").log_type_of_record, LogType::infrastructure);
}

// Where the three standard routes put each record of a batch.
std::map<std::string, uint32_t> routed_events(record::Batch batch, uint64_t* by_default = nullptr) {
  std::vector<Route> routes(3);
  routes[0].log_type = LogType::audit;
  routes[0].stream = "audit";
  routes[1].log_type = LogType::infrastructure;
  routes[1].stream = "infrastructure";
  routes[2].log_type = LogType::application;
  routes[2].stream = "application";
  const Router router({.routes = std::move(routes)});
  const Routed routed = router.route(std::move(batch));
  EXPECT_TRUE(routed.refused.empty() && routed.dropped.empty());
  if (by_default != nullptr) *by_default = routed.log_type_by_default;
  std::map<std::string, uint32_t> counts;
  for (const auto& part : routed.parts) counts[part.stream] += part.batch.event_count;
  return counts;
}

std::map<std::string, uint32_t> of_record(const std::string& object, std::string tag = "http") {
  const auto in_json = routed_events(json_batch({object}, tag));
  EXPECT_EQ(in_json, routed_events(msgpack_batch({object}, tag)));
  return in_json;
}
std::map<std::string, uint32_t> one(const std::string& type) { return {{type, 1}}; }

TEST(LogTypeOfRecord, TheFieldOfTheCollectorComesFirst) {
  EXPECT_EQ(of_record(R"({"log_type":"audit"})"), one("audit"));
  EXPECT_EQ(of_record(R"({"log_type":"infrastructure.node","systemd":{}})"), one("infrastructure"));
  EXPECT_EQ(of_record(R"({"kubernetes":{"namespace_name":"default"},"log_type":"application"})"),
            one("application"));
  EXPECT_EQ(of_record(R"({"log_type":"audit"})", "journal.mine"), one("audit"));
  EXPECT_EQ(of_record(R"({"log_type":"else"})", "journal.mine"), one("infrastructure"));
}

TEST(LogTypeOfRecord, ThenTheShape) {
  EXPECT_EQ(of_record(R"({"audit.linux":{"type":"AVC"},"kubernetes":{}})"), one("audit"));
  EXPECT_EQ(of_record(R"({"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"x"})"),
            one("audit"));
  EXPECT_EQ(of_record(R"({"kind":"Event","apiVersion":"v1","auditID":"x"})"), one("application"));
  EXPECT_EQ(of_record(R"({"systemd":{"t":{}},"kubernetes":{}})"), one("infrastructure"));
  EXPECT_EQ(of_record(R"({"kubernetes":{"namespace_name":"kube-system"}})"), one("infrastructure"));
  EXPECT_EQ(
      of_record(R"({"kubernetes":{"namespace_name":".orphaned","orphaned_namespace":"default"}})"),
      one("infrastructure"));
  EXPECT_EQ(
      of_record(R"({"kubernetes":{"namespace_name":".orphaned","orphaned_namespace":"shop"}})"),
      one("application"));
}

TEST(LogTypeOfRecord, ThenTheIndexName) {
  EXPECT_EQ(of_record(R"({"viaq_index_name":".operations.2024.06.11"})"), one("infrastructure"));
  EXPECT_EQ(of_record(R"({"viaq_index_name":"audit-write"})"), one("audit"));
  EXPECT_EQ(of_record(R"({"viaq_index_name":".orphaned.2024.06.11"})"), one("application"));
}

TEST(LogTypeOfRecord, ElseApplicationAndThatIsCounted) {
  uint64_t by_default = 0;
  EXPECT_EQ(
      routed_events(json_batch({R"({"a":1})", R"({"log_type":"audit"})", R"({})"}), &by_default),
      (std::map<std::string, uint32_t>{{"application", 2}, {"audit", 1}}));
  EXPECT_EQ(by_default, 2u);
  EXPECT_EQ(routed_events(json_batch({R"({"viaq_index_name":"app-write"})"}), &by_default),
            one("application"));
  EXPECT_EQ(by_default, 0u);
}

TEST(LogTypeOfRecord, WhatAContainerPrintedNeverDecides) {
  EXPECT_EQ(of_record(R"({"message":"{\"log_type\":\"audit\"}","structured":{"log_type":"audit",)"
                      R"("audit.linux":{}},"kubernetes":{"namespace_name":"shop"}})"),
            one("application"));
  // Merged into the root by an unmanaged collector, and without a log_type of its own.
  EXPECT_EQ(of_record(R"({"audit.linux":{},"systemd":{},"kind":"Event","auditID":"x",)"
                      R"("apiVersion":"audit.k8s.io/v1","kubernetes":{"namespace_name":"shop"}})"),
            one("application"));
  EXPECT_EQ(of_record(R"({"resource":{"openshift.log.type":"audit"},"attributes":{"log_type":)"
                      R"("audit"}})"),
            one("application"))
      << "these places are OTLP's alone";
  // The tag of a container stands above all its records.
  EXPECT_EQ(of_record(R"({"log_type":"audit"})",
                      "kubernetes.var.log.containers.a_shop_b-" + kHash + ".log"),
            one("application"));
  EXPECT_EQ(of_record(R"({"log_type":"application"})", "k8s-audit.log"), one("audit"));
}

TEST(LogTypeOfRecord, OtlpSaysItInTheResourceOrInTheRecord) {
  EXPECT_EQ(of_record(R"({"attributes":{"log_type":"application"},)"
                      R"("resource":{"openshift.log.type":"audit","log_type":"infrastructure"}})",
                      "otlp"),
            one("audit"));
  EXPECT_EQ(of_record(R"({"resource":{"log_type":"infrastructure"}})", "otlp"),
            one("infrastructure"));
  EXPECT_EQ(of_record(R"({"resource":{},"attributes":{"openshift.log.type":"audit"}})", "otlp"),
            one("audit"));
  EXPECT_EQ(of_record(R"({"resource":{"k8s.namespace.name":"kube-system"}})", "otlp"),
            one("infrastructure"));
  EXPECT_EQ(of_record(R"({"log_type":"audit","body":{"log_type":"audit"}})", "otlp"),
            one("application"));
}

struct SampleFile {
  const char* name;
  const char* log_type;
};
constexpr SampleFile kForwardFiles[] = {
    {"app", "application"},       {"infra", "infrastructure"}, {"journal", "infrastructure"},
    {"events", "infrastructure"}, {"audit-k8s", "audit"},      {"audit-linux", "audit"},
    {"audit-openshift", "audit"},
};

TEST(LogTypeOfSamples, EveryForwardFileByItsTags) {
  for (const std::string folder : {"4.3", "4.6", "5.9-fluentd"}) {
    for (const SampleFile& file : kForwardFiles) {
      const std::string path = folder + "/" + file.name + ".jsonl";
      for (record::Batch& batch : forward_batches(path, folder == "5.9-fluentd")) {
        const uint32_t events = batch.event_count;
        EXPECT_EQ(facts_of_tag(batch.tag).log_type.has_value(), true) << batch.tag;
        EXPECT_EQ(routed_events(std::move(batch)),
                  (std::map<std::string, uint32_t>{{file.log_type, events}}))
            << path;
      }
    }
  }
  for (record::Batch& batch : forward_batches("5.9-fluentd/audit-ovn.jsonl")) {
    EXPECT_EQ(routed_events(std::move(batch)), (std::map<std::string, uint32_t>{{"audit", 10}}));
  }
}

TEST(LogTypeOfSamples, EveryForwardFileByItsRecordsAlone) {
  for (const std::string folder : {"4.3", "4.6", "5.9-fluentd"}) {
    for (const SampleFile& file : kForwardFiles) {
      const std::string path = folder + "/" + file.name + ".jsonl";
      const auto records = envelope_records(path);
      const std::map<std::string, uint32_t> expected{
          {file.log_type, static_cast<uint32_t>(records.size())}};
      uint64_t by_default = 0;
      EXPECT_EQ(routed_events(msgpack_batch(records, "other"), &by_default), expected) << path;
      EXPECT_EQ(routed_events(json_batch(records)), expected) << path;
      EXPECT_EQ(by_default, 0u) << path;
    }
  }
}

TEST(LogTypeOfSamples, EveryVectorFileByItsRecords) {
  for (const std::string folder : {"5.9-vector", "6.6-http"}) {
    for (const SampleFile& file : kForwardFiles) {
      const std::string path = folder + "/" + file.name + ".jsonl";
      const auto records = sample_lines(path);
      const std::map<std::string, uint32_t> expected{
          {file.log_type, static_cast<uint32_t>(records.size())}};
      uint64_t by_default = 0;
      EXPECT_EQ(routed_events(json_batch(records), &by_default), expected) << path;
      EXPECT_EQ(routed_events(msgpack_batch(records)), expected) << path;
      EXPECT_EQ(by_default, 0u) << path;
    }
    EXPECT_EQ(routed_events(json_batch(sample_lines(folder + "/audit-ovn.jsonl"))),
              (std::map<std::string, uint32_t>{{"audit", 10}}));
  }
}

TEST(LogTypeOfSamples, EveryOtlpFileByItsAttributes) {
  std::vector<SampleFile> files(std::begin(kForwardFiles), std::end(kForwardFiles));
  files.push_back({"audit-ovn", "audit"});
  for (const SampleFile& file : files) {
    uint32_t events = 0;
    for (const std::string& line : sample_lines(std::string("6.6-otlp/") + file.name + ".jsonl")) {
      ByteBuffer body = ByteBuffer::copy_of(as_bytes(line));
      auto logs = protocol::otlp::decode_logs_json(body, {{1, 0}, 1_MiB});
      ASSERT_TRUE(logs);
      logs->events.tag = "otlp";
      const uint32_t count = logs->events.event_count;
      uint64_t by_default = 0;
      EXPECT_EQ(routed_events(std::move(logs->events), &by_default),
                (std::map<std::string, uint32_t>{{file.log_type, count}}))
          << file.name;
      EXPECT_EQ(by_default, 0u);
      events += count;
    }
    EXPECT_GE(events, 10u);
  }
}

TEST(LogTypeOfSamples, SyslogByItsUnwrappedRecords) {
  const auto routed = [](bool unwrap_json) {
    protocol::JsonEntries entries({1, 0}, 1_MiB, 0);
    for (const std::string& line : sample_lines("6.6-syslog/rfc5424.txt")) {
      protocol::syslog::append_message(entries, as_bytes(line), {{1, 0}, unwrap_json});
    }
    record::Batch batch = entries.take();
    batch.tag = "syslog";
    return routed_events(std::move(batch));
  };
  EXPECT_EQ(routed(true), (std::map<std::string, uint32_t>{
                              {"application", 4}, {"infrastructure", 8}, {"audit", 16}}));
  EXPECT_EQ(routed(false), (std::map<std::string, uint32_t>{{"application", 28}}))
      << "what stands in a message decides nothing";
}

}  // namespace
}  // namespace penstock::route
