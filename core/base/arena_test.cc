#include "core/base/arena.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace levada::base {
namespace {

TEST(Arena, GivesAlignedMemoryThatDoesNotOverlap) {
  Arena arena(256);
  for (int i = 0; i < 1000; ++i) {
    char* text = arena.Array<char>(3);
    std::memset(text, i, 3);
    uint64_t* number = arena.New<uint64_t>(static_cast<uint64_t>(i));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(number) % alignof(uint64_t), 0u);
    EXPECT_EQ(*number, static_cast<uint64_t>(i));
    EXPECT_EQ(text[2], static_cast<char>(i));
  }
}

TEST(Arena, KeepsItsBlocksOverAReset) {
  Arena arena(1024);
  for (int i = 0; i < 100; ++i) arena.Allocate(100);
  const size_t reserved = arena.reserved_bytes();
  for (int round = 0; round < 10; ++round) {
    arena.Reset();
    for (int i = 0; i < 100; ++i) arena.Allocate(100);
    EXPECT_EQ(arena.reserved_bytes(), reserved);
  }
}

TEST(Arena, LargeObjectsAreGivenBack) {
  Arena arena(1024);
  arena.Allocate(10);
  const size_t before = arena.reserved_bytes();
  arena.Allocate(1 << 20);
  EXPECT_GE(arena.reserved_bytes(), before + (1 << 20));
  arena.Reset();
  EXPECT_EQ(arena.reserved_bytes(), before);
}

TEST(Arena, CopiesText) {
  Arena arena;
  std::string_view copy;
  {
    const std::string text = "gone soon";
    copy = arena.Copy(text);
  }
  EXPECT_EQ(copy, "gone soon");
  EXPECT_EQ(arena.Copy(""), "");
}

}  // namespace
}  // namespace levada::base
