#include "services/scoring/state/table.h"

#include <algorithm>
#include <new>
#include <utility>

namespace levada::scoring {

StateTable::StateTable(StateTable&& other) noexcept
    : slab_(other.slab_),
      slots_(std::move(other.slots_)),
      mask_(std::exchange(other.mask_, 0)),
      count_(std::exchange(other.count_, 0)),
      sweep_at_(std::exchange(other.sweep_at_, 0)),
      cold_at_(std::exchange(other.cold_at_, 0)),
      changed_(std::exchange(other.changed_, nullptr)),
      spilled_(std::move(other.spilled_)) {
  other.slots_.clear();
}

StateTable::~StateTable() { FreeAll(); }

StateTable::Entry* StateTable::Make(std::string_view key, uint64_t hash, uint32_t size) {
  const size_t total = Slab::Capacity(sizeof(Entry) + (size + 7) / 8 * 8 + key.size());
  auto* const entry = new (slab_->Take(total)) Entry;
  entry->hash_ = hash;
  entry->used_ = true;
  entry->key_size_ = static_cast<uint32_t>(key.size());
  entry->size_ = size;
  // What the size class has to spare is room for the state to grow.
  entry->capacity_ = static_cast<uint32_t>((total - sizeof(Entry) - key.size()) / 8 * 8);
  std::memset(entry->data(), 0, entry->capacity_);
  if (!key.empty()) std::memcpy(entry->data() + entry->capacity_, key.data(), key.size());
  return entry;
}

void StateTable::Free(Entry* entry) {
  slab_->Give(entry, Slab::Capacity(sizeof(Entry) + entry->capacity_ + entry->key_size_));
}

StateTable::Entry* StateTable::Add(std::string_view key, uint64_t hash, uint32_t size) {
  Entry* const entry = Make(key, hash, size);
  Insert(entry);
  Link(entry);
  return entry;
}

StateTable::Entry* StateTable::Resize(Entry* entry, uint32_t size) {
  if (size <= entry->capacity_) {
    entry->size_ = size;
    return entry;
  }
  Entry* const moved = Make(entry->key(), entry->hash_, size);
  std::memcpy(moved->data(), entry->data(), entry->size_);
  moved->logged_ = entry->logged_;
  moved->used_ = entry->used_;
  slots_[SlotOf(entry)].entry = moved;
  if (entry->changed_) {
    Unlink(entry);
    Link(moved);
  }
  Free(entry);
  return moved;
}

void StateTable::Erase(Entry* entry, std::vector<std::string>* forgotten) {
  if (entry->logged_ && forgotten != nullptr) forgotten->emplace_back(entry->key());
  if (entry->changed_) Unlink(entry);
  Remove(entry);
}

void StateTable::Remove(Entry* entry) {
  // Those behind it move up, so that no search ends too early.
  size_t hole = SlotOf(entry);
  for (size_t at = (hole + 1) & mask_; slots_[at].entry != nullptr; at = (at + 1) & mask_) {
    const size_t home = slots_[at].hash & mask_;
    if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
  --count_;
  Free(entry);
}

void StateTable::Clear(std::vector<std::string>* forgotten) {
  if (forgotten != nullptr) {
    for (const Slot& slot : slots_) {
      if (slot.entry != nullptr && slot.entry->logged_) forgotten->emplace_back(slot.entry->key());
    }
  }
  ClearSpilled(forgotten);
  FreeAll();
}

void StateTable::FreeAll() {
  for (const Slot& slot : slots_) {
    if (slot.entry != nullptr) Free(slot.entry);
  }
  slab_->Count(-static_cast<ptrdiff_t>(slots_.size() * sizeof(Slot)));
  slots_ = {};
  mask_ = 0;
  count_ = 0;
  changed_ = nullptr;
}

StateTable::Entry* StateTable::Restore(std::string_view key, std::string_view value) {
  const uint64_t hash = Hash(key);
  const auto size = static_cast<uint32_t>(value.size());
  Entry* entry = Find(key, hash);
  if (entry == nullptr) {
    entry = Make(key, hash, size);
    Insert(entry);
  } else {
    entry = Resize(entry, size);
  }
  if (!value.empty()) std::memcpy(entry->data(), value.data(), value.size());
  entry->logged_ = true;
  entry->used_ = false;
  return entry;
}

size_t StateTable::SlotOf(const Entry* entry) const {
  size_t at = entry->hash_ & mask_;
  while (slots_[at].entry != entry) at = (at + 1) & mask_;
  return at;
}

void StateTable::Insert(Entry* entry) {
  if ((count_ + 1) * 4 > slots_.size() * 3) Rehash(std::max(kLeastSlots, slots_.size() * 2));
  size_t at = entry->hash_ & mask_;
  while (slots_[at].entry != nullptr) at = (at + 1) & mask_;
  slots_[at] = {entry->hash_, entry};
  ++count_;
}

void StateTable::Rehash(size_t slots) {
  std::vector<Slot> old(slots);
  slab_->Count(static_cast<ptrdiff_t>((old.size() - slots_.size()) * sizeof(Slot)));
  old.swap(slots_);
  mask_ = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.entry == nullptr) continue;
    size_t at = slot.hash & mask_;
    while (slots_[at].entry != nullptr) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
}

void StateTable::Link(Entry* entry) {
  entry->changed_ = true;
  entry->previous_ = nullptr;
  entry->next_ = changed_;
  if (changed_ != nullptr) changed_->previous_ = entry;
  changed_ = entry;
}

void StateTable::Unlink(Entry* entry) {
  (entry->previous_ != nullptr ? entry->previous_->next_ : changed_) = entry->next_;
  if (entry->next_ != nullptr) entry->next_->previous_ = entry->previous_;
  entry->changed_ = false;
}

}  // namespace levada::scoring
