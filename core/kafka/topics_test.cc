#include "core/kafka/topics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levada::kafka {
namespace {

using Kind = TopicChange::Kind;
using testing::HasSubstr;

std::vector<TopicChange> CompareOne(const NewTopic& want, const TopicState& have) {
  return Compare({want}, {{have.name, have}});
}

TEST(TopicsTest, AMissingTopicIsCreated) {
  const auto changes = Compare({{"t", 6, -1, {{"retention.ms", "1000"}}}}, {});
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].kind, Kind::kCreate);
  EXPECT_EQ(changes[0].text, "create t: 6 partitions, retention.ms=1000");
}

TEST(TopicsTest, WhatIsRightIsLeftAlone) {
  EXPECT_TRUE(CompareOne({"t", 6, -1, {{"retention.ms", "1000"}}},
                         {"t", 6, 3, {{"retention.ms", "1000"}, {"other", "x"}}})
                  .empty());
}

TEST(TopicsTest, GrowsButNeverShrinks) {
  EXPECT_EQ(CompareOne({"t", 6}, {"t", 4, 1, {}})[0].kind, Kind::kGrow);
  const auto shrink = CompareOne({"t", 2}, {"t", 4, 1, {}});
  EXPECT_EQ(shrink[0].kind, Kind::kRefused);
  EXPECT_THAT(shrink[0].text, HasSubstr("write 4 in the manifest"));
}

TEST(TopicsTest, ATableIsNotGrownSilently) {
  const auto changes = CompareOne({"t", 6, -1, {{"cleanup.policy", "compact"}}},
                                  {"t", 4, 1, {{"cleanup.policy", "compact"}}});
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].kind, Kind::kRefused);
}

TEST(TopicsTest, OnlySettingsThatDifferAreSet) {
  const auto changes =
      CompareOne({"t", 1, -1, {{"a", "1"}, {"b", "2"}}}, {"t", 1, 1, {{"a", "1"}, {"b", "3"}}});
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].kind, Kind::kConfigure);
  EXPECT_EQ(changes[0].topic.config, (std::map<std::string, std::string>{{"b", "2"}}));
  EXPECT_EQ(changes[0].text, "set t: b=2 (was 3)");
}

TEST(TopicsTest, AnotherReplicationIsSaidAndLeft) {
  EXPECT_EQ(CompareOne({"t", 1, 3}, {"t", 1, 1, {}})[0].kind, Kind::kRefused);
}

}  // namespace
}  // namespace levada::kafka
