#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "core/generate/random.h"

// A simulator of card transactions after the published description in "Reproducible Machine
// Learning for Credit Card Fraud Detection - Practical Handbook" (Le Borgne, Siblini, Lebichot,
// Bontempi, 2022), chapter 3.
//
//   FraudSimulator simulator(FraudOptions{.days = 30, .seed = 7});
//   Transaction transaction;
//   std::string line;
//   while (simulator.Next(&transaction)) AppendEvent(transaction, &line);
//
// Customers and terminals lie in a square of 100 x 100. A customer has a mean amount m in 5 ... 100
// and a mean number of transactions a day in 0 ... 4, and uses the terminals nearer than `radius`.
// Each day brings a Poisson number of transactions; their times are normal around noon (sd 20,000
// s; what falls outside the day is left out), their amounts normal (m, m / 2), one not above zero
// drawn again uniformly from 0.01 ... 2m. Three kinds of fraud, a later one covering an earlier
// one:
//
//   1  every amount above 220
//   2  each day two terminals are drawn: all that happens there on that day and the next 27
//   3  each day three customers are drawn: of what they do on that day and the next 13, one third
//      (rounded down, chosen at random) has its amount times five
//
// The same options give the same transactions on every platform, and fewer days give the beginning
// of more days. Each customer's day is computed from (seed, day, customer) alone, so that memory is
// that of the customers, the terminals and one day, and no history needs to be run through.
//
// Where the handbook leaves off: category, country, card number and address are made up, stay with
// their customer or terminal, and tell nothing about fraud. A transaction that two draws of the
// third kind choose is multiplied once.
//
// Thread-safety: none; one simulator a thread.
namespace levada::generate {

struct FraudOptions {
  uint32_t customers = 5000;
  uint32_t terminals = 10000;
  uint32_t days = 183;         // 0: without end
  int32_t start_day = 17'622;  // since 1970-01-01: 2018-04-01
  uint64_t seed = 1;
  uint32_t radius = 5;
};

// kInvalidArgument, saying which option and what it may be.
absl::Status Validate(const FraudOptions& options);

// A transaction as numbers; core/generate/fraud_event.h turns it into JSON.
struct Transaction {
  int64_t time_ms = 0;  // since 1970-01-01T00:00:00Z
  uint64_t id_high = 0;
  uint64_t id_low = 0;
  uint32_t customer = 0;
  uint32_t terminal = 0;
  uint32_t amount_cents = 0;
  uint32_t card_bin = 0;
  uint32_t ip_address = 0;
  uint16_t distance = 0;  // home to terminal, hundredths of a unit
  uint8_t country = 0;    // index into the country table of fraud_event.cc
  uint8_t category = 0;   // index into its category table
  uint8_t scenario = 0;   // 0 genuine, 1 ... 3 the kind of fraud
};

inline constexpr uint32_t kCountries = 10;
inline constexpr uint32_t kCategories = 14;

class FraudSimulator {
 public:
  // `options` as Validate() accepts them.
  explicit FraudSimulator(const FraudOptions& options);

  // The next transaction in time order; false after the last day, or where no customer has a
  // terminal within reach.
  bool Next(Transaction* transaction);

  // Appends `count` transactions with times evenly spread over [from_ms, to_ms), made by the same
  // customers at the same terminals with frauds of the same kinds, for a stream that follows the
  // clock at a rate of its own. Depends on (options, from_ms, to_ms, count) only: a repeated call
  // gives the same transactions with the same ids. `start_day` and `days` play no role, and a
  // transaction of a drawn customer is a fraud of the third kind with a chance of one third. Leaves
  // Next() untouched. Appends nothing where no customer has a terminal within reach.
  void Generate(int64_t from_ms, int64_t to_ms, uint64_t count, std::vector<Transaction>* out);

  // True where at least one customer has a terminal within reach.
  bool CanTransact() const { return reachable_customers_ > 0; }

 private:
  static constexpr int kTerminalDays = 28;
  static constexpr int kCustomerDays = 14;
  static constexpr uint32_t kTerminalsADay = 2;
  static constexpr uint32_t kCustomersADay = 3;

  struct Point {
    uint16_t x = 0;  // hundredths
    uint16_t y = 0;
  };
  // A run of terminals_ that lies beside one another in a row of cells.
  struct Run {
    uint32_t begin = 0;
    uint32_t size = 0;
  };
  struct Customer {
    Point home;
    uint16_t mean_cents = 0;
    uint16_t level = 0;  // of PoissonTable
    bool reaches_terminal = false;
    uint8_t country = 0;
    uint32_t card_bin = 0;
    uint32_t ip_address = 0;
    std::array<Run, 3> runs;  // the terminals of the cells around: a superset of those in reach
  };
  struct Terminal {
    Point place;
    uint32_t id = 0;
  };
  // What a Transaction is made from.
  struct Purchase {
    uint32_t time_ms = 0;  // of the day
    uint32_t customer = 0;
    uint32_t terminal = 0;
    uint32_t amount_cents = 0;
    uint16_t distance = 0;
    uint8_t number = 0;  // within the customer's day
    uint8_t scenario = 0;
  };
  struct Victim {
    int64_t day = 0;
    uint32_t customer = 0;
    uint32_t number = 0;
  };
  // What one day's draw of terminals and customers brought.
  struct Draw {
    int64_t day = INT64_MIN;
    std::vector<uint32_t> terminals;
    std::vector<uint32_t> customers;
    bool victims_known = false;
    std::vector<Victim> victims;
  };

  void PlaceTerminals();
  void PlaceCustomers();
  bool Reaches(const Customer& customer, const Terminal& terminal) const;
  void PickTerminal(const Customer& customer, Random* random, Purchase* purchase) const;
  uint32_t PickAmount(const Customer& customer, Random* random) const;
  void CustomerDay(uint32_t customer, int64_t day, std::vector<Purchase>* out) const;
  Draw& DrawOf(int64_t day);
  void FindVictims(Draw* draw) const;
  std::vector<uint32_t> DrawnTerminals(int64_t first, int64_t day);
  std::vector<uint32_t> DrawnCustomers(int64_t first, int64_t day);
  void MarkVictims(int64_t first, int64_t day);
  void BuildDay(int64_t day);
  Transaction Complete(const Purchase& purchase, int64_t time_ms, uint64_t id_seed) const;

  FraudOptions options_;
  std::vector<Customer> customers_;
  std::vector<Terminal> terminals_;   // by cell, row after row
  std::vector<uint8_t> categories_;   // by terminal id
  std::vector<uint32_t> cell_begin_;  // index into terminals_; one more than cells
  uint32_t cells_a_side_ = 0;
  uint32_t reachable_customers_ = 0;
  std::array<Draw, kTerminalDays> draws_;  // by day modulo

  int64_t first_day_ = 0;  // since 1970-01-01
  int64_t next_day_ = 0;
  int64_t today_ = 0;
  std::vector<Purchase> purchases_;  // of today, by customer
  std::vector<uint64_t> order_;      // time << 32 | index into purchases_
  size_t at_ = 0;                    // in order_
};

}  // namespace levada::generate
