#include "core/expr/cases.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "core/base/strings.h"
#include "core/expr/compare.h"
#include "core/expr/containers.h"
#include "core/expr/program.h"
#include "core/expr/time.h"

namespace levada::expr {
namespace {

std::string_view Text(const json::Value& json, base::Arena* arena) {
  const Value value = Untyped(json, arena);
  return value.is(Kind::kString) ? value.text() : json.raw;
}

template <typename Number>
bool Whole(std::string_view text, Number* number) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *number);
  return result.ec == std::errc() && result.ptr == end;
}

// A value with its type: {"int": "1"}. kNone where it is not one.
class TypedValue {
 public:
  explicit TypedValue(base::Arena* arena) : arena_(arena) {}

  Value Read(const json::Value& json) {
    Value value;
    if (json.kind != json::Kind::kObject) return value;
    json::ForEachMember(json.raw, [&](std::string_view type, bool, const json::Value& content) {
      value = OfType(type, content);
      return false;
    });
    return value;
  }

 private:
  Value OfType(std::string_view type, const json::Value& json) {
    const std::string_view text = Text(json, arena_);
    if (type == "null") return Value::Null();
    if (type == "bool") return Value::Bool(json.kind == json::Kind::kTrue);
    if (type == "string") return Value::String(text);
    if (type == "type") return Value::OfType(text);
    if (type == "list") return List(json);
    if (type == "map") return Map(json);
    if (int64_t number; type == "int" && Whole(text, &number)) return Value::Int(number);
    if (uint64_t number; type == "uint" && Whole(text, &number)) return Value::Uint(number);
    if (double number; type == "double" && absl::SimpleAtod(base::AbslView(text), &number)) {
      return Value::Double(number);
    }
    if (std::string bytes; type == "bytes" && absl::Base64Unescape(base::AbslView(text), &bytes)) {
      return Value::Bytes(arena_->Copy(bytes));
    }
    if (Timestamp time; type == "timestamp" && ParseTimestamp(text, &time)) {
      return Value::OfTimestamp(time);
    }
    if (int64_t nanos; type == "duration" && ParseDuration(text, &nanos)) {
      return Value::Duration(nanos);
    }
    return Value();
  }

  Value List(const json::Value& json) {
    if (json.kind != json::Kind::kArray) return Value();
    std::vector<Value> items;
    json::ForEachElement(json.raw, [&](const json::Value& item) {
      items.push_back(Read(item));
      return true;
    });
    Value* kept = arena_->Array<Value>(items.size());
    std::copy(items.begin(), items.end(), kept);
    return Value::List(kept, items.size());
  }

  // [[key, value], …]
  Value Map(const json::Value& json) {
    const Value pairs = ListOfLists(json);
    if (pairs.is(Kind::kNone)) return pairs;
    MapEntry* entries = arena_->Array<MapEntry>(pairs.count());
    for (uint32_t i = 0; i < pairs.count(); ++i) {
      const Value pair = pairs.items()[i];
      entries[i] = {pair.items()[0], pair.items()[1]};
    }
    return Value::Map(entries, pairs.count());
  }

  Value ListOfLists(const json::Value& json) {
    if (json.kind != json::Kind::kArray) return Value();
    std::vector<Value> lists;
    bool good = true;
    json::ForEachElement(json.raw, [&](const json::Value& item) {
      lists.push_back(List(item));
      good = lists.back().is(Kind::kList) && lists.back().count() == 2;
      return good;
    });
    if (!good) return Value();
    Value* kept = arena_->Array<Value>(lists.size());
    std::copy(lists.begin(), lists.end(), kept);
    return Value::List(kept, lists.size());
  }

  base::Arena* arena_;
};

// Equal and of the same kinds all the way down; a NaN is a NaN. Without events all lists and maps
// are arrays.
bool Same(Value a, Value b, base::Arena* arena) {
  if (a.kind() != b.kind()) return false;
  if (a.is(Kind::kDouble)) {
    return a.real() == b.real() || (std::isnan(a.real()) && std::isnan(b.real()));
  }
  if (a.is(Kind::kList)) {
    if (a.count() != b.count()) return false;
    for (uint32_t i = 0; i < a.count(); ++i) {
      if (!Same(a.items()[i], b.items()[i], arena)) return false;
    }
    return true;
  }
  if (a.is(Kind::kMap)) {
    if (a.count() != b.count()) return false;
    for (const MapEntry& entry : std::span(a.entries(), a.count())) {
      const Value other = EntryAt(b, entry.key, arena);
      if (other.is(Kind::kNone) || !Same(entry.value, other, arena)) return false;
    }
    return true;
  }
  return ScalarsEqual(a, b);
}

