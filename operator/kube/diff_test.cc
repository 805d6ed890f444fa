#include "operator/kube/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levada::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Diff(const char* live, const char* wanted) {
  return Differences(Json::parse(live), Json::parse(wanted));
}

TEST(DiffTest, WhatTheServerAddsIsNoDifference) {
  EXPECT_THAT(Diff(R"({"spec": {"replicas": 2, "strategy": {"type": "RollingUpdate"}},
                       "status": {"ready": 1}})",
                   R"({"spec": {"replicas": 2}})"),
              IsEmpty());
}

TEST(DiffTest, SaysWhatChanges) {
  EXPECT_THAT(Diff(R"({"spec": {"replicas": 2, "a": "x"}})",
                   R"({"spec": {"replicas": 3, "a": null, "paused": true}})"),
              ElementsAre("spec.a: x -> null", "spec.paused: added", "spec.replicas: 2 -> 3"));
}

TEST(DiffTest, SecretValuesAreNotShown) {
  EXPECT_THAT(Diff(R"({"data": {"k": "old"}})", R"({"data": {"k": "new"}})"),
              ElementsAre("data.k: changes"));
}

TEST(DiffTest, EmptyIsAbsent) {
  EXPECT_THAT(Diff("{}", R"({"a": null, "b": {}, "c": []})"), IsEmpty());
  EXPECT_THAT(Diff(R"({"a": {}})", R"({"a": null})"), IsEmpty());
  EXPECT_THAT(Diff("{}", R"({"a": 0})"), ElementsAre("a: added"));
}

TEST(DiffTest, ListsOfObjectsAreMatchedByTheirKey) {
  const char* live = R"({"c": [{"name": "b", "v": 1, "default": 9}, {"name": "a", "v": 2}]})";
  EXPECT_THAT(Diff(live, R"({"c": [{"name": "a", "v": 2}, {"name": "b", "v": 1}]})"), IsEmpty());
  EXPECT_THAT(Diff(live, R"({"c": [{"name": "a", "v": 2}]})"), IsEmpty());  // others may add
  EXPECT_THAT(Diff(live, R"({"c": [{"name": "a", "v": 3}, {"name": "d"}]})"),
              ElementsAre("c[a].v: 2 -> 3", "c[d]: added"));
}

TEST(DiffTest, AKeyThatRepeatsIsNone) {
  // Two mounts of one volume are told apart by their path.
  const char* live = R"({"m": [{"name": "v", "mountPath": "/a", "ro": true},
                               {"name": "v", "mountPath": "/b"}]})";
  EXPECT_THAT(Diff(live, R"({"m": [{"name": "v", "mountPath": "/b"},
                                   {"name": "v", "mountPath": "/a"}]})"),
              IsEmpty());
}

TEST(DiffTest, OtherListsAreComparedByPlace) {
  EXPECT_THAT(Diff(R"({"args": ["a", "b"]})", R"({"args": ["a", "c"]})"),
              ElementsAre("args[1]: b -> c"));
  EXPECT_THAT(Diff(R"({"args": ["a", "b"]})", R"({"args": ["a"]})"),
              ElementsAre("args: 2 -> 1 elements"));
}

TEST(DiffTest, QuantitiesAreComparedByValueWhereTheyAreOnes) {
  const char* live = R"({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}, "env": "1"})";
  EXPECT_THAT(Diff(live, R"({"resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}})"),
              IsEmpty());
  EXPECT_THAT(Diff(live, R"({"resources": {"limits": {"cpu": 1}}})"), IsEmpty());
  EXPECT_THAT(Diff(live, R"({"resources": {"limits": {"cpu": "1001m"}}})"),
              ElementsAre("resources.limits.cpu: 1 -> 1001m"));
  EXPECT_THAT(Diff(live, R"({"env": "1000m"})"), ElementsAre("env: 1 -> 1000m"));
}

TEST(DiffTest, Quantities) {
  EXPECT_TRUE(SameQuantity("1500m", "1.5"));
  EXPECT_TRUE(SameQuantity("2Gi", "2147483648"));
  EXPECT_TRUE(SameQuantity("1e3", "1k"));
  EXPECT_TRUE(SameQuantity("0", "0m"));
  EXPECT_FALSE(SameQuantity("1G", "1Gi"));
  EXPECT_FALSE(SameQuantity("100m", "101m"));
  for (const char* no : {"", "abc", "1x", "nan", "inf", "0x10", "1 Gi", "Gi", "--1"}) {
    EXPECT_FALSE(SameQuantity(no, no)) << no;
  }
}

TEST(DiffTest, AtMostAsManyAsAskedFor) {
  const Json live = Json::parse(R"({"a": 1, "b": 1, "c": 1})");
  const Json wanted = Json::parse(R"({"a": 2, "b": 2, "c": 2})");
  EXPECT_EQ(Differences(live, wanted, 2).size(), 2u);
  EXPECT_TRUE(WouldChange(live, wanted));
  EXPECT_FALSE(WouldChange(live, live));
}

TEST(DiffTest, FingerprintsDependOnTheContentOnly) {
  const Json a = Json::parse(R"({"x": [1, {"y": "z"}], "w": null})");
  const Json b = Json::parse(R"({"w": null, "x": [1, {"y": "z"}]})");
  EXPECT_EQ(Fingerprint(a), Fingerprint(b));
  // Stored in annotations: it must never change.
  EXPECT_EQ(Fingerprint(Json::parse(R"({"a": 1})")), Fingerprint(Json::parse(R"({"a": 1})")));
  for (const char* other :
       {R"({"x": [1, {"y": "z"}]})", R"({"x": [{"y": "z"}, 1], "w": null})",
        R"({"x": [1, {"y": "zz"}], "w": null})", R"({"x": ["1", {"y": "z"}], "w": null})"}) {
    EXPECT_NE(Fingerprint(a), Fingerprint(Json::parse(other))) << other;
  }
}

}  // namespace
}  // namespace levada::kube
