#include "protocol/syslog/message.h"
#include "base/test_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "codec/rfc3339.h"
#include "record/event.h"

namespace penstock::protocol::syslog {
namespace {

const codec::EventTime kReceived{1'718'093'700, 0};  // 2024-06-11T08:15:00Z

struct Event {
  std::string object;
  codec::EventTime time;
};
Event parse(std::string_view message, bool unwrap_json = false) {
  JsonEntries entries(kReceived, 1_MiB, 0);
  append_message(entries, as_bytes(message), {kReceived, unwrap_json});
  const record::Batch batch = entries.take();
  EXPECT_EQ(batch.event_count, 1u);
  record::EventView event;
  record::EntryReader reader(batch);
  EXPECT_TRUE(reader.next(event));
  return {std::string(as_text(event.record)), event.time};
}
std::string object_of(std::string_view message) { return parse(message).object; }
codec::EventTime at(std::string_view text) { return *codec::parse_rfc3339(text); }

TEST(Rfc5424, EveryPart) {
  const Event event = parse(
      "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 77 ID47 "
      "[exampleSDID@32473 iut=\"3\" eventSource=\"App\\\"l\\]\\\\ic\\ation\"][x@1] \xef\xbb\xbf"
      "An event");
  EXPECT_EQ(
      event.object,
      R"({"facility":"local4","severity":"notice","timestamp":"2003-10-11T22:14:15.003Z",)"
      R"("hostname":"mymachine.example.com","appname":"evntslog","procid":"77","msgid":"ID47",)"
      R"("structured_data":{"exampleSDID@32473":{"iut":"3",)"
      R"("eventSource":"App\"l]\\ic\\ation"},"x@1":{}},"message":"An event"})");
  EXPECT_EQ(event.time, at("2003-10-11T22:14:15.003Z"));
}

TEST(Rfc5424, NilPartsAreLeftOut) {
  const Event event = parse("<0>1 - - - - - -");
  EXPECT_EQ(event.object, R"({"facility":"kern","severity":"emerg","message":""})");
  EXPECT_EQ(event.time, kReceived);
  EXPECT_EQ(
      object_of("<34>1 - host - - - - text  with spaces "),
      R"({"facility":"auth","severity":"crit","hostname":"host","message":"text  with spaces "})");
}

TEST(Rfc5424, WhatSendersLeaveOutOrBreakBecomesText) {
  EXPECT_EQ(object_of("<13>1 - h a p m no structured data"),
            R"({"facility":"user","severity":"notice","hostname":"h","appname":"a","procid":"p",)"
            R"("msgid":"m","message":"no structured data"})");
  EXPECT_EQ(object_of("<13>1 - h a p m [broken x=1] text"),
            R"({"facility":"user","severity":"notice","hostname":"h","appname":"a","procid":"p",)"
            R"("msgid":"m","message":"[broken x=1] text"})");
  EXPECT_EQ(object_of("<13>1 apple"),
            R"({"facility":"user","severity":"notice","message":"1 apple"})");
  EXPECT_EQ(
      object_of("<13>1 apple a day keeps the doctor away"),
      R"({"facility":"user","severity":"notice","message":"1 apple a day keeps the doctor away"})");
}

TEST(Rfc5424, OneFieldThatCannotBeReadCostsNoOther) {
  const std::string rest = R"("hostname":"h","appname":"a","procid":"p","msgid":"m",)"
                           R"("structured_data":{"x@1":{"k":"v"}},"message":"text"})";
  const std::string user = R"({"facility":"user","severity":"notice",)";
  for (const std::string time : {"yesterday", "2024-13-01T00:00:00Z", "2024-06-11T88:15:00Z",
                                 "2024-06-11T08:15:00+99:99", "11.06.2024", "%timestamp%"}) {
    EXPECT_EQ(object_of("<13>1 " + time + " h a p m [x@1 k=\"v\"] text"),
              user + R"("invalid_timestamp":")" + time + R"(",)" + rest);
    EXPECT_EQ(parse("<13>1 " + time + " h a p m - text").time, kReceived);
  }
  const std::string good = "1 2024-06-11T08:15:00Z h a p m [x@1 k=\"v\"] text";
  for (const std::string priority : {"<999>", "<1234>", "<>", "<x>", "<13 >", "<-1>"}) {
    EXPECT_EQ(object_of(priority + good), R"({"invalid_priority":")" + priority +
                                              R"(","timestamp":"2024-06-11T08:15:00Z",)" + rest);
  }
  EXPECT_EQ(object_of(good), R"({"timestamp":"2024-06-11T08:15:00Z",)" + rest) << "no priority";
  EXPECT_EQ(object_of("<13>1 2024-06-11T08:15:00Z h a p m [x@1 k=\"v\"][broken x=1] text"),
            user + R"("timestamp":"2024-06-11T08:15:00Z","hostname":"h","appname":"a",)"
                   R"("procid":"p","msgid":"m","structured_data":{"x@1":{"k":"v"}},)"
                   R"("message":"[broken x=1] text"})");
  EXPECT_EQ(object_of("<13>1 2024-06-11T08:15:00Z  a p m - text"),
            user + R"("timestamp":"2024-06-11T08:15:00Z","appname":"a","procid":"p","msgid":"m",)"
                   R"("message":"text"})")
      << "no host, not even a dash";
  EXPECT_EQ(object_of("<13>1 2024-06-11T08:15:00Z h a"),
            user + R"("timestamp":"2024-06-11T08:15:00Z","hostname":"h","appname":"a",)"
                   R"("message":""})");
}

