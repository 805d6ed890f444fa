#include "core/expr/support.h"

#include <re2/re2.h>

#include "core/expr/containers.h"

namespace levada::expr {

std::span<const Value> Items(Value list, Activation& activation) {
  if (list.store() == Value::Store::kArray) return {list.items(), list.count()};
  if (!activation.TakeStepsForBytes(list.json().size())) return {};
  Value* items = NewArray<Value>(activation, static_cast<size_t>(SizeOf(list)));
  if (items == nullptr) return {};
  return CopyItems(list, items, &activation.arena());
}

std::span<const MapEntry> Entries(Value map, Activation& activation) {
  if (map.store() == Value::Store::kArray) return {map.entries(), map.count()};
  if (!activation.TakeStepsForBytes(map.json().size())) return {};
  MapEntry* entries = NewArray<MapEntry>(activation, static_cast<size_t>(SizeOf(map)));
  if (entries == nullptr) return {};
  return CopyEntries(map, entries, &activation.arena());
}

Value Concatenate(Kind kind, std::string_view a, std::string_view b, Activation& activation) {
  char* joined = NewArray<char>(activation, a.size() + b.size());
  if (joined == nullptr) return Exhausted();
  std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), joined));
  const std::string_view text(joined, a.size() + b.size());
  return kind == Kind::kString ? Value::String(text) : Value::Bytes(text);
}

Value NoOverload(std::string_view function, const Value* args, size_t count,
                 Activation& activation) {
  std::string message = base::StrCat("no such overload: ", function, "(");
  for (size_t i = 0; i < count; ++i) {
    base::StrAppend(&message, i == 0 ? "" : ", ", Type{args[i].kind()}.ToString());
  }
  return Fail(activation, message, ")");
}

std::unique_ptr<re2::RE2> CompileRegex(std::string_view pattern) {
  re2::RE2::Options options(re2::RE2::Quiet);
  auto regex =
      std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  return regex->ok() ? std::move(regex) : nullptr;
}

bool RegexMatches(const re2::RE2& regex, std::string_view text) {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), regex);
}

Regexes::Regexes() = default;
Regexes::~Regexes() = default;

const re2::RE2* Regexes::Get(std::string_view pattern) {
  if (const auto it = compiled_.find(base::AbslView(pattern)); it != compiled_.end())
    return it->second.get();
  if (compiled_.size() >= kMost) compiled_.clear();
  return compiled_.emplace(std::string(pattern), CompileRegex(pattern)).first->second.get();
}

}  // namespace levada::expr
