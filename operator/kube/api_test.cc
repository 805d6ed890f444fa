// The client against a real API server: that of LEVADA_KUBECONFIG, and one of its own that it
// kills.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "core/base/strings.h"
#include "operator/kube/diff.h"
#include "operator/kube/errors.h"
#include "operator/kube/events.h"
#include "operator/kube/informer.h"
#include "operator/kube/leader.h"
#include "operator/kube/testing/api_server.h"

namespace levada::kube {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(ApiTest, ObjectsAreCreatedReadReplacedPatchedAndDeleted) {
  const auto created = client_->Create(kConfigMaps, ConfigMap("a", {{"k", "1"}}));
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_TRUE(absl::IsAlreadyExists(client_->Create(kConfigMaps, ConfigMap("a")).status()));

  Json changed = *created;
  changed["data"]["k"] = "2";
  ASSERT_TRUE(client_->Update(kConfigMaps, changed).ok());
  const absl::Status stale = client_->Update(kConfigMaps, changed).status();
  EXPECT_TRUE(IsConflict(stale)) << stale;

  ASSERT_TRUE(
      client_->Patch(kConfigMaps, {space_, "a"}, PatchType::kMerge, {{"data", {{"m", "3"}}}}).ok());
  const Json operations = Json::parse(R"([{"op": "remove", "path": "/data/k"}])");
  ASSERT_TRUE(client_->Patch(kConfigMaps, {space_, "a"}, PatchType::kJson, operations).ok());
  EXPECT_EQ(client_->Get(kConfigMaps, {space_, "a"})->at("data"), (Json{{"m", "3"}}));

  EXPECT_TRUE(IsConflict(client_->Delete(kConfigMaps, {space_, "a"}, {.uid = "another"})));
  EXPECT_TRUE(client_->Delete(kConfigMaps, {space_, "a"}, {.uid = UidOf(*created)}).ok());
  EXPECT_TRUE(absl::IsNotFound(client_->Get(kConfigMaps, {space_, "a"}).status()));
}

TEST_F(ApiTest, TheServerIsAskedWhatItServes) {
  EXPECT_THAT(*client_->ServerVersion(), HasSubstr("v1."));
  EXPECT_TRUE(*client_->Serves(kDeployments));
  EXPECT_FALSE(*client_->Serves({"levada.dev", "v9", "nothings", "Nothing"}));
  EXPECT_FALSE(*client_->Serves({"apps", "v1", "nothings", "Nothing"}));
}

TEST_F(ApiTest, AnAppliedDeploymentDoesNotChangeWhenItIsWantedAgain) {
  const Json wanted = Json::parse(R"({
    "metadata": {"name": "d", "labels": {"app": "d"}},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "d"}},
      "template": {"metadata": {"labels": {"app": "d"}}, "spec": {
        "containers": [{"name": "c", "image": "i:1", "env": [{"name": "A", "value": "1"}],
          "ports": [{"containerPort": 80}, {"containerPort": 81}],
          "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
          "volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]}],
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "2048Mi"}}]}}}})");
  Json object = wanted;
  object["metadata"]["namespace"] = space_;
  ASSERT_TRUE(client_->Apply(kDeployments, object).ok());
  const Json live = *client_->Get(kDeployments, {space_, "d"});
  EXPECT_THAT(Differences(live, object), ::testing::IsEmpty());

  object["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2";
  EXPECT_THAT(Differences(live, object),
              ::testing::ElementsAre("spec.template.spec.containers[c].image: i:1 -> i:2"));
  const auto dry = client_->Apply(kDeployments, object, {.dry_run = true});
  ASSERT_TRUE(dry.ok()) << dry.status();
  EXPECT_FALSE(WouldChange(*dry, object));
  EXPECT_TRUE(WouldChange(*client_->Get(kDeployments, {space_, "d"}), object));
}

TEST_F(ApiTest, AnApplyConflictNamesTheOtherManagerAndItsFields) {
  ASSERT_TRUE(client_
                  ->Apply(kConfigMaps, ConfigMap("a", {{"k", "theirs"}, {"m", "x"}}),
                          {.field_manager = "somebody"})
                  .ok());
  const absl::Status status =
      client_->Apply(kConfigMaps, ConfigMap("a", {{"k", "ours"}, {"m", "y"}})).status();
  EXPECT_TRUE(IsConflict(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("somebody"), HasSubstr(".data.k"), HasSubstr(".data.m")));
  const auto forced = client_->Apply(kConfigMaps, ConfigMap("a", {{"k", "ours"}}), {.force = true});
  ASSERT_TRUE(forced.ok()) << forced.status();
  EXPECT_EQ(forced->at("data"), (Json{{"k", "ours"}, {"m", "x"}}));
}

