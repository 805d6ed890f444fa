#include "operator/kube/object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/kube/conditions.h"
#include "operator/kube/object_store.h"
#include "operator/kube/resource.h"

namespace levada::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr int64_t kNoon = 1'709'294'400'000'000;  // 2024-03-01T12:00:00Z

Json Object(const std::string& name_space, const std::string& name, const std::string& version,
            const Json& more = Json::object()) {
  Json object = {
      {"metadata", {{"namespace", name_space}, {"name", name}, {"resourceVersion", version}}}};
  object["metadata"].update(more);
  return object;
}

TEST(ObjectTest, WhatIsMissingOrOfAnotherTypeReadsAsEmpty) {
  for (const char* text : {"null", "[]", "7", "{}", R"({"metadata": []})",
                           R"({"metadata": {"name": 7, "ownerReferences": {}, "labels": "x",
                               "finalizers": 3, "generation": "5", "deletionTimestamp": null}})",
                           R"({"metadata": {"ownerReferences": [1, {"controller": "yes"}]}})"}) {
    const Json object = Json::parse(text);
    EXPECT_EQ(NameOf(object), "") << text;
    EXPECT_EQ(GenerationOf(object), 0) << text;
    EXPECT_EQ(LabelOf(object, "a"), "") << text;
    EXPECT_EQ(ControllerUidOf(object), "") << text;
    EXPECT_TRUE(OwnerUidsOf(object).empty()) << text;
    EXPECT_FALSE(IsBeingDeleted(object)) << text;
    EXPECT_FALSE(HasFinalizer(object, "f")) << text;
    Json copy = object;
    StripManagedFields(&copy);
    EXPECT_EQ(copy, object);
  }
}

TEST(ObjectTest, KeysGoThereAndBack) {
  EXPECT_EQ((ObjectKey{"shop", "a"}).ToText(), "shop/a");
  EXPECT_EQ((ObjectKey{"", "a"}).ToText(), "a");
  EXPECT_EQ(ObjectKey::FromText("shop/a"), (ObjectKey{"shop", "a"}));
  EXPECT_EQ(ObjectKey::FromText("a"), (ObjectKey{"", "a"}));
}

TEST(ObjectTest, OwnerReferencesNameTheController) {
  const Json owner = Json::parse(R"({"apiVersion": "levada.dev/v1alpha1", "kind": "Pipeline",
                                     "metadata": {"name": "fraud", "uid": "u-1"}})");
  Json owned = Object("shop", "a", "1");
  owned["metadata"]["ownerReferences"] = {Json{{"uid", "u-0"}}, OwnerReference(owner)};
  EXPECT_EQ(ControllerUidOf(owned), "u-1");
  EXPECT_THAT(OwnerUidsOf(owned), ElementsAre("u-0", "u-1"));
}

TEST(ObjectTest, TimesAreWrittenAsTheServerReadsThem) {
  EXPECT_EQ(ToTime(kNoon + 123), "2024-03-01T12:00:00Z");
  EXPECT_EQ(ToMicroTime(kNoon), "2024-03-01T12:00:00.000000Z");
  EXPECT_EQ(ToMicroTime(kNoon + 120), "2024-03-01T12:00:00.000120Z");
}

TEST(ResourceTest, PathsOfTheCoreGroupAndOthers) {
  EXPECT_EQ(kPods.Path({"shop", "a"}, "status"), "/api/v1/namespaces/shop/pods/a/status");
  EXPECT_EQ(kPods.Path({}), "/api/v1/pods");
  EXPECT_EQ(kDeployments.Path({"shop", ""}), "/apis/apps/v1/namespaces/shop/deployments");
  EXPECT_EQ(kNamespaces.Path({"ignored", "shop"}), "/api/v1/namespaces/shop");
}