TEST(Rfc5424, TimesAsPeopleWriteThem) {
  const auto timestamp = [](const std::string& time) {
    const Event event = parse("<13>1 " + time + " h a p m - text");
    const auto object = nlohmann::json::parse(event.object);
    EXPECT_EQ(object.value("hostname", ""), "h") << time;
    EXPECT_EQ(object["message"], "text") << time;
    const std::string text = object.value("timestamp", "");
    EXPECT_EQ(event.time, at(text)) << time;
    return text;
  };
  EXPECT_EQ(timestamp("2024-06-11T08:15:00+0000"), "2024-06-11T08:15:00+00:00");
  EXPECT_EQ(timestamp("2024-06-11T08:15:00.5-0730"), "2024-06-11T08:15:00.5-07:30");
  EXPECT_EQ(timestamp("2024-06-11T08:15:00+02"), "2024-06-11T08:15:00+02:00");
  EXPECT_EQ(timestamp("2024-06-11T08:15:00"), "2024-06-11T08:15:00Z");
  EXPECT_EQ(timestamp("2024-06-11T08:15:00,123Z"), "2024-06-11T08:15:00.123Z");
  EXPECT_EQ(timestamp("2024-06-11 08:15:00+02:00"), "2024-06-11T08:15:00+02:00");
  EXPECT_EQ(timestamp("2024-06-11 08:15:00 +0200"), "2024-06-11T08:15:00+02:00");
  EXPECT_EQ(timestamp("2024/06/11 8:15:00"), "2024-06-11T08:15:00Z");
  EXPECT_EQ(timestamp("2024-06-11t08:15:00z"), "2024-06-11t08:15:00z") << "RFC 3339 as it is";
}

TEST(SyslogMessage, AByteOrderMarkBeforeThePriorityIsPassedOver) {
  EXPECT_EQ(object_of("\xef\xbb\xbf<13>1 - h a p m - text"), object_of("<13>1 - h a p m - text"));
  EXPECT_EQ(object_of("\xef\xbb\xbf<13>root: hello"), object_of("<13>root: hello"));
}

TEST(Rfc3164, TheExamplesOfTheRfc) {
  const Event event = parse("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick");
  EXPECT_EQ(event.object,
            R"({"facility":"auth","severity":"crit","timestamp":"2023-10-11T22:14:15Z",)"
            R"("hostname":"mymachine","appname":"su","message":"'su root' failed for lonvick"})")
      << "in June 2024 the last October is that of 2023";
  EXPECT_EQ(event.time, at("2023-10-11T22:14:15Z"));
  EXPECT_EQ(object_of("Use the BFG!"), R"({"message":"Use the BFG!"})");
  EXPECT_EQ(object_of("<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!"),
            R"({"facility":"user","severity":"notice","timestamp":"2024-02-05T17:32:18Z",)"
            R"("hostname":"10.0.0.99","message":"Use the BFG!"})");
}