TEST_F(ApiTest, StatusIsAppliedApartFromTheRest) {
  const auto applied = client_->ApplyStatus(
      kNamespaces,
      {{"metadata", {{"name", space_}}},
       {"status",
        {{"conditions",
          {{{"type", "Levada"}, {"status", "True"}, {"reason", "R"}, {"message", "m"}}}}}}});
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(TextAt(applied->at("status").at("conditions")[0], {"type"}), "Levada");
}

TEST_F(ApiTest, AThousandObjectsAreListedInPagesAndFollowed) {
  CreateMany(1050, "a");
  const auto all = client_->List(kConfigMaps, {.name_space = space_, .page = 100});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 1050u);

  std::atomic<int> added = 0;
  std::atomic<int> updated = 0;
  std::atomic<int> deleted = 0;
  Informer informer(*client_, {.resource = kConfigMaps, .name_space = space_, .page = 100});
  informer.AddHandler({.on_change = [&](const Json* before, const Json* after) {
    ++(before == nullptr ? added : after == nullptr ? deleted : updated);
  }});
  informer.Start();
  ASSERT_TRUE(informer.WaitForSync(60s));
  EXPECT_EQ(informer.size(), 1050u);
  ASSERT_TRUE(client_->Create(kConfigMaps, ConfigMap("new")).ok());
  ASSERT_TRUE(client_->Apply(kConfigMaps, ConfigMap("new", {{"k", "v"}})).ok());
  ASSERT_TRUE(client_->Delete(kConfigMaps, {space_, "a0"}).ok());
  EXPECT_TRUE(Becomes([&] { return added == 1051 && updated == 1 && deleted == 1; }));
  EXPECT_EQ(informer.Get({space_, "new"})->at("data"), (Json{{"k", "v"}}));
}

TEST_F(ApiTest, OnlyMetadataIsSentWhenOnlyThatIsWanted) {
  ASSERT_TRUE(client_->Create(kConfigMaps, ConfigMap("a", {{"k", "v"}})).ok());
  Informer informer(*client_,
                    {.resource = kConfigMaps, .name_space = space_, .metadata_only = true});
  informer.Start();
  ASSERT_TRUE(informer.WaitForSync(30s));
  ASSERT_TRUE(client_->Create(kConfigMaps, ConfigMap("b", {{"k", "v"}})).ok());
  ASSERT_TRUE(Becomes([&] { return informer.size() == 2; }));
  for (const Json& object : informer.All()) {
    EXPECT_FALSE(object.contains("data"));
    EXPECT_EQ(object["kind"], "ConfigMap");
  }
}

TEST_F(ApiTest, SelectorsNarrowListsAndWatches) {
  Json labelled = ConfigMap("l");
  labelled["metadata"]["labels"] = {{"app", "x"}};
  ASSERT_TRUE(client_->Create(kConfigMaps, ConfigMap("a")).ok());
  ASSERT_TRUE(client_->Create(kConfigMaps, labelled).ok());
  Informer informer(
      *client_, {.resource = kConfigMaps, .name_space = space_, .label_selector = "app in (x)"});
  informer.Start();
  ASSERT_TRUE(informer.WaitForSync(30s));
  EXPECT_EQ(informer.size(), 1u);
  // An object whose label is taken off leaves the selection.
  ASSERT_TRUE(client_
                  ->Patch(kConfigMaps, {space_, "l"}, PatchType::kMerge,
                          {{"metadata", {{"labels", {{"app", nullptr}}}}}})
                  .ok());
  EXPECT_TRUE(Becomes([&] { return informer.size() == 0; }));
  EXPECT_EQ(client_->List(kConfigMaps, {.name_space = space_, .field_selector = "metadata.name=a"})
                ->size(),
            1u);
}