TEST(ConditionsTest, TheTransitionTimeChangesWithTheStatusOnly) {
  Json list;
  Condition ready{.type = "Ready", .status = "False", .reason = "Starting", .message = "1 of 2"};
  EXPECT_TRUE(SetCondition(&list, ready, kNoon));
  EXPECT_FALSE(SetCondition(&list, ready, kNoon + 5'000'000));

  ready.message = "2 of 2";
  ready.observed_generation = 3;
  EXPECT_TRUE(SetCondition(&list, ready, kNoon + 5'000'000));
  EXPECT_EQ(list[0]["lastTransitionTime"], "2024-03-01T12:00:00Z");
  EXPECT_EQ(list[0]["observedGeneration"], 3);
  EXPECT_FALSE(IsTrue(list, "Ready"));

  ready.status = "True";
  EXPECT_TRUE(SetCondition(&list, ready, kNoon + 5'000'000));
  EXPECT_EQ(list[0]["lastTransitionTime"], "2024-03-01T12:00:05Z");
  EXPECT_TRUE(IsTrue(list, "Ready"));
}

TEST(ConditionsTest, OthersKeepTheirPlaces) {
  Json list = Json::array();
  for (const char* type : {"A", "B", "C"}) {
    SetCondition(&list, {.type = type, .status = "True", .reason = "R"}, kNoon);
  }
  SetCondition(&list, {.type = "B", .status = "False", .reason = "R"}, kNoon);
  EXPECT_EQ(list[1]["type"], "B");
  EXPECT_TRUE(RemoveCondition(&list, "A"));
  EXPECT_FALSE(RemoveCondition(&list, "A"));
  EXPECT_EQ(list.size(), 2u);
  EXPECT_EQ(FindCondition(list, "A"), nullptr);
}

std::vector<std::string> Names(const std::vector<Json>& objects) {
  std::vector<std::string> names;
  for (const Json& object : objects) names.push_back(NameOf(object));
  return names;
}

TEST(ObjectStoreTest, FindsByNamespaceAndLabel) {
  ObjectStore store("app");
  const Json labelled = {{"labels", {{"app", "x"}}}};
  EXPECT_TRUE(store.Put(Object("a", "one", "1", labelled)).changed);
  EXPECT_TRUE(store.Put(Object("a", "two", "2", labelled)).changed);
  EXPECT_TRUE(store.Put(Object("a", "plain", "7")).changed);
  EXPECT_TRUE(store.Put(Object("b", "three", "3", labelled)).changed);
  EXPECT_THAT(Names(store.OfLabel("a", "x")), UnorderedElementsAre("one", "two"));
  EXPECT_THAT(Names(store.OfLabel("b", "x")), ElementsAre("three"));
  EXPECT_THAT(store.OfLabel("c", "x"), ElementsAre());
  EXPECT_THAT(store.OfLabel("a", ""), ElementsAre());
  const auto versions = store.VersionsOfLabel("b", "x");
  ASSERT_EQ(versions.size(), 1u);
  EXPECT_EQ(versions[0].name, "three");
  EXPECT_EQ(versions[0].resource_version, "3");

  // An object that changes its label is found by the new one only.
  const auto change = store.Put(Object("a", "two", "4", {{"labels", {{"app", "y"}}}}));
  EXPECT_TRUE(change.changed);
  EXPECT_EQ(ResourceVersionOf(*change.before), "2");
  EXPECT_THAT(Names(store.OfLabel("a", "x")), ElementsAre("one"));
  EXPECT_THAT(Names(store.OfLabel("a", "y")), ElementsAre("two"));
  EXPECT_EQ(store.VersionsOfLabel("a", "y").at(0).resource_version, "4");

  EXPECT_FALSE(store.Put(Object("a", "two", "4")).changed);
  EXPECT_EQ(NameOf(*store.Erase({"a", "one"})), "one");
  EXPECT_FALSE(store.Erase({"a", "one"}).has_value());
  EXPECT_THAT(store.OfLabel("a", "x"), ElementsAre());
  store.Erase({"a", "two"});
  store.Erase({"a", "plain"});
  store.Erase({"b", "three"});
  EXPECT_EQ(store.size(), 0u);
  EXPECT_EQ(store.bytes(), 0u);
}

}  // namespace
}  // namespace levada::kube
