#include "core/generate/fraud_event.h"

#include <cstring>
#include <utility>

#include "core/base/time.h"

namespace levada::generate {
namespace {

struct Country {
  std::string_view code;      // ISO 3166
  std::string_view currency;  // ISO 4217, in small letters
};
constexpr Country kCountryTable[kCountries] = {
    {"US", "usd"}, {"CA", "cad"}, {"GB", "gbp"}, {"DE", "eur"}, {"EG", "egp"},
    {"BR", "brl"}, {"FR", "eur"}, {"CH", "chf"}, {"IN", "inr"}, {"AU", "aud"}};

constexpr std::string_view kCategoryTable[kCategories] = {
    "entertainment",  "food_dining",  "gas_transport", "grocery_net", "grocery_pos",
    "health_fitness", "home",         "kids_pets",     "misc_net",    "misc_pos",
    "personal_care",  "shopping_net", "shopping_pos",  "travel"};

// Writes into a buffer that is known to be large enough.
class Writer {
 public:
  explicit Writer(char* at) : at_(at) {}
  char* at() const { return at_; }

  void Text(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }

  // `value` with at least `width` digits.
  void Digits(uint32_t value, int width) {
    char digits[10];
    int count = 0;
    for (; value > 0 || count < width; value /= 10) {
      digits[count++] = static_cast<char>('0' + value % 10);
    }
    while (count > 0) *at_++ = digits[--count];
  }

  void Hundredths(uint32_t value) {
    Digits(value / 100, 1);
    *at_++ = '.';
    Digits(value % 100, 2);
  }

  void Hex(uint64_t value, int digits) {
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
      *at_++ = "0123456789abcdef"[(value >> shift) & 15];
    }
  }

  void EventId(const Transaction& transaction) {
    Hex(transaction.id_high >> 32, 8);
    *at_++ = '-';
    Hex(transaction.id_high >> 16, 4);
    Text("-8");
    Hex(transaction.id_high, 3);
    *at_++ = '-';
    Hex((transaction.id_low >> 48 & 0x3fff) | 0x8000, 4);
    *at_++ = '-';
    Hex(transaction.id_low, 12);
  }

  void EntityId(const Transaction& transaction) {
    *at_++ = 'C';
    Digits(transaction.customer, 6);
  }

  void TerminalId(const Transaction& transaction) {
    *at_++ = 'T';
    Digits(transaction.terminal, 6);
  }

  // RFC 3339; `time_ms` is not before 1970.
  void Time(int64_t time_ms) {
    const int64_t day = time_ms / 86'400'000;
    const uint32_t ms = static_cast<uint32_t>(time_ms % 86'400'000);
    const base::CivilTime date = base::CivilFromDays(static_cast<int32_t>(day));
    Digits(static_cast<uint32_t>(date.year), 4);
    *at_++ = '-';
    Digits(static_cast<uint32_t>(date.month), 2);
    *at_++ = '-';
    Digits(static_cast<uint32_t>(date.day), 2);
    *at_++ = 'T';
    Digits(ms / 3'600'000, 2);
    *at_++ = ':';
    Digits(ms / 60'000 % 60, 2);
    *at_++ = ':';
    Digits(ms / 1'000 % 60, 2);
    *at_++ = '.';
    Digits(ms % 1'000, 3);
    *at_++ = 'Z';
  }

  void Address(uint32_t address) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      Digits(address >> shift & 255, 1);
      if (shift > 0) *at_++ = '.';
    }
  }

 private:
  char* at_;
};

void WriteIdAndTime(const Transaction& transaction, Writer* writer) {
  writer->Text(R"({"event_id":")");
  writer->EventId(transaction);
  writer->Text(R"(","event_time":")");
  writer->Time(transaction.time_ms);
  writer->Text("\"");
}

void WriteEvent(const Transaction& transaction, Writer* writer) {
  const Country& country = kCountryTable[transaction.country];
  WriteIdAndTime(transaction, writer);
  writer->Text(R"(,"entity_id":")");
  writer->EntityId(transaction);
  writer->Text(R"(","terminal_id":")");
  writer->TerminalId(transaction);
  writer->Text(R"(","card_bin":")");
  writer->Digits(transaction.card_bin, 6);
  writer->Text(R"(","transaction_amt":)");
  writer->Hundredths(transaction.amount_cents);
  writer->Text(R"(,"transaction_currency":")");
  writer->Text(country.currency);
  writer->Text(R"(","product_category":")");
  writer->Text(kCategoryTable[transaction.category]);
  writer->Text(R"(","billing_country":")");
  writer->Text(country.code);
  writer->Text(R"(","ip_address":")");
  writer->Address(transaction.ip_address);
  writer->Text(R"(","distance_km":)");
  writer->Hundredths(transaction.distance);
}

void WriteLabel(const Transaction& transaction, Writer* writer) {
  writer->Text(transaction.scenario > 0 ? R"(,"is_fraud":true,"fraud_scenario":)"
                                        : R"(,"is_fraud":false,"fraud_scenario":)");
  writer->Digits(transaction.scenario, 1);
}

// The longest line has less than 420 bytes.
constexpr size_t kBuffer = 512;

}  // namespace

void AppendEvent(const Transaction& transaction, std::string* out) {
  char buffer[kBuffer];
  Writer writer(buffer);
  WriteEvent(transaction, &writer);
  writer.Text("}");
  out->append(buffer, writer.at());
}

void AppendLabelledEvent(const Transaction& transaction, std::string* out) {
  char buffer[kBuffer];
  Writer writer(buffer);
  WriteEvent(transaction, &writer);
  WriteLabel(transaction, &writer);
  writer.Text("}");
  out->append(buffer, writer.at());
}

void AppendLabel(const Transaction& transaction, std::string* out) {
  char buffer[kBuffer];
  Writer writer(buffer);
  WriteIdAndTime(transaction, &writer);
  WriteLabel(transaction, &writer);
  writer.Text("}");
  out->append(buffer, writer.at());
}

bool ParseKeyField(std::string_view name, KeyField* field) {
  constexpr std::pair<std::string_view, KeyField> kNames[] = {
      {"none", KeyField::kNone},
      {"event_id", KeyField::kEventId},
      {"entity_id", KeyField::kEntityId},
      {"terminal_id", KeyField::kTerminalId}};
  for (const auto& [known, value] : kNames) {
    if (known != name) continue;
    *field = value;
    return true;
  }
  return false;
}

void AppendKey(const Transaction& transaction, KeyField field, std::string* out) {
  char buffer[kBuffer];
  Writer writer(buffer);
  if (field == KeyField::kEventId) writer.EventId(transaction);
  if (field == KeyField::kEntityId) writer.EntityId(transaction);
  if (field == KeyField::kTerminalId) writer.TerminalId(transaction);
  out->append(buffer, writer.at());
}

}  // namespace levada::generate