TEST_F(ApiTest, BookmarksMoveAQuietWatchOn) {
  const auto version = client_->List(kConfigMaps, {.name_space = space_}, [](const Json&) {});
  ASSERT_TRUE(version.ok()) << version.status();
  // Of what happens in other namespaces this watch sees nothing but the bookmark.
  Json elsewhere = ConfigMap(space_);
  elsewhere["metadata"]["namespace"] = "default";
  std::jthread busy([&](const std::stop_token& stop) {
    for (int i = 0; !stop.stop_requested(); ++i) {
      elsewhere["data"]["k"] = std::to_string(i);
      EXPECT_TRUE(client_->Apply(kConfigMaps, elsewhere).ok());
      std::this_thread::sleep_for(500ms);
    }
  });
  bool moved = false;
  const absl::Status ended = client_->Watch(
      kConfigMaps,
      // The server sends one every minute, and a little before the watch's time is over.
      {.name_space = space_, .resource_version = *version, .timeout = 30s},
      [&](const WatchEvent& event) {
        EXPECT_EQ(event.type, WatchEvent::Type::kBookmark);
        moved = std::atoll(ResourceVersionOf(event.object).c_str()) > std::atoll(version->c_str());
        return !moved;
      },
      {});
  EXPECT_TRUE(ended.ok()) << ended;
  EXPECT_TRUE(moved);
  busy = {};
  EXPECT_TRUE(client_->Delete(kConfigMaps, {"default", space_}).ok());
}

TEST_F(ApiTest, WhoMayNotIsToldWhat) {
  Config other = config_;
  other.impersonate_user = "nobody-special";
  const absl::Status status = ConnectAs(other)->List(kSecrets, {.name_space = space_}).status();
  EXPECT_TRUE(IsForbidden(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("list secrets in " + space_), HasSubstr("\"nobody-special\"")));
}

TEST_F(ApiTest, ATokenThatIsRenewedInItsFileIsTaken) {
  ASSERT_TRUE(
      client_->Create(kServiceAccounts, {{"metadata", {{"name", "sa"}, {"namespace", space_}}}})
          .ok());
  const auto token = client_->Create(kServiceAccounts,
                                     {{"apiVersion", "authentication.k8s.io/v1"},
                                      {"kind", "TokenRequest"},
                                      {"metadata", {{"name", "sa"}, {"namespace", space_}}},
                                      {"spec", {{"expirationSeconds", 600}}}},
                                     {.subresource = "token"});
  ASSERT_TRUE(token.ok()) << token.status();

  const std::string file = base::StrCat(::testing::TempDir(), "/token-", getpid());
  std::ofstream(file) << "old.token.x";
  Config config = config_;
  config.certificate_pem.clear();
  config.key_pem.clear();
  config.token_file = file;
  const auto client = ConnectAs(config);
  EXPECT_EQ(client->Get(kConfigMaps, {space_, "a"}).status().code(),
            absl::StatusCode::kUnauthenticated);
  std::ofstream(file) << TextAt(*token, {"status", "token"});
  // Known to the server now, and without rights.
  const absl::Status status = client->Get(kConfigMaps, {space_, "a"}).status();
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(base::StrCat("system:serviceaccount:", space_, ":sa")));
  std::remove(file.c_str());
}

TEST_F(ApiTest, ALeaseIsHandedOver) {
  const auto join = [&](const std::string& name) {
    auto elector = Elector::Create(transport_, {.lease = {space_, "op"},
                                                .identity = name,
                                                .lease_duration = 4s,
                                                .renew_deadline = 3s,
                                                .retry_period = 500ms});
    EXPECT_TRUE(elector.ok()) << elector.status();
    (*elector)->Start({});
    return *std::move(elector);
  };
  const auto one = join("one");
  ASSERT_TRUE(Becomes([&] { return one->IsLeader(); }));
  const auto two = join("two");
  ASSERT_TRUE(Becomes([&] { return two->Leader() == "one"; }));
  EXPECT_FALSE(two->IsLeader());
  one->Stop();
  EXPECT_FALSE(one->IsLeader());
  // Given back, it is taken before its duration is over.
  EXPECT_TRUE(Becomes([&] { return two->IsLeader(); }, 3s));
  EXPECT_EQ(IntAt(*client_->Get(kLeases, {space_, "op"}), {"spec", "leaseTransitions"}), 1);
}

TEST_F(ApiTest, EventsAndTheirSeriesAreAccepted) {
  const Json subject = *client_->Create(kConfigMaps, ConfigMap("a"));
  EventRecorder events(*client_, {.controller = "levada.dev/test", .instance = "me"});
  for (int i = 0; i < 3; ++i) {
    events.Warning(subject, "KafkaAway", "Reconcile", "broker:9092 does not answer");
    ASSERT_TRUE(events.Flush(30s));
  }
  const auto written = client_->List(kEvents, {.name_space = space_});
  ASSERT_TRUE(written.ok()) << written.status();
  ASSERT_EQ(written->size(), 1u);
  EXPECT_EQ(written->at(0)["series"]["count"], 3);
  EXPECT_EQ(TextAt(written->at(0), {"regarding", "uid"}), UidOf(subject));
}

}  // namespace
}  // namespace levada::kube
