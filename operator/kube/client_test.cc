#include "operator/kube/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "core/base/strings.h"
#include "operator/kube/errors.h"
#include "operator/kube/testing/fake_clock.h"
#include "operator/kube/testing/fault_transport.h"
#include "operator/kube/testing/memory_server.h"

namespace levada::kube {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

http::Response Answer(int status, const std::string& body,
                      std::vector<std::pair<std::string, std::string>> headers = {}) {
  return {.status = status, .headers = std::move(headers), .body = body};
}

// A client whose requests a function answers, and what it asked.
class ClientTest : public ::testing::Test {
 protected:
  Client MakeClient(FunctionTransport::OnSend answer, Client::Options options = {}) {
    return Client(std::make_shared<FunctionTransport>([this, answer](const http::Request& request) {
                    asked_.push_back(base::StrCat(request.method, " ", request.path));
                    bodies_.emplace_back(request.body);
                    timeouts_.push_back(request.timeout);
                    types_.push_back(request.content_type);
                    return answer(request);
                  }),
                  std::move(options));
  }

  std::vector<std::string> asked_;
  std::vector<std::string> bodies_;
  std::vector<std::string> types_;
  std::vector<std::chrono::milliseconds> timeouts_;
};

const Json kConfigMap = {{"metadata", {{"name", "a"}, {"namespace", "shop"}}},
                         {"data", {{"k", "v"}}}};

TEST_F(ClientTest, RequestsAreThoseOfTheApi) {
  Client client =
      MakeClient([](const auto&) { return Answer(200, "{}"); }, {.field_manager = "me"});
  EXPECT_TRUE(client.Get(kConfigMaps, {"shop", "a"}).ok());
  EXPECT_TRUE(client.Create(kConfigMaps, kConfigMap).ok());
  EXPECT_TRUE(client.Update(kConfigMaps, kConfigMap, {.dry_run = true}).ok());
  EXPECT_TRUE(client.Apply(kConfigMaps, kConfigMap, {.force = true}).ok());
  EXPECT_TRUE(client.ApplyStatus(kPipelines, kConfigMap, {.field_manager = "you & me"}).ok());
  EXPECT_TRUE(client.Patch(kConfigMaps, {"shop", "a"}, PatchType::kJson, Json::array()).ok());
  EXPECT_TRUE(client
                  .Delete(kConfigMaps, {"shop", "a"},
                          {.uid = "u", .propagation = DeleteOptions::Propagation::kForeground})
                  .ok());
  EXPECT_THAT(asked_,
              ElementsAre("GET /api/v1/namespaces/shop/configmaps/a",
                          "POST /api/v1/namespaces/shop/configmaps?fieldManager=me",
                          "PUT /api/v1/namespaces/shop/configmaps/a?fieldManager=me&dryRun=All",
                          "PATCH /api/v1/namespaces/shop/configmaps/a?fieldManager=me&force=true",
                          "PATCH /apis/levada.dev/v1alpha1/namespaces/shop/pipelines/a/status"
                          "?fieldManager=you%20%26%20me",
                          "PATCH /api/v1/namespaces/shop/configmaps/a?fieldManager=me",
                          "DELETE /api/v1/namespaces/shop/configmaps/a"));
  EXPECT_EQ(types_[3], "application/apply-patch+yaml");
  EXPECT_EQ(types_[5], "application/json-patch+json");
  EXPECT_EQ(Json::parse(bodies_[1])["kind"], "ConfigMap");
  EXPECT_EQ(Json::parse(bodies_[4])["apiVersion"], "levada.dev/v1alpha1");
  EXPECT_EQ(Json::parse(bodies_[6])["preconditions"], (Json{{"uid", "u"}}));
  EXPECT_EQ(Json::parse(bodies_[6])["propagationPolicy"], "Foreground");
}

TEST_F(ClientTest, ErrorsKeepWhatTheServerSaid) {
  Client client = MakeClient([](const auto&) {
    return Answer(422, R"({"kind": "Status", "reason": "Invalid", "message": "spec.x is wrong",
        "details": {"causes": [{"reason": "FieldValueInvalid", "field": "spec.x",
                                "message": "too small"}]}})");
  });
  const absl::Status status = client.Create(kConfigMaps, kConfigMap).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "create configmaps shop/a: spec.x is wrong");
  const auto error = ApiErrorOf(status);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, 422);
  EXPECT_EQ(error->reason, "Invalid");
  ASSERT_EQ(error->causes.size(), 1u);
  EXPECT_EQ(error->causes[0].field, "spec.x");
}

