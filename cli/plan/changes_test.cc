#include "cli/plan/changes.h"

#include <gtest/gtest.h>

namespace levada::cli {
namespace {

using kube::Json;

TEST(ThreeWayPatchTest, TakesOutWhatIsNoLongerInTheManifest) {
  const Json last = Json::parse(R"({"spec": {"a": 1, "b": {"c": 1, "d": 2}, "list": [1, 2]}})");
  const Json manifest = Json::parse(R"({"spec": {"b": {"d": 3}, "list": [2]}})");
  const Json patch = ThreeWayPatch(last, manifest);
  EXPECT_EQ(patch, Json::parse(R"({"spec": {"a": null, "b": {"c": null, "d": 3}, "list": [2]}})"));
  Json live =
      Json::parse(R"({"spec": {"a": 1, "b": {"c": 1, "d": 2}, "list": [1, 2], "paused": true}})");
  live.merge_patch(patch);
  EXPECT_EQ(live, Json::parse(R"({"spec": {"b": {"d": 3}, "list": [2], "paused": true}})"))
      << "what others have set stays";
}

TEST(ThreeWayPatchTest, WithoutAReadableLastManifestIsTheManifest) {
  const Json manifest = {{"spec", {{"a", 1}}}};
  EXPECT_EQ(ThreeWayPatch(Json::parse("{", nullptr, false), manifest), manifest);
}

class NoServer : public kube::Transport {
 public:
  absl::StatusOr<http::Response> Send(const http::Request& request) override {
    EXPECT_EQ(request.method, "GET") << "a write has come through";
    return http::Response{.status = 200, .body = "{\"kind\":\"Live\"}"};
  }
  absl::StatusOr<http::Response> Stream(const http::Request&, std::chrono::milliseconds,
                                        const http::OnLine&, std::stop_token) override {
    return http::Response{.status = 200};
  }
};

TEST(KeepingTransportTest, LetsNoWriteThrough) {
  const auto transport = std::make_shared<KeepingTransport>(std::make_shared<NoServer>());
  kube::Client client(transport, {});
  const auto read = client.Get(kube::kDeployments, {"shop", "a"});
  ASSERT_TRUE(read.ok());
  EXPECT_EQ((*read)["kind"], "Live");
  const Json wanted = {{"metadata", {{"name", "a"}, {"namespace", "shop"}}}};
  EXPECT_TRUE(client.Apply(kube::kDeployments, wanted, {.force = true}).ok());
  EXPECT_TRUE(client.Delete(kube::kConfigMaps, {"shop", "b"}).ok());
  ASSERT_EQ(transport->writes().size(), 2U);
  EXPECT_EQ(transport->writes()[0].path, "/apis/apps/v1/namespaces/shop/deployments/a");
  EXPECT_EQ(transport->writes()[0].body["kind"], "Deployment");
  EXPECT_EQ(transport->writes()[1].method, "DELETE");
  EXPECT_EQ(transport->writes()[1].path, "/api/v1/namespaces/shop/configmaps/b");
}

TEST(ClusterChangesTest, SayWhatBecomesOfEachStage) {
  ClusterChanges changes{.pipeline = "shop/orders", .cluster = "cluster prod", .topics = 2};
  EXPECT_FALSE(changes.any());
  EXPECT_NE(ToText(changes).find("nothing changes"), std::string::npos);
  changes.stages = {{.name = "detect",
                     .action = Action::kChange,
                     .rolls = true,
                     .reasons = {"its slice changes"},
                     .slice = {"- filter: a > 1", "+ filter: a > 2"}},
                    {.name = "old", .action = Action::kDelete, .reasons = {"gone"}}};
  changes.objects = {{.action = Action::kDelete, .kind = "Deployment", .name = "orders-old"}};
  EXPECT_TRUE(changes.any());
  const std::string text = ToText(changes);
  EXPECT_NE(text.find("  ~ detect: its workers are replaced one after the other, since its slice "
                      "changes\n        - filter: a > 1\n        + filter: a > 2\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("  - Deployment orders-old\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace levada::cli