TEST(Rfc3164, PartsAreMissingAsRealSendersLeaveThemOut) {
  EXPECT_EQ(object_of("<30>Jun 11 08:15:00 dockerd[1811]: started"),
            R"({"facility":"daemon","severity":"info","timestamp":"2024-06-11T08:15:00Z",)"
            R"("appname":"dockerd","procid":"1811","message":"started"})");
  EXPECT_EQ(object_of("<13>root: hello"),
            R"({"facility":"user","severity":"notice","appname":"root","message":"hello"})");
  EXPECT_EQ(object_of("<13>hello world"),
            R"({"facility":"user","severity":"notice","message":"hello world"})");
  EXPECT_EQ(object_of("<13>"), R"({"facility":"user","severity":"notice","message":""})");
  EXPECT_EQ(object_of("<999>x"), R"({"message":"<999>x"})");
  EXPECT_EQ(object_of("<13"), R"({"message":"<13"})");
  EXPECT_EQ(object_of(""), R"({"message":""})");
  EXPECT_EQ(object_of("<13>Jun 11 08:15:00 host {\"a\": 1}"),
            R"({"facility":"user","severity":"notice","timestamp":"2024-06-11T08:15:00Z",)"
            R"("hostname":"host","message":"{\"a\": 1}"})");
}

TEST(Rfc3164, TimesInManyForms) {
  const auto timestamp = [](std::string_view header) {
    const auto object = nlohmann::json::parse(object_of("<13>" + std::string(header) + " h t: x"));
    EXPECT_EQ(object["message"], "x") << header;
    EXPECT_EQ(object["hostname"], "h") << header;
    return object.value("timestamp", "");
  };
  EXPECT_EQ(timestamp("2024-06-11T08:15:00.147226+02:00"), "2024-06-11T08:15:00.147226+02:00");
  EXPECT_EQ(timestamp("2024-06-11T08:15:00Z:"), "2024-06-11T08:15:00Z");
  EXPECT_EQ(timestamp("2024-06-11 08:15:00.5"), "2024-06-11T08:15:00.5Z");
  EXPECT_EQ(timestamp("Jun 11 2021 08:15:00"), "2021-06-11T08:15:00Z");
  EXPECT_EQ(timestamp("2021 Jun 11 08:15:00"), "2021-06-11T08:15:00Z");
  EXPECT_EQ(timestamp("Jun 01 08:15:00.123456"), "2024-06-01T08:15:00.123456Z");
  EXPECT_EQ(timestamp("jun  1 8:15:00:"), "2024-06-01T08:15:00Z");
  EXPECT_EQ(timestamp("Feb 29 08:15:00"), "2024-02-29T08:15:00Z");
  EXPECT_EQ(timestamp("Dec 31 23:59:59"), "2023-12-31T23:59:59Z");
  EXPECT_EQ(timestamp("Jun 11 08:15:00 2021"), "2021-06-11T08:15:00Z") << "the year behind";
  EXPECT_EQ(timestamp("Jun 11 08:15:00 UTC 2021"), "2021-06-11T08:15:00Z");
  EXPECT_EQ(timestamp("Jun 11 08:15:00 CEST"), "2024-06-11T08:15:00+02:00");
  EXPECT_EQ(timestamp("Jun 11 08:15:00 +0200"), "2024-06-11T08:15:00+02:00");
  EXPECT_EQ(timestamp("Tue Jun 11 08:15:00"), "2024-06-11T08:15:00Z");
  EXPECT_EQ(timestamp("2024-06-11T08:15:00+0200"), "2024-06-11T08:15:00+02:00");
  EXPECT_EQ(timestamp("Jun 12 08:15:00"), "2024-06-12T08:15:00Z") << "a clock ahead of ours";
}

TEST(Rfc3164, WhatOnlyLooksLikeATimeIsText) {
  EXPECT_EQ(object_of("<13>Jun 11 88:15:00 host t: x"),
            R"({"facility":"user","severity":"notice","message":"Jun 11 88:15:00 host t: x"})");
  EXPECT_EQ(object_of("<13>Mai 11 08:15:00 x"),
            R"({"facility":"user","severity":"notice","message":"Mai 11 08:15:00 x"})");
  EXPECT_EQ(object_of("<13>29: x"), R"({"facility":"user","severity":"notice","message":"29: x"})")
      << "no program is called 29";
  EXPECT_EQ(object_of("<13>app: %s failed"),
            R"({"facility":"user","severity":"notice","appname":"app","message":"%s failed"})");
  EXPECT_EQ(object_of("<13>Jun 11 08:15:00 [error] x y"),
            R"({"facility":"user","severity":"notice","timestamp":"2024-06-11T08:15:00Z",)"
            R"("message":"[error] x y"})");
}

