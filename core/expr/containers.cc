#include "core/expr/containers.h"

#include <algorithm>
#include <vector>

#include "core/expr/compare.h"

namespace levada::expr {

int64_t SizeOf(Value container) {
  if (container.store() == Value::Store::kArray) return container.count();
  int64_t size = 0;
  if (container.is(Kind::kList)) {
    json::ForEachElement(container.json(), [&](const json::Value&) { return ++size > 0; });
  } else {
    json::ForEachMember(container.json(),
                        [&](std::string_view, bool, const json::Value&) { return ++size > 0; });
  }
  return size;
}

Value ItemAt(Value list, int64_t index, base::Arena* arena) {
  if (index < 0) return Value();
  if (list.store() == Value::Store::kArray) {
    return index < list.count() ? list.items()[index] : Value();
  }
  json::Value found;
  json::ForEachElement(list.json(), [&](const json::Value& element) {
    if (index-- > 0) return true;
    found = element;
    return false;
  });
  return Untyped(found, arena);
}

Value EntryAt(Value map, std::string_view key, base::Arena* arena) {
  if (map.store() == Value::Store::kJson) return Untyped(json::FindMember(map.json(), key), arena);
  for (uint32_t i = 0; i < map.count(); ++i) {
    const MapEntry& entry = map.entries()[i];
    if (entry.key.is(Kind::kString) && entry.key.text() == key) return entry.value;
  }
  return Value();
}

Value EntryAt(Value map, Value key, base::Arena* arena) {
  if (key.is(Kind::kString)) return EntryAt(map, key.text(), arena);
  if (map.store() == Value::Store::kJson) return Value();  // its keys are strings
  for (uint32_t i = 0; i < map.count(); ++i) {
    const MapEntry& entry = map.entries()[i];
    if (ScalarsEqual(entry.key, key)) return entry.value;
  }
  return Value();
}

std::span<const Value> CopyItems(Value list, Value* items, base::Arena* arena) {
  size_t count = 0;
  ForEachItem(list, arena, [&](int64_t, Value item) {
    items[count++] = item;
    return true;
  });
  return {items, count};
}

std::span<const MapEntry> CopyEntries(Value map, MapEntry* entries, base::Arena* arena) {
  size_t count = 0;
  ForEachEntry(map, arena, [&](Value key, Value value) {
    entries[count++] = {key, value};
    return true;
  });
  return {entries, count};
}

}  // namespace levada::expr