std::string Show(Value value) {
  if (value.is(Kind::kNone)) return "nothing that this program understands";
  if (!value.ok()) return base::StrCat("the error '", value.text(), "'");
  std::string text = Type{value.kind()}.ToString() + " ";
  AppendJson(value, &text);
  return text;
}

struct Case {
  std::string name;
  std::string expression;
  std::string container;
  json::Value bindings, value;
  bool error = false;
};

Case ReadCase(const json::Value& json, base::Arena* arena) {
  Case result;
  json::ForEachMember(json.raw, [&](std::string_view key, bool, const json::Value& value) {
    if (key == "name") result.name = Text(value, arena);
    if (key == "expr") result.expression = Text(value, arena);
    if (key == "container") result.container = Text(value, arena);
    if (key == "bindings") result.bindings = value;
    if (key == "value") result.value = value;
    if (key == "error") result.error = value.kind == json::Kind::kTrue;
    return true;
  });
  return result;
}

// "" if the case passes, else what happened instead.
std::string RunCase(const Case& test, base::Arena* arena) {
  Env env(Env::Mode::kStrict);
  env.set_container(test.container);
  std::vector<Value> bound;
  if (test.bindings.kind == json::Kind::kObject) {
    json::ForEachMember(test.bindings.raw,
                        [&](std::string_view name, bool, const json::Value& value) {
                          env.DeclareSlot(name, Type::Dyn());
                          bound.push_back(TypedValue(arena).Read(value));
                          return true;
                        });
  }
  const auto program = Compile(test.expression, &env);
  Activation activation(env, arena);
  activation.Begin();
  for (size_t i = 0; i < bound.size(); ++i) activation.Set(static_cast<int>(i), bound[i]);
  const Value actual = program.ok()
                           ? program->Eval(activation)
                           : Value::Error(arena->Copy(base::View(program.status().message())));
  if (test.error) return actual.ok() ? base::StrCat("expected an error, got ", Show(actual)) : "";
  const Value expected = TypedValue(arena).Read(test.value);
  if (!expected.is(Kind::kNone) && Same(actual, expected, arena)) return "";
  return base::StrCat("expected ", Show(expected), ", got ", Show(actual));
}

// Why a case that does not pass need not pass; "" where it should.
std::string_view WhyLeftOut(const Case& test, std::string_view outcome) {
  struct Reason {
    std::string_view name, outcome, reason;
  };
  static constexpr std::string_view kWrongBytes =
      "the expected bytes begin with a backslash that the expression does not have; the same text "
      "as a string (parse/string_literals) is expected without it, and cel-go gives it without";
  static constexpr Reason kReasons[] = {
      {"parse/bytes_literals/triple_single_quoted_unescaped_punctuation", "", kWrongBytes},
      {"parse/bytes_literals/triple_double_quoted_unescaped_punctuation", "", kWrongBytes},
      {"", "messages are not part of this language",
       "it makes a Protobuf message; an event is JSON and has none"},
  };
  for (const Reason& it : kReasons) {
    const bool named = it.name.empty() || it.name == test.name;
    if (named && outcome.find(it.outcome) != std::string_view::npos) return it.reason;
  }
  return "";
}

}  // namespace

absl::StatusOr<CaseReport> RunCases(std::string_view json,
                                    const std::function<bool(std::string_view name)>& wanted) {
  json::Value file;
  const json::ScanError error = json::ScanValue(json, &file);
  if (!error.ok()) return absl::InvalidArgumentError(error.Message(json::FieldSet()));
  if (file.kind != json::Kind::kArray) {
    return absl::InvalidArgumentError("expected a JSON array of cases");
  }
  CaseReport report;
  absl::Status status;
  base::Arena arena;
  json::ForEachElement(file.raw, [&](const json::Value& element) {
    arena.Reset();
    if (element.kind != json::Kind::kObject) {
      status = absl::InvalidArgumentError("expected a JSON object for each case");
      return false;
    }
    const Case test = ReadCase(element, &arena);
    if (test.name.empty() || (!test.error && test.value.kind == json::Kind::kAbsent)) {
      status = absl::InvalidArgumentError(base::StrCat(
          "a case needs a name, an expr, and a value or \"error\": true; at '", test.name, "'"));
      return false;
    }
    if (wanted && !wanted(test.name)) return true;
    std::string message = RunCase(test, &arena);
    const std::string_view reason = message.empty() ? "" : WhyLeftOut(test, message);
    if (message.empty()) {
      ++report.passed;
    } else if (!reason.empty()) {
      report.left_out.push_back({test.name, std::string(reason)});
    } else {
      report.failures.push_back({test.name, std::move(message)});
    }
    return true;
  });
  if (!status.ok()) return status;
  return report;
}

}  // namespace levada::expr
