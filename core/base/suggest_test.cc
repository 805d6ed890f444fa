#include "core/base/suggest.h"

#include <gtest/gtest.h>

#include <vector>

namespace levada::base {
namespace {

TEST(EditDistance, Counts) {
  EXPECT_EQ(EditDistance("", ""), 0);
  EXPECT_EQ(EditDistance("", "abc"), 3);
  EXPECT_EQ(EditDistance("abc", "abc"), 0);
  EXPECT_EQ(EditDistance("abc", "axc"), 1);
  EXPECT_EQ(EditDistance("abc", "acb"), 1);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
}

TEST(Nearest, FindsWhatWasMeant) {
  const std::vector<std::string> names = {"partitions", "replication", "retention", "key",
                                          "timestamp",  "fields",      "name"};
  EXPECT_EQ(Nearest("partitons", names), "partitions");
  EXPECT_EQ(Nearest("Partitions", names), "partitions");
  EXPECT_EQ(Nearest("timestmap", names), "timestamp");
  EXPECT_EQ(Nearest("feilds", names), "fields");
  EXPECT_EQ(Nearest("kye", names), "key");
  EXPECT_EQ(Nearest("replications", names), "replication");
  EXPECT_EQ(Nearest("colour", names), "");
  EXPECT_EQ(Nearest("x", names), "");
  EXPECT_EQ(Nearest("", names), "");
  EXPECT_EQ(Nearest(std::string(100'000, 'x'), names), "");
}

TEST(Nearest, KeepsToNamesThatShareSomething) {
  const std::vector<std::string_view> names = {"a", "by"};
  EXPECT_EQ(Nearest("b", names), "by");
  EXPECT_EQ(Nearest("z", names), "");
}

TEST(DidYouMean, AsksOrSaysNothing) {
  const std::vector<std::string_view> names = {"partitions"};
  EXPECT_EQ(DidYouMean("partition", names), "; did you mean \"partitions\"?");
  EXPECT_EQ(DidYouMean("colour", names), "");
}

}  // namespace
}  // namespace levada::base
