#include "core/base/hash.h"

#include <gtest/gtest.h>

#include <string>

namespace levada::base {
namespace {

// Stored and compared between processes: these values may never change.
TEST(HashBytes, IsStable) {
  EXPECT_EQ(HashBytes(""), 6879323900982289569u);
  EXPECT_EQ(HashBytes("a"), 17692807566192459966u);
  EXPECT_EQ(HashBytes("transactions"), 10848428606448151619u);
  EXPECT_EQ(HashBytes("a text of more than sixteen bytes"), 13331363664001642898u);
  EXPECT_EQ(HashBytes("a", 1), 10009764564026992976u);
  EXPECT_EQ(HashCombine(1, 2), 13646020011958921740u);
}

TEST(HashBytes, EveryByteMatters) {
  for (size_t size = 1; size < 50; ++size) {
    const std::string text(size, 'x');
    const uint64_t hash = HashBytes(text);
    EXPECT_NE(hash, HashBytes(std::string(size - 1, 'x')));
    for (size_t at = 0; at < size; ++at) {
      std::string other = text;
      other[at] = 'y';
      EXPECT_NE(HashBytes(other), hash) << size << " " << at;
    }
  }
  EXPECT_NE(HashBytes(std::string(1, '\0')), HashBytes(std::string(2, '\0')));
  EXPECT_NE(HashCombine(1, 2), HashCombine(2, 1));
}

}  // namespace
}  // namespace levada::base