TEST(Rfc3164, CiscosForms) {
  const auto read = [](const std::string& text) {
    auto object = nlohmann::json::parse(object_of("<189>" + text));
    EXPECT_EQ(object["message"], "x y") << text;
    EXPECT_EQ(object.value("appname", ""), "%SYS-5-CONFIG_I") << text;
    return object.value("sequence", "") + "|" + object.value("hostname", "") + "|" +
           object.value("timestamp", "");
  };
  const std::string tail = " %SYS-5-CONFIG_I: x y";
  EXPECT_EQ(read("237: *Jan  8 19:46:03.295:" + tail), "237||2024-01-08T19:46:03.295Z");
  EXPECT_EQ(read("237: .Jan  8 19:46:03.295 UTC:" + tail), "237||2024-01-08T19:46:03.295Z");
  EXPECT_EQ(read("237: Jan  8 19:46:03.295 CEST:" + tail), "237||2024-01-08T19:46:03.295+02:00");
  EXPECT_EQ(read("237: Jan  8 19:46:03.295 XYZ:" + tail), "237||2024-01-08T19:46:03.295Z");
  EXPECT_EQ(read("237: rtr1: *Jan  8 2023 19:46:03:" + tail), "237|rtr1|2023-01-08T19:46:03Z");
  EXPECT_EQ(read("rtr1: 237: *Jan  8 19:46:03 2023:" + tail), "237|rtr1|2023-01-08T19:46:03Z");
  EXPECT_EQ(read("237: 2024 Jan  8 19:46:03 UTC:" + tail), "237||2024-01-08T19:46:03Z");
  EXPECT_EQ(read("237:" + tail), "237||");
  EXPECT_EQ(read(":Jan 08 19:46:03 UTC:" + tail), "||2024-01-08T19:46:03Z") << "ASA, EMBLEM";
  EXPECT_EQ(read("Jan 08 2024 19:46:03:" + tail), "||2024-01-08T19:46:03Z");
  EXPECT_EQ(read("Jan 08 2024 19:46:03 fw1 :" + tail), "|fw1|2024-01-08T19:46:03Z") << "ASA";
  EXPECT_EQ(read("fw1 :" + tail), "|fw1|");
  EXPECT_EQ(object_of("<189>237: *Jan  8 19:46:03.295: %SYS-5: x"),
            R"({"facility":"local7","severity":"notice","timestamp":"2024-01-08T19:46:03.295Z",)"
            R"("appname":"%SYS-5","sequence":"237","message":"x"})");
}

TEST(Rfc3164, AixForwardsAndHostsOfAllKinds) {
  EXPECT_EQ(object_of("<13>Jun 11 08:15:00 Message forwarded from aix1: su[12]: x"),
            R"({"facility":"user","severity":"notice","timestamp":"2024-06-11T08:15:00Z",)"
            R"("hostname":"aix1","appname":"su","procid":"12","message":"x"})");
  for (const std::string host :
       {"a@b/c", "fe80::1%eth0", "fe80::1", "10.0.0.1", "web_1.example.com"}) {
    EXPECT_EQ(object_of("<13>Jun 11 08:15:00 " + host + " app[7]: x"),
              R"({"facility":"user","severity":"notice","timestamp":"2024-06-11T08:15:00Z",)"
              R"("hostname":")" +
                  host + R"(","appname":"app","procid":"7","message":"x"})");
  }
}

TEST(SyslogMessage, TextIsRepairedAndEscaped) {
  EXPECT_EQ(object_of("<13>t: a\"b\\c\n\xff\xe2\x82 d"),
            "{\"facility\":\"user\",\"severity\":\"notice\",\"appname\":\"t\",\"message\":"
            "\"a\\\"b\\\\c\\n\ufffd\ufffd d\"}");
}

