#pragma once

#include <span>
#include <string_view>

#include "core/base/arena.h"
#include "core/expr/value.h"
#include "core/json/scan.h"

// Walking lists and maps, whether they are arrays of values or JSON that was never parsed.
//
// Thread-safety: none of its own; text with escapes is decoded into the arena that is given.
namespace levada::expr {

inline Value Untyped(const json::Value& json, base::Arena* arena) {
  return FromJson(json, FieldType::kDyn, arena);
}

// Calls visit(index, element) → bool for each element of a list; false ends the walk.
template <typename Visit>
void ForEachItem(Value list, base::Arena* arena, Visit&& visit) {
  if (list.store() == Value::Store::kArray) {
    for (uint32_t i = 0; i < list.count(); ++i) {
      if (!visit(static_cast<int64_t>(i), list.items()[i])) return;
    }
    return;
  }
  int64_t index = 0;
  json::ForEachElement(list.json(), [&](const json::Value& element) {
    return visit(index++, Untyped(element, arena));
  });
}

inline Value KeyOf(std::string_view raw, bool escaped, base::Arena* arena) {
  json::Value key;
  key.kind = json::Kind::kString;
  key.raw = raw;
  key.escaped = escaped;
  return Untyped(key, arena);
}

// Calls visit(key, value) → bool for each entry of a map; false ends the walk.
template <typename Visit>
void ForEachEntry(Value map, base::Arena* arena, Visit&& visit) {
  if (map.store() == Value::Store::kArray) {
    for (uint32_t i = 0; i < map.count(); ++i) {
      if (!visit(map.entries()[i].key, map.entries()[i].value)) return;
    }
    return;
  }
  json::ForEachMember(map.json(),
                      [&](std::string_view key, bool escaped, const json::Value& value) {
                        return visit(KeyOf(key, escaped, arena), Untyped(value, arena));
                      });
}

int64_t SizeOf(Value container);
// The element, kNone where there is none.
Value ItemAt(Value list, int64_t index, base::Arena* arena);
// The value of a key (numbers are compared as numbers), kNone where there is none.
Value EntryAt(Value map, Value key, base::Arena* arena);
Value EntryAt(Value map, std::string_view key, base::Arena* arena);
// All elements or entries, into room for SizeOf() of them.
std::span<const Value> CopyItems(Value list, Value* items, base::Arena* arena);
std::span<const MapEntry> CopyEntries(Value map, MapEntry* entries, base::Arena* arena);

}  // namespace levada::expr
