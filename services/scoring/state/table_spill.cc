// The part of a table that is on disk.
#include <algorithm>

#include "services/scoring/state/table.h"

namespace levada::scoring {
namespace {

// A look into the store takes as long as many entries there.
constexpr size_t kLeastSweep = 256;
// For as many slots in memory one entry of the store.
constexpr size_t kSlotsAnEntry = 4;

}  // namespace

StateTable::Entry* StateTable::Loose::Set(std::string_view key, std::string_view value) {
  const size_t capacity = (value.size() + 7) / 8 * 8;
  memory_.resize((sizeof(Entry) + capacity + key.size() + 7) / 8);
  auto* const entry = new (memory_.data()) Entry;
  entry->hash_ = Hash(key);
  entry->key_size_ = static_cast<uint32_t>(key.size());
  entry->size_ = static_cast<uint32_t>(value.size());
  entry->capacity_ = static_cast<uint32_t>(capacity);
  entry->logged_ = true;
  if (!value.empty()) std::memcpy(entry->data(), value.data(), value.size());
  if (!key.empty()) std::memcpy(entry->data() + capacity, key.data(), key.size());
  return entry;
}

uint64_t StateTable::Reversed(uint64_t bits) {
  bits = (bits >> 1 & 0x5555555555555555) | (bits & 0x5555555555555555) << 1;
  bits = (bits >> 2 & 0x3333333333333333) | (bits & 0x3333333333333333) << 2;
  bits = (bits >> 4 & 0x0f0f0f0f0f0f0f0f) | (bits & 0x0f0f0f0f0f0f0f0f) << 4;
  return __builtin_bswap64(bits);
}

void StateTable::Spilled(Entry* entry, SpillStore* store, const std::string& prefix) {
  if (spilled_ == nullptr) spilled_ = std::make_unique<SpilledPart>(slab_, store, prefix);
  spilled_->tags.Add(entry->hash_);
  spilled_->bytes += entry->key_size_ + entry->size_;
  Remove(entry);
  // The places that it had in memory are to go with it.
  if (slots_.size() > kLeastSlots && count_ * 8 < slots_.size()) Rehash(slots_.size() / 2);
}

void StateTable::Unsee(std::string_view key, size_t value_size) {
  spilled_->tags.Remove(Hash(key));
  spilled_->bytes -= key.size() + value_size;
}

StateTable::Entry* StateTable::FindSpilled(std::string_view key, uint64_t hash) {
  if (!spilled_->tags.May(hash)) return nullptr;
  spilled_->key.assign(spilled_->prefix).append(key);
  const absl::StatusOr<bool> taken = spilled_->store->Take(spilled_->key, &spilled_->value);
  if (!taken.ok()) spilled_->store->Fail(taken.status());
  if (!taken.ok() || !*taken) return nullptr;
  Unsee(key, spilled_->value.size());
  const std::string& value = spilled_->value;
  Entry* const entry = Make(key, hash, static_cast<uint32_t>(value.size()));
  if (!value.empty()) std::memcpy(entry->data(), value.data(), value.size());
  entry->logged_ = true;
  Insert(entry);
  return entry;
}

void StateTable::ForEachSpilled(const VisitEntry& visit) {
  Loose loose;
  const auto cursor = spilled_->store->Scan(spilled_->prefix, "");
  for (; cursor->valid(); cursor->Next()) {
    visit(loose.Set(cursor->key().substr(spilled_->prefix.size()), cursor->value()));
  }
  spilled_->store->Fail(cursor->status());
}

void StateTable::ForEachByKey(const VisitValue& visit) {
  std::vector<const Entry*> entries;
  entries.reserve(count_);
  for (const Slot& slot : slots_) {
    if (slot.entry != nullptr) entries.push_back(slot.entry);
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry* a, const Entry* b) { return a->key() < b->key(); });
  auto next = entries.begin();
  if (spilled_keys() > 0) {
    const size_t head = spilled_->prefix.size();
    const auto cursor = spilled_->store->Scan(spilled_->prefix, "");
    for (; cursor->valid(); cursor->Next()) {
      const std::string_view key = cursor->key().substr(head);
      for (; next != entries.end() && (*next)->key() < key; ++next) {
        visit((*next)->key(), (*next)->value());
      }
      visit(key, cursor->value());
    }
    spilled_->store->Fail(cursor->status());
  }
  for (; next != entries.end(); ++next) visit((*next)->key(), (*next)->value());
}

void StateTable::SweepSpilled(size_t slots, std::vector<std::string>* forgotten,
                              const ExpiredEntry& expired) {
  if (spilled_keys() == 0) return;
  spilled_->sweep_due += slots;
  if (spilled_->sweep_due < kLeastSweep * kSlotsAnEntry) return;
  size_t left = std::exchange(spilled_->sweep_due, 0) / kSlotsAnEntry;
  Loose loose;
  const auto cursor = spilled_->store->Scan(spilled_->prefix, spilled_->sweep_from);
  for (; cursor->valid() && left > 0; cursor->Next(), --left) {
    const std::string_view key = cursor->key().substr(spilled_->prefix.size());
    if (!expired(*loose.Set(key, cursor->value()))) continue;
    if (forgotten != nullptr) forgotten->emplace_back(key);
    Unsee(key, cursor->value().size());
    spilled_->store->Remove(std::string(cursor->key()));
  }
  spilled_->store->Fail(cursor->status());
  spilled_->sweep_from = cursor->valid() ? cursor->key() : std::string_view();
}

void StateTable::ClearSpilled(std::vector<std::string>* forgotten) {
  if (spilled_keys() == 0) return;
  const auto cursor = spilled_->store->Scan(spilled_->prefix, "");
  for (; cursor->valid(); cursor->Next()) {
    if (forgotten != nullptr) {
      forgotten->emplace_back(cursor->key().substr(spilled_->prefix.size()));
    }
    spilled_->store->Remove(std::string(cursor->key()));
  }
  spilled_->store->Fail(cursor->status());
  spilled_->tags.Clear();
  spilled_->bytes = 0;
}

}  // namespace levada::scoring
