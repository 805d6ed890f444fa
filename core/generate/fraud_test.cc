#include "core/generate/fraud.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/generate/fraud_event.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace levada::generate {
namespace {

constexpr int64_t kDayMs = 86'400'000;

std::vector<Transaction> Simulate(const FraudOptions& options) {
  FraudSimulator simulator(options);
  std::vector<Transaction> transactions;
  Transaction transaction;
  while (simulator.Next(&transaction)) transactions.push_back(transaction);
  return transactions;
}

std::string Text(const std::vector<Transaction>& transactions) {
  std::string text;
  for (const Transaction& transaction : transactions) {
    AppendLabelledEvent(transaction, &text);
    text += '\n';
  }
  return text;
}

uint64_t Fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

// The handbook's own size.
const std::vector<Transaction>& Handbook() {
  static const auto* transactions = new std::vector<Transaction>(Simulate(FraudOptions{}));
  return *transactions;
}

FraudOptions Small(uint64_t seed) {
  return {.customers = 300, .terminals = 800, .days = 40, .seed = seed};
}

// A committed model and expected results stand on these bytes: a change here is a change of data.
TEST(FraudSimulatorTest, GoldenBytes) {
  EXPECT_EQ(Fnv1a(Text(Simulate(Small(1)))), 412259127676638619u);
  EXPECT_EQ(Fnv1a(Text(Simulate(Small(2)))), 16838046107349131399u);
  FraudSimulator simulator(Small(1));
  std::vector<Transaction> live;
  simulator.Generate(1'767'225'600'000, 1'767'225'660'000, 1'000, &live);
  EXPECT_EQ(Fnv1a(Text(live)), 7029135607628266464u);
}

TEST(FraudSimulatorTest, FewerDaysAreTheBeginningOfMore) {
  FraudOptions options = Small(3);
  const std::string all = Text(Simulate(options));
  options.days = 17;
  const std::string some = Text(Simulate(options));
  ASSERT_FALSE(some.empty());
  EXPECT_EQ(all.substr(0, some.size()), some);
}

TEST(FraudSimulatorTest, ComesInTimeOrderWithinItsDays) {
  const auto& transactions = Handbook();
  const int64_t start = 17'622 * kDayMs;  // 2018-04-01
  EXPECT_GT(transactions.front().time_ms, start);
  EXPECT_LT(transactions.back().time_ms, start + 183 * kDayMs);
  EXPECT_GT(transactions.back().time_ms, start + 182 * kDayMs);
  EXPECT_TRUE(std::is_sorted(
      transactions.begin(), transactions.end(),
      [](const Transaction& a, const Transaction& b) { return a.time_ms < b.time_ms; }));
}

TEST(FraudSimulatorTest, IdsAreDistinct) {
  std::vector<std::pair<uint64_t, uint64_t>> ids;
  for (const Transaction& t : Handbook()) ids.emplace_back(t.id_high, t.id_low);
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

// The handbook's simulator, another generator of random numbers: 1,754,155 transactions, of which
// 978, 9,099 and 4,604 are of the three kinds.
TEST(FraudSimulatorTest, HasTheHandbooksProportions) {
  std::map<int, double> counts;
  for (const Transaction& t : Handbook()) ++counts[t.scenario];
  const double all = static_cast<double>(Handbook().size());
  EXPECT_NEAR(all, 1'754'155, 60'000);
  EXPECT_NEAR(counts[1], 978, 300);
  EXPECT_NEAR(counts[2], 9'099, 900);
  EXPECT_NEAR(counts[3], 4'604, 500);
  EXPECT_NEAR((all - counts[0]) / all, 0.0084, 0.001);
}

TEST(FraudSimulatorTest, TimesAreNormalAroundNoon) {
  double sum = 0;
  double within_one = 0;
  for (const Transaction& t : Handbook()) {
    const double seconds = static_cast<double>(t.time_ms % kDayMs) / 1000;
    sum += seconds;
    if (std::abs(seconds - 43'200) < 20'000) ++within_one;
  }
  const double all = static_cast<double>(Handbook().size());
  EXPECT_NEAR(sum / all, 43'200, 100);
  // 0.6827 of a normal distribution, which the day cuts at 2.16 standard deviations.
  EXPECT_NEAR(within_one / all, 0.6827 / 0.9692, 0.01);
}

TEST(FraudSimulatorTest, TerminalsAreWithinReachAndKeepTheirPlaceAndCategory) {
  std::map<uint32_t, uint8_t> categories;
  std::map<std::pair<uint32_t, uint32_t>, uint16_t> distances;
  for (const Transaction& t : Simulate(Small(4))) {
    EXPECT_LT(t.distance, 500);
    EXPECT_EQ(categories.emplace(t.terminal, t.category).first->second, t.category);
    EXPECT_EQ(distances.emplace(std::pair(t.customer, t.terminal), t.distance).first->second,
              t.distance);
  }
  EXPECT_GT(categories.size(), 400u);
}

// Each terminal within reach with the same chance: for a customer with many purchases the number of
// terminals used and how often says so (chi squared against uniform).
TEST(FraudSimulatorTest, TerminalsAreUsedAlike) {
  std::map<uint32_t, std::map<uint32_t, double>> used;
  FraudOptions options{.customers = 20, .terminals = 2'000, .days = 3'000, .seed = 5};
  for (const Transaction& t : Simulate(options)) ++used[t.customer][t.terminal];
  int tested = 0;
  for (const auto& [customer, terminals] : used) {
    double all = 0;
    for (const auto& [terminal, count] : terminals) all += count;
    const double expected = all / static_cast<double>(terminals.size());
    if (expected < 50) continue;
    double chi = 0;
    for (const auto& [terminal, count] : terminals) {
      chi += (count - expected) * (count - expected) / expected;
    }
    const double freedom = static_cast<double>(terminals.size()) - 1;
    EXPECT_LT(chi, freedom + 5 * std::sqrt(2 * freedom)) << "customer " << customer;
    ++tested;
  }
  EXPECT_GT(tested, 10);
}

TEST(FraudSimulatorTest, FirstKindIsEveryAmountAbove220) {
  size_t first = 0;
  for (const Transaction& t : Handbook()) {
    EXPECT_GT(t.amount_cents, 0u);
    if (t.amount_cents > 22'000) {
      EXPECT_GT(t.scenario, 0);
    }
    if (t.scenario == 1) {
      EXPECT_GT(t.amount_cents, 22'000u);
    }
    if (t.scenario == 1) ++first;
  }
  EXPECT_GT(first, 500u);
}

// Two simulations, the second beginning a day later: the draws of the first day are all that sets
// them apart, so that what differs is what one draw does.
class OneDrawTest : public testing::TestWithParam<uint64_t> {
 protected:
  static constexpr int64_t kDay = 17'622;

  OneDrawTest() {
    FraudOptions options{.customers = 6'000, .terminals = 3'000, .days = 30, .seed = GetParam()};
    all_ = Simulate(options);
    ++options.start_day;
    --options.days;
    std::map<std::pair<uint64_t, uint64_t>, Transaction> later;
    for (const Transaction& t : Simulate(options)) later.emplace(Id(t), t);
    for (const Transaction& t : all_) {
      if (DayOf(t) == 0) continue;
      const Transaction& other = later.at(Id(t));
      EXPECT_EQ(t.time_ms, other.time_ms);
      EXPECT_EQ(t.terminal, other.terminal);
      if (t.scenario != other.scenario) changed_.emplace_back(t, other);
      if (t.scenario == other.scenario) {
        EXPECT_EQ(t.amount_cents, other.amount_cents);
      }
    }
    EXPECT_EQ(later.size(), static_cast<size_t>(std::count_if(
                                all_.begin(), all_.end(), [](auto& t) { return DayOf(t) > 0; })));
  }

  static std::pair<uint64_t, uint64_t> Id(const Transaction& t) { return {t.id_high, t.id_low}; }
  static int64_t DayOf(const Transaction& t) { return t.time_ms / kDayMs - kDay; }

  std::vector<Transaction> all_;
  std::vector<std::pair<Transaction, Transaction>> changed_;  // with the draw, without
};

TEST_P(OneDrawTest, SecondKindIsAllThatHappensAtTwoTerminalsFor28Days) {
  std::set<uint32_t> terminals;
  for (const Transaction& t : all_) {
    if (t.scenario == 2 && DayOf(t) == 0) terminals.insert(t.terminal);
  }
  for (const auto& [with, without] : changed_) {
    if (with.scenario != 2) continue;
    terminals.insert(with.terminal);
    EXPECT_LT(DayOf(with), 28);
    EXPECT_EQ(with.amount_cents, without.amount_cents);
  }
  EXPECT_LE(terminals.size(), 2u);
  EXPECT_GE(terminals.size(), 1u);  // a terminal may have no customer
  int days_late = 0;
  for (const Transaction& t : all_) {
    if (!terminals.contains(t.terminal) || DayOf(t) >= 28) continue;
    EXPECT_GE(t.scenario, 2);  // the third kind covers the second
    if (DayOf(t) >= 20) ++days_late;
  }
  EXPECT_GT(days_late, 0);
}

TEST_P(OneDrawTest, ThirdKindIsAThirdOfWhatThreeCustomersDoIn14DaysTimesFive) {
  std::set<uint32_t> customers;
  size_t victims = 0;
  for (const Transaction& t : all_) {
    if (t.scenario != 3 || DayOf(t) > 0) continue;
    customers.insert(t.customer);
    ++victims;
  }
  for (const auto& [with, without] : changed_) {
    if (with.scenario != 3) continue;
    customers.insert(with.customer);
    ++victims;
    EXPECT_LT(DayOf(with), 14);
    EXPECT_EQ(with.amount_cents, 5 * without.amount_cents);
  }
  EXPECT_EQ(customers.size(), 3u);
  size_t pool = 0;
  for (const Transaction& t : all_) {
    if (customers.contains(t.customer) && DayOf(t) < 14) ++pool;
  }
  EXPECT_EQ(victims, pool / 3);
}

// Seeds whose three customers are all active and not chosen by another day's draw as well.
INSTANTIATE_TEST_SUITE_P(Seeds, OneDrawTest, testing::Values(1, 2, 3));

TEST(FraudSimulatorTest, GenerateIsAFunctionOfItsInterval) {
  FraudSimulator simulator(Small(1));
  Transaction before;
  ASSERT_TRUE(simulator.Next(&before));
  constexpr int64_t kFrom = 1'767'225'600'000;
  std::vector<Transaction> once;
  simulator.Generate(kFrom, kFrom + 60'000, 500, &once);
  std::vector<Transaction> again;
  simulator.Generate(kFrom, kFrom + 60'000, 500, &again);
  ASSERT_EQ(once.size(), 500u);
  EXPECT_EQ(Text(once), Text(again));
  std::vector<Transaction> next;
  simulator.Generate(kFrom + 60'000, kFrom + 120'000, 500, &next);
  std::set<std::pair<uint64_t, uint64_t>> ids;
  for (const auto* part : {&once, &next}) {
    for (const Transaction& t : *part) ids.emplace(t.id_high, t.id_low);
  }
  EXPECT_EQ(ids.size(), 1'000u);
  EXPECT_EQ(once.front().time_ms, kFrom);
  EXPECT_EQ(once.back().time_ms, kFrom + 60'000 * 499 / 500);
  EXPECT_GE(next.front().time_ms, once.back().time_ms);

  FraudSimulator other(Small(1));
  Transaction first;
  ASSERT_TRUE(other.Next(&first));
  ASSERT_TRUE(other.Next(&first));
  Transaction second;
  ASSERT_TRUE(simulator.Next(&second));
  EXPECT_EQ(second.id_high, first.id_high) << "Generate() moved Next()";
}

TEST(FraudSimulatorTest, GenerateHasTheSameKindsOfFraud) {
  FraudSimulator simulator(FraudOptions{});
  std::vector<Transaction> transactions;
  constexpr int64_t kFrom = 1'767'225'600'000;
  simulator.Generate(kFrom, kFrom + kDayMs, 300'000, &transactions);
  std::map<int, double> share;
  for (const Transaction& t : transactions) {
    share[t.scenario] += 1.0 / 300'000;
    if (t.amount_cents > 22'000) {
      EXPECT_GT(t.scenario, 0);
    }
  }
  EXPECT_NEAR(share[1], 0.0006, 0.0003);
  EXPECT_NEAR(share[2], 0.0056, 0.0025);
  EXPECT_NEAR(share[3], 0.0028, 0.0015);
}

TEST(FraudSimulatorTest, GenerateWorksBeforeTheStart) {
  FraudSimulator simulator(Small(1));
  std::vector<Transaction> transactions;
  simulator.Generate(0, 1'000, 10, &transactions);
  EXPECT_EQ(transactions.size(), 10u);
}

TEST(FraudSimulatorTest, EndsWhereNobodyReachesATerminal) {
  FraudOptions options{.customers = 1, .terminals = 1, .days = 0, .radius = 1};
  FraudSimulator simulator(options);
  ASSERT_FALSE(simulator.CanTransact());
  Transaction transaction;
  EXPECT_FALSE(simulator.Next(&transaction));
  std::vector<Transaction> transactions;
  simulator.Generate(0, 1'000, 10, &transactions);
  EXPECT_TRUE(transactions.empty());
}

TEST(FraudSimulatorTest, AnyRadiusAndSizeWorks) {
  for (uint32_t radius : {1u, 3u, 7u, 33u, 50u, 99u, 100u}) {
    for (uint32_t customers : {1u, 2u, 50u}) {
      FraudOptions options{
          .customers = customers, .terminals = 100, .days = 5, .seed = radius, .radius = radius};
      for (const Transaction& t : Simulate(options)) {
        EXPECT_LT(t.distance, radius * 100);
        EXPECT_LT(t.customer, customers);
      }
    }
  }
}

TEST(FraudOptionsTest, SaysWhatIsWrong) {
  using ::testing::HasSubstr;
  EXPECT_TRUE(Validate(FraudOptions{}).ok());
  EXPECT_THAT(std::string(Validate({.customers = 0}).message()),
              HasSubstr("customers is 0, expected 1 to 10000000"));
  EXPECT_FALSE(Validate({.terminals = 0}).ok());
  EXPECT_FALSE(Validate({.terminals = 10'000'001}).ok());
  EXPECT_FALSE(Validate({.radius = 0}).ok());
  EXPECT_FALSE(Validate({.radius = 101}).ok());
  EXPECT_FALSE(Validate({.days = 400'000}).ok());
  EXPECT_FALSE(Validate({.start_day = -1}).ok());
}

}  // namespace
}  // namespace levada::generate