TEST_F(ClientTest, AConflictNamesManagersAndFields) {
  Client client = MakeClient([](const auto&) {
    return Answer(409, R"({"kind": "Status", "reason": "Conflict", "message": "Apply failed\n- x",
        "details": {"causes": [
          {"reason": "FieldManagerConflict", "field": ".spec.a", "message": "conflict with \"hpa\""},
          {"reason": "FieldManagerConflict", "field": ".spec.b", "message": "conflict with \"hpa\""},
          {"reason": "FieldManagerConflict", "field": ".spec.c", "message": "conflict with \"me\""}
        ]}})");
  });
  const absl::Status status = client.Apply(kConfigMaps, kConfigMap).status();
  EXPECT_TRUE(IsConflict(status));
  EXPECT_EQ(status.message(),
            "apply configmaps shop/a: conflict with \"hpa\": .spec.a, .spec.b; "
            "conflict with \"me\": .spec.c");
}

TEST_F(ClientTest, CodesTellWhatKindOfErrorItIs) {
  const std::pair<int, absl::StatusCode> codes[] = {
      {400, absl::StatusCode::kInvalidArgument},  {401, absl::StatusCode::kUnauthenticated},
      {403, absl::StatusCode::kPermissionDenied}, {404, absl::StatusCode::kNotFound},
      {405, absl::StatusCode::kUnimplemented},    {409, absl::StatusCode::kAborted},
      {410, absl::StatusCode::kOutOfRange},       {429, absl::StatusCode::kResourceExhausted},
      {500, absl::StatusCode::kInternal},         {503, absl::StatusCode::kUnavailable},
      {504, absl::StatusCode::kDeadlineExceeded}, {302, absl::StatusCode::kInternal}};
  for (const auto& [http, code] : codes) {
    Client client = MakeClient([&](const auto&) { return Answer(http, "<html>"); });
    const absl::Status status = client.Get(kConfigMaps, {"shop", "a"}).status();
    EXPECT_EQ(status.code(), code) << http;
    EXPECT_EQ(ApiErrorOf(status)->code, http);
    EXPECT_THAT(std::string(status.message()), HasSubstr("<html>"));
  }
}

TEST_F(ClientTest, TheWayToTheServerFailsWithoutAnApiError) {
  Client client = MakeClient([](const auto&) { return absl::UnavailableError("refused"); });
  const absl::Status status = client.Get(kConfigMaps, {"shop", "a"}).status();
  EXPECT_EQ(status.message(), "get configmaps shop/a: refused");
  EXPECT_FALSE(ApiErrorOf(status).has_value());
}

// Moves a fake clock as long as it lives.
class MovingClock {
 public:
  explicit MovingClock(FakeClock* clock)
      : thread_([clock](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            std::this_thread::sleep_for(1ms);
            clock->Advance(100ms);
          }
        }) {}

 private:
  std::jthread thread_;
};

TEST_F(ClientTest, ABusyServerIsAskedAgainWhenItSays) {
  FakeClock clock;
  const MovingClock moving(&clock);
  std::vector<Clock::Time> times;
  Client client = MakeClient(
      [&](const auto&) {
        times.push_back(clock.Now());
        return times.size() < 3 ? Answer(429, "", {{"Retry-After", "2"}}) : Answer(200, "{}");
      },
      {.clock = &clock});
  EXPECT_TRUE(client.Get(kConfigMaps, {"shop", "a"}).ok());
  ASSERT_EQ(times.size(), 3u);
  EXPECT_GE(times[1] - times[0], 2s);
  EXPECT_GE(times[2] - times[1], 2s);
}

