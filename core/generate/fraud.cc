#include "core/generate/fraud.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace levada::generate {
namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr uint32_t kSide = 10'000;         // of the square, in hundredths
constexpr uint32_t kAmountLimit = 22'000;  // cents; above it is fraud of the first kind
constexpr uint32_t kMost = 10'000'000;     // customers, terminals
constexpr int32_t kLastStart = 2'567'666;  // 9000-01-01

// What a generator is for, so that no two share their numbers.
enum Stream : uint64_t { kTerminal, kCustomer, kPurchases, kDraw, kVictims, kLive, kId };

int64_t FloorDay(int64_t time_ms) {
  return time_ms >= 0 ? time_ms / kDayMs : (time_ms + 1) / kDayMs - 1;
}

uint32_t Square(uint32_t x) { return x * x; }

uint32_t SquaredDistance(uint16_t ax, uint16_t ay, uint16_t bx, uint16_t by) {
  return Square(ax > bx ? ax - bx : bx - ax) + Square(ay > by ? ay - by : by - ay);
}

std::vector<uint32_t> DrawDistinct(uint32_t count, uint32_t bound, Random* random) {
  std::vector<uint32_t> drawn;
  while (drawn.size() < std::min(count, bound)) {
    const uint32_t candidate = random->Below(bound);
    if (std::find(drawn.begin(), drawn.end(), candidate) == drawn.end()) {
      drawn.push_back(candidate);
    }
  }
  return drawn;
}

bool Holds(const std::vector<uint32_t>& sorted, uint32_t value) {
  return std::binary_search(sorted.begin(), sorted.end(), value);
}

}  // namespace

