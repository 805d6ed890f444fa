#include "operator/kube/packer.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "core/base/strings.h"

namespace levada::kube {
namespace {

std::string TextOf(int i) {
  std::string text;
  for (int line = 0; line < 100; ++line) {
    base::StrAppend(&text, "a line that all of them have, number ", line, "\n");
  }
  return base::StrCat(text, "and one of its own: ", i);
}

TEST(PackerTest, EveryTextComesBackAsItWas) {
  Packer packer;
  std::vector<std::pair<std::string, Packed>> all;
  for (int i = 0; i < 100; ++i) all.emplace_back(TextOf(i), packer.Pack(TextOf(i)));
  all.emplace_back("", packer.Pack(""));
  all.emplace_back(std::string(1 << 20, 'x'), packer.Pack(std::string(1 << 20, 'x')));
  all.emplace_back(std::string("\0\xFF", 2), packer.Pack(std::string("\0\xFF", 2)));
  for (const auto& [text, packed] : all) EXPECT_EQ(Unpack(packed), text);
}

TEST(PackerTest, WhatIsLikeTheOthersTakesLittle) {
  Packer packer;
  Packed packed;
  for (int i = 0; i < 100; ++i) packed = packer.Pack(TextOf(i));
  EXPECT_EQ(packed.size, TextOf(99).size());
  EXPECT_LT(packed.bytes.size(), packed.size / 50);
}

TEST(PackerTest, WhatItPackedOutlivesIt) {
  std::vector<Packed> all;
  {
    Packer packer;
    for (int i = 0; i < 50; ++i) all.push_back(packer.Pack(TextOf(i)));
  }
  EXPECT_EQ(Unpack(all.back()), TextOf(49));
}

TEST(PackerTest, SeveralThreadsPackAtOnce) {
  Packer packer;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&packer, t] {
      for (int i = 0; i < 500; ++i) {
        const std::string text = TextOf(1000 * t + i);
        ASSERT_EQ(Unpack(packer.Pack(text)), text);
      }
    });
  }
}

}  // namespace
}  // namespace levada::kube