TEST_F(ClientTest, PatienceWithABusyServerEnds) {
  FakeClock clock;
  const MovingClock moving(&clock);
  Client client = MakeClient(
      [](const auto&) {
        return Answer(503, "", {{"Retry-After", "4"}});
      },
      {.patience = 10s, .clock = &clock});
  const absl::Status status = client.Get(kConfigMaps, {"shop", "a"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ApiErrorOf(status)->retry_after, std::chrono::seconds(4));
  EXPECT_EQ(asked_.size(), 3u);  // at 0, 4 and 8 seconds
}

TEST_F(ClientTest, RequestsAreSpacedAndLeasesAreNot) {
  FakeClock clock;
  FlowControl flow(10, 3, &clock);
  using Priority = FlowControl::Priority;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(flow.Acquire(Priority::kNormal), 0s);
  EXPECT_EQ(flow.Acquire(Priority::kHigh), 0s);  // takes what the next one would have had
  const Clock::Time full = clock.Now();
  const MovingClock moving(&clock);
  flow.Acquire(Priority::kNormal);
  EXPECT_GE(clock.Now() - full, 200ms);
}

TEST_F(ClientTest, WhoMayNotWriteDoesNotAndReadsOn) {
  std::chrono::milliseconds left = 3s;
  Client client = MakeClient([](const auto&) { return Answer(200, "{}"); },
                             {.time_to_write = [&] { return left; }});
  EXPECT_TRUE(client.Apply(kConfigMaps, kConfigMap).ok());
  EXPECT_EQ(timeouts_.back(), 3s);
  left = 0s;
  EXPECT_EQ(client.Apply(kConfigMaps, kConfigMap).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(client.Delete(kConfigMaps, {"shop", "a"}).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(client.Get(kConfigMaps, {"shop", "a"}).ok());
  EXPECT_EQ(asked_.size(), 2u);
}

std::string Page(const std::vector<std::string>& names, const std::string& next) {
  Json page = {{"metadata", {{"resourceVersion", "7"}, {"continue", next}}}};
  for (const std::string& name : names) page["items"].push_back({{"metadata", {{"name", name}}}});
  return page.dump();
}

TEST_F(ClientTest, ListsPageByPage) {
  Client client = MakeClient([](const http::Request& request) {
    return Answer(200, request.path.find("continue=c%2F1") == std::string::npos
                           ? Page({"a", "b"}, "c/1")
                           : Page({"c"}, ""));
  });
  std::vector<std::string> names;
  const auto version = client.List(
      kPods, {.name_space = "shop", .label_selector = "a=b", .page = 2}, [&](const Json& pod) {
        EXPECT_EQ(pod["kind"], "Pod");
        names.push_back(NameOf(pod));
      });
  EXPECT_EQ(*version, "7");
  EXPECT_THAT(names, ElementsAre("a", "b", "c"));
  EXPECT_EQ(asked_[1],
            "GET /api/v1/namespaces/shop/pods?limit=2&continue=c%2F1&labelSelector=a%3Db");
}

TEST_F(ClientTest, AListWhoseTokenHasExpiredBeginsAnew) {
  int expired = 0;
  Client client = MakeClient([&](const http::Request& request) {
    if (request.path.find("continue=") == std::string::npos) return Answer(200, Page({"a"}, "t"));
    if (expired++ == 0) return Answer(410, R"({"kind": "Status", "reason": "Expired"})");
    return Answer(200, Page({"b"}, ""));
  });
  const auto pods = client.List(kPods);
  ASSERT_TRUE(pods.ok()) << pods.status();
  EXPECT_EQ(pods->size(), 2u);
  EXPECT_EQ(asked_.size(), 4u);
}

TEST_F(ClientTest, WatchLinesBecomeEvents) {
  const auto stream = [](const http::Request& request, const http::OnLine& on_line,
                         const std::stop_token&) -> absl::StatusOr<http::Response> {
    EXPECT_THAT(request.path, HasSubstr("watch=true&allowWatchBookmarks=true&resourceVersion=5"));
    for (const char* line :
         {R"({"type": "ADDED", "object": {"metadata": {"name": "a", "resourceVersion": "6"}}})",
          R"({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}})",
          R"({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "old"}})"}) {
      if (!on_line(line)) break;
    }
    return http::Response{.status = 200, .headers = {}, .body = ""};
  };
  Client client(std::make_shared<FunctionTransport>(nullptr, stream), {});
  std::vector<WatchEvent::Type> types;
  const absl::Status ended = client.Watch(kPods, {.resource_version = "5"},
                                          [&](const WatchEvent& event) {
                                            types.push_back(event.type);
                                            return true;
                                          },
                                          {});
  EXPECT_TRUE(IsExpired(ended)) << ended;
  EXPECT_THAT(types, ElementsAre(WatchEvent::Type::kAdded, WatchEvent::Type::kBookmark));
}

TEST_F(ClientTest, LinesThatAreNoEventsEndAWatch) {
  for (const char* line : {"", "{", "[]", "null", R"({"type": "ADDED"})",
                           R"({"type": "NEW", "object": {}})", R"({"type": 1, "object": {}})"}) {
    EXPECT_EQ(ParseWatchLine(line, "w").status().code(), absl::StatusCode::kInternal) << line;
  }
}

TEST(FaultTransportTest, FailsTheChosenCall) {
  auto server = std::make_shared<MemoryServer>();
  auto faults = std::make_shared<FaultTransport>(server);
  Client client(faults, {});
  faults->FailCall(1, Fault::kRefused);
  EXPECT_EQ(client.Create(kConfigMaps, kConfigMap).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(server->objects().empty());

  faults->Reset();
  faults->FailCall(1, Fault::kAnswerLost);
  EXPECT_EQ(client.Create(kConfigMaps, kConfigMap).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server->objects().size(), 1u);
  EXPECT_TRUE(absl::IsAlreadyExists(client.Create(kConfigMaps, kConfigMap).status()));

  faults->FailFrom(3);
  EXPECT_FALSE(client.Get(kConfigMaps, {"shop", "a"}).ok());
  EXPECT_EQ(faults->calls(), 3);
  EXPECT_EQ(faults->log().back(), "GET /api/v1/namespaces/shop/configmaps/a");
}

}  // namespace
}  // namespace levada::kube
