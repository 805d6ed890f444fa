// The promise of the data path: what is allocated does not grow with the number of events.
#include <cstdlib>
#include <new>

#include "services/scoring/testing.h"

namespace {

std::atomic<int64_t> allocations{0};

void* Counted(std::size_t size, std::size_t align = 0) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory = align == 0 ? std::malloc(size == 0 ? 1 : size)
                                  : std::aligned_alloc(align, (size + align - 1) / align * align);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return Counted(size); }
void* operator new[](std::size_t size) { return Counted(size); }
void* operator new(std::size_t size, std::align_val_t align) {
  return Counted(size, static_cast<std::size_t>(align));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace levada::scoring {
namespace {

constexpr char kStateless[] = R"(      - filter: amount > 0 && country != "XX"
      - set:
        - {name: ratio, value: amount / (km + 1.0)}
        - {name: night, value: timestamp(at).getHours() <= 6}
        - {name: label, value: 'country + "-" + currency.lowerAscii()'}
        - {name: copy, value: id}
      - drop: [currency]
      - rules:
          mode: allMatched
          rules:
          - {name: high, when: ratio > 50, outcome: block}
          - {name: night, when: night, outcome: review}
          - {name: rest, when: "true", outcome: approve}
)";

constexpr char kModel[] =
    R"(      - model: {xgboost: models/fraud/fraud.json, inputs: [amount, km, ratio, night, amount]}
)";

Batch BatchOf(int size) {
  std::vector<std::string> events;
  for (int i = 0; i < size; ++i) {
    events.push_back(base::StrCat(R"({"id":)", 9007199254740993 + i, R"(,"at":"2026-11-02T0)",
                                  i % 10, R"(:00:00.250Z","amount":)", i % 500, R"(.25,"km":)",
                                  i % 40, R"(,"country":"\u0041T","currency":"EUR"})"));
  }
  return Batch::FromValues("in", std::move(events));
}

// Allocations of one more batch, after some like it.
int64_t Allocations(Chain& chain, const Batch& batch, OutputBatch* out) {
  int64_t count = 0;
  for (int round = 0; round < 4; ++round) {
    out->Clear();
    const int64_t before = allocations;
    EXPECT_TRUE(chain.Process(batch, out).ok());
    count = allocations - before;
  }
  EXPECT_EQ(out->records().size() + out->filtered, batch.size());
  EXPECT_GT(out->records().size(), batch.size() / 2);
  return count;
}

TEST(AllocationTest, NoneInTheSteadyState) {
  TestStage stage(ManifestWith(kStateless, "      tookAs: took\n"));
  const auto chain = stage.MakeChain();
  ASSERT_NE(chain, nullptr);
  OutputBatch out;
  EXPECT_EQ(Allocations(*chain, BatchOf(100), &out), 0);
  EXPECT_EQ(Allocations(*chain, BatchOf(2000), &out), 0);
}

// The XGBoost library allocates for each of its calls, which take 512 events.
TEST(AllocationTest, WithAModelOnlyThoseOfTheLibrary) {
  TestStage stage(ManifestWith(base::StrCat(kStateless, kModel)));
  const auto chain = stage.MakeChain();
  ASSERT_NE(chain, nullptr);
  OutputBatch out;
  const int64_t few = Allocations(*chain, BatchOf(100), &out);
  const int64_t many = Allocations(*chain, BatchOf(2000), &out);
  // The library takes some for each of the sixty trees and none for a row.
  EXPECT_LT(few, 1000);
  EXPECT_LT(many, few + 50);
}

}  // namespace
}  // namespace levada::scoring