absl::Status Validate(const FraudOptions& options) {
  const auto in_range = [](const char* name, uint32_t value, uint32_t least, uint32_t most) {
    if (value >= least && value <= most) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is ", value, ", expected ", least, " to ", most));
  };
  if (auto status = in_range("customers", options.customers, 1, kMost); !status.ok()) return status;
  if (auto status = in_range("terminals", options.terminals, 1, kMost); !status.ok()) return status;
  if (auto status = in_range("radius", options.radius, 1, 100); !status.ok()) return status;
  if (options.start_day < 0 || options.start_day > kLastStart) {
    return absl::InvalidArgumentError(absl::StrCat(
        "start is day ", options.start_day, " since 1970-01-01, expected 0 to ", kLastStart));
  }
  return in_range("days", options.days, 0, 366'000);
}

FraudSimulator::FraudSimulator(const FraudOptions& options)
    : options_(options), first_day_(options.start_day), next_day_(first_day_) {
  PlaceTerminals();
  PlaceCustomers();
}

// Terminals are sorted into square cells as wide as the radius, so that a customer's terminals lie
// in the three by three cells around the customer.
void FraudSimulator::PlaceTerminals() {
  const uint32_t cell_width = options_.radius * 100;
  cells_a_side_ = (kSide + cell_width - 1) / cell_width;
  const auto cell_of = [&](const Terminal& terminal) {
    return terminal.place.y / cell_width * cells_a_side_ + terminal.place.x / cell_width;
  };
  terminals_.resize(options_.terminals);
  categories_.resize(options_.terminals);
  for (uint32_t id = 0; id < options_.terminals; ++id) {
    Random random(Hash(options_.seed, kTerminal, id));
    terminals_[id].id = id;
    terminals_[id].place.x = static_cast<uint16_t>(random.Below(kSide));
    terminals_[id].place.y = static_cast<uint16_t>(random.Below(kSide));
    categories_[id] = static_cast<uint8_t>(random.Below(kCategories));
  }
  std::stable_sort(terminals_.begin(), terminals_.end(),
                   [&](const Terminal& a, const Terminal& b) { return cell_of(a) < cell_of(b); });
  cell_begin_.assign(size_t{cells_a_side_} * cells_a_side_ + 1, 0);
  for (const Terminal& terminal : terminals_) ++cell_begin_[cell_of(terminal) + 1];
  for (size_t i = 1; i < cell_begin_.size(); ++i) cell_begin_[i] += cell_begin_[i - 1];
}

void FraudSimulator::PlaceCustomers() {
  const uint32_t cell_width = options_.radius * 100;
  customers_.resize(options_.customers);
  for (uint32_t id = 0; id < options_.customers; ++id) {
    Random random(Hash(options_.seed, kCustomer, id));
    Customer& customer = customers_[id];
    customer.home.x = static_cast<uint16_t>(random.Below(kSide));
    customer.home.y = static_cast<uint16_t>(random.Below(kSide));
    customer.mean_cents = static_cast<uint16_t>(500 + random.Below(9'500));
    customer.level = static_cast<uint16_t>(random.Below(PoissonTable::kLevels));
    // Countries are the fields of a map of five by two.
    customer.country =
        static_cast<uint8_t>(customer.home.y / (kSide / 2) * 5 + customer.home.x / (kSide / 5));
    const uint32_t bank = random.Below(64);
    customer.card_bin = random.Below(3) > 0 ? 400'000 + 1'009 * bank : 510'000 + 719 * bank;
    customer.ip_address = 0xc6120000 + random.Below(1 << 17);  // 198.18.0.0/15, kept for tests

    const uint32_t column = customer.home.x / cell_width;
    const uint32_t row = customer.home.y / cell_width;
    const uint32_t left = column > 0 ? column - 1 : 0;
    const uint32_t right = std::min(column + 1, cells_a_side_ - 1);
    for (uint32_t i = 0; i < 3; ++i) {
      if (row + i < 1 || row + i > cells_a_side_) continue;
      const uint32_t first_cell = (row + i - 1) * cells_a_side_;
      Run& run = customer.runs[i];
      run.begin = cell_begin_[first_cell + left];
      run.size = cell_begin_[first_cell + right + 1] - run.begin;
      for (uint32_t j = 0; j < run.size && !customer.reaches_terminal; ++j) {
        customer.reaches_terminal = Reaches(customer, terminals_[run.begin + j]);
      }
    }
    if (customer.reaches_terminal) ++reachable_customers_;
  }
}

bool FraudSimulator::Reaches(const Customer& customer, const Terminal& terminal) const {
  return SquaredDistance(customer.home.x, customer.home.y, terminal.place.x, terminal.place.y) <
         Square(options_.radius * 100);
}

// Every terminal within reach with the same chance: draws among the cells around are repeated until
// one is near enough. The circle covers a third of those cells.
void FraudSimulator::PickTerminal(const Customer& customer, Random* random,
                                  Purchase* purchase) const {
  const uint32_t around = customer.runs[0].size + customer.runs[1].size + customer.runs[2].size;
  while (true) {
    uint32_t at = random->Below(around);
    int run = 0;
    while (at >= customer.runs[run].size) at -= customer.runs[run++].size;
    const Terminal& terminal = terminals_[customer.runs[run].begin + at];
    if (!Reaches(customer, terminal)) continue;
    purchase->terminal = terminal.id;
    // std::sqrt is exactly rounded by IEEE 754, hence the same everywhere.
    purchase->distance = static_cast<uint16_t>(std::sqrt(static_cast<double>(
        SquaredDistance(customer.home.x, customer.home.y, terminal.place.x, terminal.place.y))));
    return;
  }
}

uint32_t FraudSimulator::PickAmount(const Customer& customer, Random* random) const {
  const int64_t mean = customer.mean_cents;
  const int64_t scaled = mean * (2 * Random::kNormalOne + random->Normal()) + Random::kNormalOne;
  const int64_t cents = scaled / (2 * Random::kNormalOne);
  if (scaled > 0 && cents > 0) return static_cast<uint32_t>(cents);
  return 1 + random->Below(2 * customer.mean_cents);
}

// Appends what `customer` does on `day`, before any fraud of the second and third kind.
void FraudSimulator::CustomerDay(uint32_t customer_id, int64_t day,
                                 std::vector<Purchase>* out) const {
  const Customer& customer = customers_[customer_id];
  if (!customer.reaches_terminal) return;
  Random random(Hash(options_.seed, kPurchases, static_cast<uint64_t>(day), customer_id));
  const uint32_t count = PoissonTable::Get().Draw(customer.level, &random);
  for (uint32_t number = 0; number < count; ++number) {
    const int64_t time = kDayMs / 2 + 20'000'000 * random.Normal() / Random::kNormalOne;
    if (time <= 0 || time >= kDayMs) continue;
    Purchase& purchase = out->emplace_back();
    purchase.time_ms = static_cast<uint32_t>(time);
    purchase.customer = customer_id;
    purchase.number = static_cast<uint8_t>(number);
    purchase.amount_cents = PickAmount(customer, &random);
    purchase.scenario = purchase.amount_cents > kAmountLimit ? 1 : 0;
    PickTerminal(customer, &random, &purchase);
  }
}

FraudSimulator::Draw& FraudSimulator::DrawOf(int64_t day) {
  const int64_t slot = day % kTerminalDays;
  Draw& draw = draws_[static_cast<size_t>(slot < 0 ? slot + kTerminalDays : slot)];
  if (draw.day == day) return draw;
  Random random(Hash(options_.seed, kDraw, static_cast<uint64_t>(day)));
  draw = Draw{.day = day};
  draw.terminals = DrawDistinct(kTerminalsADay, options_.terminals, &random);
  draw.customers = DrawDistinct(kCustomersADay, options_.customers, &random);
  return draw;
}

// Chooses one third of all that the draw's customers do while they are compromised.
void FraudSimulator::FindVictims(Draw* draw) const {
  std::vector<Victim> pool;
  std::vector<Purchase> purchases;
  for (uint32_t customer : draw->customers) {
    for (int64_t day = draw->day; day < draw->day + kCustomerDays; ++day) {
      purchases.clear();
      CustomerDay(customer, day, &purchases);
      for (const Purchase& purchase : purchases) {
        pool.push_back({.day = day, .customer = customer, .number = purchase.number});
      }
    }
  }
  Random random(Hash(options_.seed, kVictims, static_cast<uint64_t>(draw->day)));
  const size_t chosen = pool.size() / 3;
  for (size_t i = 0; i < chosen; ++i) {
    std::swap(pool[i], pool[i + random.Below(static_cast<uint32_t>(pool.size() - i))]);
  }
  pool.resize(chosen);
  draw->victims = std::move(pool);
  draw->victims_known = true;
}

std::vector<uint32_t> FraudSimulator::DrawnTerminals(int64_t first, int64_t day) {
  std::vector<uint32_t> drawn;
  for (int64_t d = std::max(first, day - kTerminalDays + 1); d <= day; ++d) {
    const Draw& draw = DrawOf(d);
    drawn.insert(drawn.end(), draw.terminals.begin(), draw.terminals.end());
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

std::vector<uint32_t> FraudSimulator::DrawnCustomers(int64_t first, int64_t day) {
  std::vector<uint32_t> drawn;
  for (int64_t d = std::max(first, day - kCustomerDays + 1); d <= day; ++d) {
    const Draw& draw = DrawOf(d);
    drawn.insert(drawn.end(), draw.customers.begin(), draw.customers.end());
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

void FraudSimulator::MarkVictims(int64_t first, int64_t day) {
  for (int64_t d = std::max(first, day - kCustomerDays + 1); d <= day; ++d) {
    Draw& draw = DrawOf(d);
    if (!draw.victims_known) FindVictims(&draw);
    for (const Victim& victim : draw.victims) {
      if (victim.day != day) continue;
      const auto purchase = std::lower_bound(
          purchases_.begin(), purchases_.end(), victim, [](const Purchase& a, const Victim& b) {
            return std::pair(a.customer, uint32_t{a.number}) < std::pair(b.customer, b.number);
          });
      if (purchase->scenario == 3) continue;  // another draw chose it too
      purchase->amount_cents *= 5;
      purchase->scenario = 3;
    }
  }
}

void FraudSimulator::BuildDay(int64_t day) {
  purchases_.clear();
  for (uint32_t customer = 0; customer < options_.customers; ++customer) {
    CustomerDay(customer, day, &purchases_);
  }
  const std::vector<uint32_t> compromised = DrawnTerminals(first_day_, day);
  for (Purchase& purchase : purchases_) {
    if (Holds(compromised, purchase.terminal)) purchase.scenario = 2;
  }
  MarkVictims(first_day_, day);

  order_.clear();
  for (size_t i = 0; i < purchases_.size(); ++i) {
    order_.push_back(uint64_t{purchases_[i].time_ms} << 32 | i);
  }
  std::sort(order_.begin(), order_.end());
  today_ = day;
  at_ = 0;
}

Transaction FraudSimulator::Complete(const Purchase& purchase, int64_t time_ms,
                                     uint64_t id_seed) const {
  const Customer& customer = customers_[purchase.customer];
  return {.time_ms = time_ms,
          .id_high = Hash(id_seed, 0),
          .id_low = Hash(id_seed, 1),
          .customer = purchase.customer,
          .terminal = purchase.terminal,
          .amount_cents = purchase.amount_cents,
          .card_bin = customer.card_bin,
          .ip_address = customer.ip_address,
          .distance = purchase.distance,
          .country = customer.country,
          .category = categories_[purchase.terminal],
          .scenario = purchase.scenario};
}

bool FraudSimulator::Next(Transaction* transaction) {
  if (!CanTransact()) return false;
  while (at_ == order_.size()) {
    if (options_.days > 0 && next_day_ - first_day_ >= options_.days) return false;
    BuildDay(next_day_++);
  }
  const Purchase& purchase = purchases_[order_[at_++] & UINT32_MAX];
  const uint64_t id_seed = Hash(options_.seed, kId, static_cast<uint64_t>(today_),
                                uint64_t{purchase.customer} << 8 | purchase.number);
  *transaction = Complete(purchase, today_ * kDayMs + purchase.time_ms, id_seed);
  return true;
}

void FraudSimulator::Generate(int64_t from_ms, int64_t to_ms, uint64_t count,
                              std::vector<Transaction>* out) {
  if (!CanTransact()) return;
  const uint64_t interval = Hash(options_.seed, kLive, static_cast<uint64_t>(from_ms),
                                 Hash(static_cast<uint64_t>(to_ms), count));
  int64_t day = INT64_MIN;
  std::vector<uint32_t> terminals;
  std::vector<uint32_t> customers;
  for (uint64_t i = 0; i < count; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(count);
    const int64_t time_ms =
        from_ms + static_cast<int64_t>(share * static_cast<double>(to_ms - from_ms));
    if (FloorDay(time_ms) != day) {
      day = FloorDay(time_ms);
      terminals = DrawnTerminals(INT64_MIN, day);
      customers = DrawnCustomers(INT64_MIN, day);
    }
    const uint64_t id_seed = Hash(interval, i);
    Random random(id_seed);
    Purchase purchase;
    do {  // a customer as often as the customer's mean number a day says
      purchase.customer = random.Below(options_.customers);
    } while (!customers_[purchase.customer].reaches_terminal ||
             random.Below(PoissonTable::kLevels) > customers_[purchase.customer].level);
    const Customer& customer = customers_[purchase.customer];
    purchase.amount_cents = PickAmount(customer, &random);
    PickTerminal(customer, &random, &purchase);
    if (purchase.amount_cents > kAmountLimit) purchase.scenario = 1;
    if (Holds(terminals, purchase.terminal)) purchase.scenario = 2;
    if (random.Below(3) == 0 && Holds(customers, purchase.customer)) {
      purchase.amount_cents *= 5;
      purchase.scenario = 3;
    }
    out->push_back(Complete(purchase, time_ms, id_seed));
  }
}

}  // namespace levada::generate
