#include "services/scoring/state/tables.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/json/scan.h"

namespace levada::scoring {

size_t Tables::Add(std::string_view topic) {
  const auto found = std::find(topics_.begin(), topics_.end(), topic);
  if (found != topics_.end()) return found - topics_.begin();
  topics_.emplace_back(topic);
  tables_.emplace_back(&slab_);
  return topics_.size() - 1;
}

void Tables::Update(size_t number, const Batch& records) {
  static base::LogLimiter limiter{std::chrono::seconds(10)};
  StateTable& table = tables_[number];
  for (const Record& record : records.records()) {
    if (!record.has_key) continue;
    json::Value row;
    const bool good = record.has_value && json::ScanValue(record.value, &row).ok() &&
                      row.kind == json::Kind::kObject;
    if (good) {
      table.Restore(record.key, row.raw);
      continue;
    }
    if (record.has_value) {
      ++rejected_;
      base::LogEvery(
          limiter, base::LogLevel::kWarn, "a row of a table is no JSON object",
          {{"topic", topics_[number]}, {"partition", record.partition}, {"offset", record.offset}});
    }
    StateTable::Entry* const entry = table.Find(record.key, StateTable::Hash(record.key));
    if (entry != nullptr) table.Erase(entry, nullptr);
  }
}

std::optional<std::string_view> Tables::Find(size_t number, std::string_view key) const {
  const StateTable::Entry* const entry = tables_[number].FindInMemory(key, StateTable::Hash(key));
  if (entry == nullptr) return std::nullopt;
  return entry->value();
}

void Tables::Reset() {
  for (StateTable& table : tables_) table.Clear(nullptr);
}

size_t Tables::rows() const {
  size_t rows = 0;
  for (const StateTable& table : tables_) rows += table.size();
  return rows;
}

size_t Tables::bytes() const { return slab_.used(); }

}  // namespace levada::scoring
