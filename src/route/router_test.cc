#include "route/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "route/sample_events.h"

namespace penstock::route {
namespace {

using record::Batch;
using ::testing::Each;
using ::testing::ElementsAre;

Route to(std::string stream) {
  Route route;
  route.stream = std::move(stream);
  return route;
}
Route tagged(std::string_view pattern, std::string stream) {
  Route route = to(std::move(stream));
  route.tag = *TagPattern::compile(pattern);
  return route;
}
Route typed(LogType type, std::string stream) {
  Route route = to(std::move(stream));
  route.log_type = type;
  return route;
}
Route where(FieldPath path, std::string pattern, std::string stream) {
  Route route = to(std::move(stream));
  route.where.push_back({std::move(path), Glob(std::move(pattern))});
  return route;
}

TEST(Glob, StarsAndQuestionMarks) {
  EXPECT_TRUE(Glob("pay-*").matches("pay-prod"));
  EXPECT_TRUE(Glob("pay-*").matches("pay-"));
  EXPECT_FALSE(Glob("pay-*").matches("xpay-prod"));
  EXPECT_TRUE(Glob("*a*b?").matches("xxaxxbxbc"));
  EXPECT_FALSE(Glob("a?").matches("a"));
  EXPECT_TRUE(Glob("").matches(""));
  EXPECT_FALSE(Glob("exact").matches("exactly"));
  EXPECT_TRUE(Glob("***").matches(""));
}

TEST(Router, TheFirstRouteThatMatchesTakesTheBatchUntouched) {
  const Router router({.routes = {tagged("app.**", "projects"), to("rest")}});
  Batch batch = msgpack_batch({R"({"a":1})", R"({"a":2})"}, "app.shop");
  const uint8_t* const bytes = batch.storage.data();
  EXPECT_EQ(router.bytes_to_split(batch), 0u);
  const Routed routed = router.route(std::move(batch));
  ASSERT_EQ(routed.parts.size(), 1u);
  EXPECT_EQ(routed.parts[0].stream, "projects");
  EXPECT_EQ(routed.parts[0].batch.storage.data(), bytes) << "nothing is copied";
  EXPECT_THAT(routed.by_route, ElementsAre(2, 0));

  const Routed other = router.route(msgpack_batch({R"({"a":1})"}, "web"));
  ASSERT_EQ(other.parts.size(), 1u);
  EXPECT_EQ(other.parts[0].stream, "rest");
}

TEST(Router, SourcesAreConditionsToo) {
  Route http = to("from_http");
  http.source = "http";
  const Router router({.routes = {http, to("rest")}});
  Batch batch = json_batch({"{}"});
  batch.source = "http";
  EXPECT_EQ(router.route(std::move(batch)).parts.at(0).stream, "from_http");
  EXPECT_EQ(router.route(json_batch({"{}"})).parts.at(0).stream, "rest");
}

TEST(Router, SplitsByRecordInTheOrderOfArrival) {
  const Router router(
      {.routes = {typed(LogType::audit, "audit"),
                  where({"kubernetes", "namespace_name"}, "pay-*", "pay"), to("rest")}});
  const std::vector<std::string> objects{
      R"({"n":1})",
      R"({"n":2,"kubernetes":{"namespace_name":"pay-prod"}})",
      R"({"n":3,"log_type":"audit","kubernetes":{"namespace_name":"pay-prod"}})",
      R"({"n":4})",
      R"({"n":5})",
      R"({"n":6,"kubernetes":{"namespace_name":"pay-test"}})",
  };
  for (const bool as_json : {true, false}) {
    Batch batch = as_json ? json_batch(objects) : msgpack_batch(objects);
    EXPECT_GE(router.bytes_to_split(batch), batch.entries_size);
    const Routed routed = router.route(std::move(batch));
    ASSERT_EQ(routed.parts.size(), 3u);
    EXPECT_THAT(routed.by_route, ElementsAre(1, 2, 3));
    EXPECT_EQ(routed.parts[0].stream, "audit");
    EXPECT_THAT(objects_of(routed.parts[0].batch), ElementsAre(objects[2]));
    EXPECT_EQ(routed.parts[1].stream, "pay");
    EXPECT_THAT(objects_of(routed.parts[1].batch), ElementsAre(objects[1], objects[5]));
    EXPECT_EQ(routed.parts[2].stream, "rest");
    EXPECT_THAT(objects_of(routed.parts[2].batch), ElementsAre(objects[0], objects[3], objects[4]));
    for (const auto& part : routed.parts) {
      EXPECT_EQ(part.batch.event_count, objects_of(part.batch).size());
      EXPECT_EQ(part.batch.first_index, 0u);
      EXPECT_EQ(part.batch.tag, "http");
      EXPECT_EQ(part.batch.received_ns, 1'718'093'701'000'000'000);
    }
  }
}

TEST(Router, SplitsByPiecesIntoTheSameParts) {
  const Router router(
      {.routes = {typed(LogType::audit, "audit"), where({"n"}, "?", "short"), to("rest")}});
  std::vector<std::string> objects;
  // Runs of many sizes, shorter and longer than a piece.
  for (int i = 0; i < 4'000; ++i) {
    const bool is_audit = (i / 7) % 3 == 0;
    objects.push_back("{\"n\":" + std::to_string(i < 2'000 ? i % 11 : 10) +
                      (is_audit && i < 3'000 ? R"(,"log_type":"audit")" : "") + ",\"text\":\"" +
                      std::string(static_cast<size_t>(i % 500), 'x') + "\"}");
  }
  objects.push_back("{\"n\":1,\"text\":\"" + std::string(3'000'000, 'y') + "\"}");
  objects.push_back("{\"n\":10,\"text\":\"" + std::string(3'000'000, 'z') + "\"}");
  for (const bool as_json : {true, false}) {
    const auto make = [&] { return as_json ? json_batch(objects) : msgpack_batch(objects); };
    EXPECT_LT(router.bytes_to_split(make(), Router::Split::by_pieces), 1_MiB);
    const Routed at_once = router.route(make());
    const Routed by_pieces = router.route(make(), Router::Split::by_pieces);
    ASSERT_EQ(at_once.parts.size(), 3u);
    ASSERT_EQ(by_pieces.parts.size(), 3u);
    EXPECT_EQ(by_pieces.log_type_by_default, at_once.log_type_by_default);
    EXPECT_EQ(by_pieces.by_route, at_once.by_route);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(by_pieces.parts[i].stream, at_once.parts[i].stream);
      EXPECT_EQ(by_pieces.parts[i].batch.id, at_once.parts[i].batch.id);
      EXPECT_TRUE(objects_of(by_pieces.parts[i].batch) == objects_of(at_once.parts[i].batch));
    }
  }
}

TEST(Router, RoutesAreAskedInTheirOrderEvenWhenALaterOneWouldNeedNoLook) {
  const Router router({.routes = {where({"team"}, "a", "a"), tagged("x", "x"), to("rest")}});
  const Routed routed = router.route(json_batch({R"({"team":"a"})", R"({"team":"b"})"}, "x"));
  ASSERT_EQ(routed.parts.size(), 2u);
  EXPECT_EQ(routed.parts[0].stream, "a");
  EXPECT_EQ(routed.parts[1].stream, "x");
}

TEST(Router, AllConditionsOfARouteHaveToHold) {
  Route both = where({"team"}, "a", "both");
  both.tag = *TagPattern::compile("x");
  both.log_type = LogType::audit;
  both.where.push_back({{"n"}, Glob("4?")});
  const Router router({.routes = {both}});
  const Routed routed = router.route(
      json_batch({R"({"log_type":"audit","team":"a","n":42})", R"({"log_type":"audit","team":"a"})",
                  R"({"team":"a","n":42})", R"({"log_type":"audit","n":42,"team":null})"},
                 "x"));
  ASSERT_EQ(routed.parts.size(), 1u);
  EXPECT_EQ(routed.parts[0].batch.event_count, 1u);
  ASSERT_EQ(routed.refused.size(), 1u);
  EXPECT_EQ(routed.refused[0].reason, "no_route");
  EXPECT_EQ(routed.refused[0].batch.event_count, 3u);
}

TEST(Router, WithoutARouteItRefusesOrDrops) {
  Router::Options options{.routes = {typed(LogType::audit, "audit")}};
  const Routed refused = Router(options).route(json_batch({"{}"}));
  ASSERT_EQ(refused.refused.size(), 1u);
  EXPECT_TRUE(refused.parts.empty());
  EXPECT_THAT(refused.by_route, Each(0));
  options.drop_unrouted = true;
  const Routed dropped = Router(options).route(json_batch({"{}", "{}", R"({"log_type":"audit"})"}));
  ASSERT_EQ(dropped.dropped.size(), 1u);
  EXPECT_EQ(dropped.dropped[0].reason, "not_selected");
  EXPECT_EQ(dropped.dropped[0].events, 2u);
  EXPECT_EQ(dropped.parts.at(0).batch.event_count, 1u);
}

TEST(Router, RoutesToOneStreamNeedNoLook) {
  const Router router({.routes = {typed(LogType::audit, "all"), to("all")}});
  EXPECT_EQ(router.bytes_to_split(json_batch({"{}"})), 0u);
  EXPECT_THAT(router.route(json_batch({"{}"})).by_route, ElementsAre(1, 0));
}

Router keeping_out_own_logs() {
  return Router({.routes = {to("all")},
                 .own_namespace = "openshift-logging",
                 .own_workload = "log-forwarding-kinesis"});
}

TEST(Router, OwnLogsAreToldByTheContainersTag) {
  const std::string tag =
      "kubernetes.var.log.containers.log-forwarding-kinesis-0_openshift-logging_"
      "penstock-" +
      std::string(64, '0') + ".log";
  const Routed routed = keeping_out_own_logs().route(msgpack_batch({"{}", "{}"}, tag));
  EXPECT_TRUE(routed.parts.empty());
  ASSERT_EQ(routed.dropped.size(), 1u);
  EXPECT_EQ(routed.dropped[0].reason, "own_logs");
  EXPECT_EQ(routed.dropped[0].events, 2u);
}

TEST(Router, OwnLogsAreToldByTheRecordElsewhereButAuditNeverIs) {
  const std::string own =
      R"("kubernetes":{"namespace_name":"openshift-logging","pod_name":"log-forwarding-kinesis-0"})";
  const Routed routed = keeping_out_own_logs().route(json_batch({
      "{" + own + R"(,"log_type":"infrastructure"})",
      R"({"log_type":"audit",)" + own + "}",
      R"({"kubernetes":{"namespace_name":"shop","pod_name":"log-forwarding-kinesis-0"}})",
      R"({"kubernetes":{"namespace_name":"openshift-logging","pod_name":"log-forwarding-kinesisx"}})",
      "{" + own + "}",
  }));
  ASSERT_EQ(routed.parts.size(), 1u);
  EXPECT_EQ(routed.parts[0].batch.event_count, 3u);
  ASSERT_EQ(routed.dropped.size(), 1u);
  EXPECT_EQ(routed.dropped[0].events, 2u);
}

TEST(Router, OwnLogsOfOtlpAreToldByTheResource) {
  const Routed routed = keeping_out_own_logs().route(json_batch(
      {R"({"resource":{"k8s.namespace.name":"openshift-logging",)"
       R"("k8s.pod.name":"log-forwarding-kinesis-1"}})",
       R"({"kubernetes":{"namespace_name":"openshift-logging","pod_name":"log-forwarding-kinesis-0"}})"},
      "otlp"));
  ASSERT_EQ(routed.dropped.size(), 1u);
  EXPECT_EQ(routed.dropped[0].events, 1u);
  EXPECT_EQ(routed.parts.at(0).batch.event_count, 1u);
}

TEST(Router, IdsAreTheSameForTheSameBytesAndDifferBetweenStreams) {
  const Router router({.routes = {typed(LogType::audit, "audit"), to("rest")}});
  const auto ids = [&] {
    const Routed routed = router.route(json_batch({"{}", R"({"log_type":"audit"})"}));
    return std::pair(routed.parts.at(0).batch.id, routed.parts.at(1).batch.id);
  };
  EXPECT_EQ(ids(), ids());
  EXPECT_NE(ids().first, ids().second);
  // Alone or together with others, an event that goes the same way keeps its chunk's id.
  EXPECT_EQ(router.route(json_batch({"{}"})).parts.at(0).batch.id, ids().second);
}

TEST(Router, LeasesOfThePartsAreCarvedOutOfTheBatchs) {
  memory::MemoryBudget budget({.ordinary_bytes = 100'000, .large_bytes = 0});
  const Router router({.routes = {typed(LogType::audit, "audit"), to("rest")}});
  Batch batch = json_batch({"{}", R"({"log_type":"audit"})"});
  const size_t size = batch.entries_size;
  batch.lease = budget.try_acquire(50'000);
  {
    const Routed routed = router.route(std::move(batch));
    EXPECT_EQ(budget.leased_bytes(), size);
    EXPECT_EQ(routed.parts[0].batch.lease.bytes(), routed.parts[0].batch.storage.size());
  }
  EXPECT_EQ(budget.leased_bytes(), 0u);
}

TEST(Router, AnEmptyBatchGoesNowhere) {
  const Routed routed = Router({.routes = {to("all")}}).route(json_batch({}));
  EXPECT_TRUE(routed.parts.empty() && routed.refused.empty() && routed.dropped.empty());
}

}  // namespace
}  // namespace penstock::route
