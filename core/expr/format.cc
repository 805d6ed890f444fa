// "%s of %.2f".format([a, b]): %s any value, %d whole numbers, %f and %e with an optional
// precision, %x %X %o %b whole numbers in another base (%x and %X also text and bytes), %% itself.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "core/base/strings.h"
#include "core/base/utf8.h"
#include "core/expr/containers.h"
#include "core/expr/functions.h"
#include "core/expr/number_text.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

constexpr int kMaxPrecision = 100;

bool AppendSpecial(double value, std::string* out) {
  if (std::isnan(value)) {
    out->append("NaN");
  } else if (std::isinf(value)) {
    out->append(value > 0 ? "Infinity" : "-Infinity");
  } else {
    return false;
  }
  return true;
}

class Formatter {
 public:
  explicit Formatter(Activation& activation) : activation_(activation) {}

  Value Format(std::string_view pattern, std::span<const Value> args) {
    size_t next = 0;
    for (size_t i = 0; i < pattern.size(); ++i) {
      if (out_.size() > Activation::kMaxBytes) return Exhausted();
      if (pattern[i] != '%') {
        out_.push_back(pattern[i]);
        continue;
      }
      if (++i < pattern.size() && pattern[i] == '%') {
        out_.push_back('%');
        continue;
      }
      int precision = -1;
      if (i < pattern.size() && pattern[i] == '.') {
        precision = 0;
        size_t digits = 0;
        for (++i; i < pattern.size() && absl::ascii_isdigit(pattern[i]); ++i, ++digits) {
          precision = std::min(precision * 10 + (pattern[i] - '0'), kMaxPrecision + 1);
        }
        if (digits == 0 || precision > kMaxPrecision) {
          return Value::Error("format: the precision is not 0 to 100");
        }
      }
      if (i >= pattern.size()) return Value::Error("format: the text ends in a % clause");
      if (next >= args.size()) return Value::Error("format: more clauses than values");
      const size_t sequence = SequenceLength(pattern, i);
      const Value value = args[next++];
      if (!Clause(pattern[i], precision, value)) {
        return Fail(activation_, "format: %", pattern.substr(i, sequence), " does not take ",
                    Type{value.kind()}.ToString());
      }
    }
    return NewString(activation_, out_);
  }

 private:
  static size_t SequenceLength(std::string_view text, size_t at) {
    return std::max(1, base::Utf8SequenceLength(&text[at], text.data() + text.size()));
  }

  bool Clause(char clause, int precision, Value value) {
    switch (clause) {
      case 's':
        return Text(value, 0);
      case 'd':
        return Decimal(value);
      case 'f':
      case 'e':
        return Real(clause, precision < 0 ? 6 : precision, value);
      case 'x':
      case 'X':
        return Hex(clause == 'X', value);
      case 'o':
        return Whole(value, 8);
      case 'b':
        return Whole(value.is(Kind::kBool) ? Value::Int(value.boolean()) : value, 2);
      default:
        return false;
    }
  }

  bool Text(Value value, int depth) {
    if (depth > kMaxJsonDepth || !activation_.TakeSteps(1)) return false;
    switch (value.kind()) {
      case Kind::kDouble:
        if (!AppendSpecial(value.real(), &out_)) AppendFixed(value.real(), &out_);
        return true;
      case Kind::kList:
        return ListText(value, depth);
      case Kind::kMap:
        return MapText(value, depth);
      case Kind::kOptional:
        return false;
      default:
        return AppendText(value, &out_);
    }
  }

  bool ListText(Value list, int depth) {
    out_.push_back('[');
    const auto items = Items(list, activation_);
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_.append(", ");
      if (!Text(items[i], depth + 1)) return false;
    }
    out_.push_back(']');
    return true;
  }

  // Entries in the order of their keys' text.
  bool MapText(Value map, int depth) {
    std::vector<std::pair<std::string, Value>> sorted;
    for (const MapEntry& entry : Entries(map, activation_)) {
      sorted.emplace_back("", entry.value);
      AppendText(entry.key, &sorted.back().first);
    }
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    out_.push_back('{');
    for (size_t i = 0; i < sorted.size(); ++i) {
      base::StrAppend(&out_, i > 0 ? ", " : "", sorted[i].first, ": ");
      if (!Text(sorted[i].second, depth + 1)) return false;
    }
    out_.push_back('}');
    return true;
  }

  bool Decimal(Value value) {
    if (value.is(Kind::kDouble)) {
      if (AppendSpecial(value.real(), &out_)) return true;
      AppendFixed(value.real(), &out_);
      return true;
    }
    return (value.is(Kind::kInt) || value.is(Kind::kUint)) && AppendText(value, &out_);
  }

  bool Real(char clause, int precision, Value value) {
    if (!value.is_number()) return false;
    const double real = value.is(Kind::kDouble) ? value.real()
                        : value.is(Kind::kInt)  ? static_cast<double>(value.integer())
                                                : static_cast<double>(value.unsigned_integer());
    if (AppendSpecial(real, &out_)) return true;
    char buffer[512];
    const int size = clause == 'f' ? std::snprintf(buffer, sizeof(buffer), "%.*f", precision, real)
                                   : std::snprintf(buffer, sizeof(buffer), "%.*e", precision, real);
    out_.append(buffer, static_cast<size_t>(size));
    return true;
  }

  bool Hex(bool upper, Value value) {
    const size_t begin = out_.size();
    if (value.is(Kind::kString) || value.is(Kind::kBytes)) {
      out_.append(absl::BytesToHexString(base::AbslView(value.text())));
    } else if (!Whole(value, 16)) {
      return false;
    }
    for (size_t i = begin; upper && i < out_.size(); ++i) out_[i] = absl::ascii_toupper(out_[i]);
    return true;
  }

  bool Whole(Value value, unsigned base) {
    if (value.is(Kind::kDouble) && std::trunc(value.real()) == value.real() &&
        std::fabs(value.real()) <= 9007199254740992.0) {
      value = Value::Int(static_cast<int64_t>(value.real()));
    }
    if (!value.is(Kind::kInt) && !value.is(Kind::kUint)) return false;
    const bool negative = value.is(Kind::kInt) && value.integer() < 0;
    uint64_t rest = negative ? 0 - value.unsigned_integer() : value.unsigned_integer();
    char digits[65];
    char* p = digits + sizeof(digits);
    do {
      *--p = "0123456789abcdef"[rest % base];
      rest /= base;
    } while (rest != 0);
    if (negative) *--p = '-';
    out_.append(p, static_cast<size_t>(digits + sizeof(digits) - p));
    return true;
  }

  Activation& activation_;
  std::string out_;
};

}  // namespace

Value FormatText(const Value* args, size_t, Activation& activation) {
  return Formatter(activation).Format(args[0].text(), Items(args[1], activation));
}

}  // namespace levada::expr