// What is set aside for a message must be enough for it, whatever its bytes become.
TEST(SyslogMessage, AnEntryIsNeverLargerThanSaid) {
  const auto repeated = [](std::string_view piece) {
    std::string text;
    while (text.size() < 20'000) text += piece;
    return text;
  };
  std::vector<std::string> messages{repeated("text"),
                                    repeated(std::string(1, '\0')),
                                    repeated("\x01\"\\\n\t\b\f\r\v"),
                                    repeated("\xff"),
                                    repeated("\xc3\xa4"),
                                    repeated("\xe2\x82"),
                                    repeated("["),
                                    "<13>1 - h a p m " + repeated("[a]"),
                                    "<13>1 - h a p m " + repeated("[a b=\"\"]") + " text",
                                    "<13>1 - h a p m [a" + repeated(" b=\"\\\"\"") + "]"};
  for (const std::string& message : messages) {
    JsonEntries entries({1, 0}, 1_MiB, 0);
    append_message(entries, as_bytes(message), {{1, 0}, false});
    EXPECT_EQ(entries.count(), 1u);
    EXPECT_LE(entries.size(), entry_size_max(as_bytes(message))) << message.substr(0, 40);
  }
  EXPECT_LE(entry_size_max(as_bytes(repeated("text"))), 22'000u);
}

TEST(Rfc5424, StructuredDataLongerThanAnySendersIsText) {
  const std::string value(2_MiB, 'v');
  const std::string message = "<13>1 - h a p m [x k=\"" + value + "\"] hello";
  JsonEntries entries(kReceived, 4_MiB, 0);
  append_message(entries, as_bytes(message), {kReceived, false});
  const record::Batch batch = entries.take();
  const std::string_view object = as_text(batch.entries());
  EXPECT_EQ(object.find("structured_data"), std::string::npos);
  EXPECT_NE(object.find("[x k="), std::string::npos);
}

TEST(SyslogMessage, JsonIsUnwrappedOnRequest) {
  const std::string header = "<14>1 2024-06-11T08:15:00.5Z h a p m - ";
  const std::string object = R"({"log_type":"audit", "n":1e400,"n":2})";
  EXPECT_EQ(parse(header + object, true).object, object);
  EXPECT_EQ(parse(header + object, true).time, at("2024-06-11T08:15:00.5Z"));
  EXPECT_EQ(parse(header + "@cee: " + object + " ", true).object, object);
  EXPECT_EQ(parse("<13>Jun 11 08:15:00 h t: {\"a\":\"\xff\"}", true).object, "{\"a\":\"\ufffd\"}");
  EXPECT_EQ(parse(object, true).object, object);
  // Whatever the header is: an audit record must not lose its log_type.
  for (const std::string broken :
       {"\xef\xbb\xbf<14>1 2024-06-11T08:15:00Z h a p m - ",
        "<14>1 2024-06-11T08:15:00+0000 h a p m - ", "<14>1 yesterday h a p m - ",
        "<14>1 - h a p m [broken x=1] ", "<14>1 - h a p m [x j=\"{\"][y ", "<999>1 - h a p m - ",
        "<14>1 yesterday h ", "<14>Mai 11 08:15:00 h a: ", "<14>Jun 11 08:15:00 h my app: ",
        "<14>237: *Jun 11 08:15:00: %A-1-B: ", "<14>Jun 88 08:15:00 h a: "}) {
    EXPECT_EQ(parse(broken + object, true).object, object) << broken;
  }
  EXPECT_EQ(nlohmann::json::parse(parse("<13>done {\"a\":1}", true).object)["message"],
            "done {\"a\":1}")
      << "text before it is text";
  for (const std::string text : {"Mai x:y{}", "Mai x:{}", "Mai :yz{}", ":{", "::({}"}) {
    EXPECT_FALSE(parse("<14>" + text, true).object.empty()) << "a colon near the end";
  }
  for (const std::string text : {R"({"a":1} tail)", R"({"a":tru})", R"([1])", "{}{}", "{"}) {
    EXPECT_EQ(nlohmann::json::parse(parse(header + text, true).object)["message"], text);
  }
  EXPECT_EQ(nlohmann::json::parse(parse(header + object).object)["message"], object);
}

TEST(SyslogMessage, EverySampleComesThroughFieldByField) {
  std::ifstream file(test_data() + "/openshift/6.6-syslog/rfc5424.txt");
  size_t count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    const auto object = nlohmann::json::parse(object_of(line));
    const std::string message = object["message"];
    EXPECT_EQ(parse(line, true).object, message) << "the collector's record, byte by byte";
    const auto record = nlohmann::json::parse(message);
    EXPECT_EQ(object["msgid"], record["log_source"]);
    // The header, put together again from the fields.
    std::string header = "1";
    for (const char* field : {"timestamp", "hostname", "appname", "procid", "msgid"}) {
      header += " " + object.value(field, "-");
    }
    EXPECT_EQ(line.substr(line.find('>') + 1), header + " - " + message);
    EXPECT_EQ(parse(line).time, at(object["timestamp"].get<std::string>()));
  }
  EXPECT_EQ(count, 28u);
}

}  // namespace
}  // namespace penstock::protocol::syslog
