// The bag against std::unordered_multiset under random use.
#include "services/scoring/state/tag_bag.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_set>
#include <vector>

namespace levada::scoring {
namespace {

TEST(TagBagTest, HasEachAsOftenAsItWasAdded) {
  Slab slab;
  std::mt19937_64 random(1);
  {
    TagBag bag(&slab);
    std::unordered_multiset<uint64_t> expected;
    std::vector<uint64_t> hashes;
    for (int i = 0; i < 20'000; ++i) hashes.push_back(random());
    hashes[0] = 7;  // with the tag that means free
    for (int i = 0; i < 200'000; ++i) {
      const uint64_t hash = hashes[random() % hashes.size()];
      const uint64_t tag = hash >> 32;
      ASSERT_EQ(bag.May(hash), expected.contains(tag == 0 ? 1 : tag));
      if (random() % 2 == 0) {
        bag.Add(hash);
        expected.insert(tag == 0 ? 1 : tag);
      } else if (bag.May(hash)) {
        bag.Remove(hash);
        expected.erase(expected.find(tag == 0 ? 1 : tag));
      }
      ASSERT_EQ(bag.size(), expected.size());
    }
    EXPECT_GT(slab.used(), 0u);
  }
  EXPECT_EQ(slab.used(), 0u);
}

}  // namespace
}  // namespace levada::scoring
