#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "core/base/strings.h"
#include "services/scoring/state/slab.h"
#include "services/scoring/state/spill_store.h"
#include "services/scoring/state/tag_bag.h"

// Keys and their state: bytes that a step reads and writes in place, and that go to the changelog
// as they are.
//
//   StateTable table(&slab);
//   const uint64_t hash = StateTable::Hash(key);
//   StateTable::Entry* entry = table.Find(key, hash);
//   if (entry == nullptr) entry = table.Add(key, hash, sizeof(Counts));  // zeroed
//   entry->As<Counts>()->events += 1;
//   table.Touch(entry);                     // it goes into the next checkpoint
//
// Open addressing over pointers with linear probing; an entry is one piece of memory with its state
// and its key. Data is aligned to 8 bytes.
//
// Entries that the changelog has may be put into a store on disk. They are found as ever, and are
// in memory again then; what goes over all entries sees them too. What cannot be read there is as
// if it were not, and SpillStore::status() says so: then nothing that followed is to be used.
//
// Threads: one at a time.
namespace levada::scoring {

class StateTable {
 public:
  class Entry {
   public:
    std::string_view key() const { return {data() + capacity_, key_size_}; }
    char* data() { return reinterpret_cast<char*>(this + 1); }
    const char* data() const { return reinterpret_cast<const char*>(this + 1); }
    uint32_t size() const { return size_; }
    uint32_t capacity() const { return capacity_; }  // bytes that it may grow to without moving
    std::span<char> bytes() { return {data(), size_}; }
    std::string_view value() const { return {data(), size_}; }
    uint64_t hash() const { return hash_; }
    // What it takes.
    size_t memory() const { return Slab::Capacity(sizeof(Entry) + capacity_ + key_size_); }
    // The state as a struct of plain data.
    template <typename T>
    T* As() {
      static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 8);
      return reinterpret_cast<T*>(data());
    }

   private:
    friend class StateTable;
    Entry* next_ = nullptr;  // among those that changed
    Entry* previous_ = nullptr;
    uint64_t hash_ = 0;
    uint32_t key_size_ = 0;
    uint32_t size_ = 0;
    uint32_t capacity_ = 0;  // of the data
    bool changed_ = false;
    bool logged_ = false;  // the changelog has it
    bool used_ = false;    // since the last look for cold ones
  };
  static_assert(sizeof(Entry) % 8 == 0);

  explicit StateTable(Slab* slab) : slab_(slab) {}
  StateTable(StateTable&& other) noexcept;
  StateTable& operator=(StateTable&&) = delete;
  ~StateTable();

  static uint64_t Hash(std::string_view key) {
    return absl::Hash<absl::string_view>()(base::AbslView(key));
  }

  Entry* Find(std::string_view key, uint64_t hash) {
    Entry* const entry = FindInMemory(key, hash);
    if (entry != nullptr) {
      entry->used_ = true;
      return entry;
    }
    return spilled_ == nullptr ? nullptr : FindSpilled(key, hash);
  }
  // Of a table of which nothing goes to disk.
  Entry* FindInMemory(std::string_view key, uint64_t hash) const {
    if (count_ == 0) return nullptr;
    for (size_t at = hash & mask_;; at = (at + 1) & mask_) {
      Entry* const entry = slots_[at].entry;
      if (entry == nullptr) return nullptr;
      if (slots_[at].hash == hash && entry->key() == key) return entry;
    }
  }
  // What Find and its caller will read, brought into the cache while other things are done: first
  // where a key is found, some events later the head of its entry, some later the entry's end.
  void PrefetchSlot(uint64_t hash) const {
    if (count_ > 0) __builtin_prefetch(&slots_[hash & mask_]);
  }
  void PrefetchHead(uint64_t hash) const {
    const Entry* const entry = FirstWith(hash);
    if (entry != nullptr) PrefetchLines(reinterpret_cast<const char*>(entry), kHeadLines);
  }
  void PrefetchEnd(uint64_t hash) const {
    const Entry* const entry = FirstWith(hash);
    if (entry == nullptr) return;
    const size_t bytes = sizeof(Entry) + entry->capacity_ + entry->key_size_;
    if (bytes <= kHeadLines * kLine) return;
    const size_t end = std::min<size_t>(bytes - kHeadLines * kLine, kEndLines * kLine);
    PrefetchLines(reinterpret_cast<const char*>(entry) + bytes - end, (end + kLine - 1) / kLine);
  }
  // Too many to be in the cache anyway.
  bool WorthPrefetching() const { return count_ >= kManyKeys; }
  // A key that is not there. Its state is zeroed, and changed.
  Entry* Add(std::string_view key, uint64_t hash, uint32_t size);
  // Changes the size; what is new has no particular value. The entry may move.
  Entry* Resize(Entry* entry, uint32_t size);
  void Touch(Entry* entry) {
    if (!entry->changed_) Link(entry);
  }
  // The key is forgotten. If the changelog has it, `forgotten` (may be null) takes the key.
  void Erase(Entry* entry, std::vector<std::string>* forgotten);
  // All of them.
  void Clear(std::vector<std::string>* forgotten);

  // From the changelog: not changed.
  Entry* Restore(std::string_view key, std::string_view value);

  // Calls `visit(entry)` for each that changed since the last call.
  template <typename Visit>
  void TakeChanged(Visit&& visit) {
    while (changed_ != nullptr) {
      Entry* const entry = changed_;
      Unlink(entry);
      entry->logged_ = true;
      visit(*entry);
    }
  }
  // Each of them; those on disk for the time of the call only, and as they were.
  template <typename Visit>
  void ForEach(Visit&& visit) {
    for (const Slot& slot : slots_) {
      if (slot.entry != nullptr) visit(slot.entry);
    }
    if (spilled_ != nullptr) ForEachSpilled(visit);
  }
  // The same in the order of the keys.
  using VisitValue = std::function<void(std::string_view key, std::string_view value)>;
  void ForEachByKey(const VisitValue& visit);
  // Calls `visit(entry)` for some of the entries; `cursor` is 0 at first, then what the call before
  // has returned; 0: these were the last. Visits each entry that is there all the while, even if
  // others come and go and the table grows or shrinks between the calls (then some twice): it goes
  // by the place where an entry's search begins, in the order of the place's bits from the lowest
  // on, so that when places double, what was seen are whole ones.
  template <typename Visit>
  uint64_t Walk(uint64_t cursor, Visit&& visit) const {
    if (count_ == 0) return 0;
    const size_t home = cursor & mask_;
    for (size_t at = home; slots_[at].entry != nullptr; at = (at + 1) & mask_) {
      if ((slots_[at].hash & mask_) == home) visit(*slots_[at].entry);
    }
    uint64_t bit = (mask_ + 1) >> 1;
    cursor = home;
    while (bit != 0 && (cursor & bit) != 0) {
      cursor ^= bit;
      bit >>= 1;
    }
    return bit == 0 ? 0 : cursor | bit;
  }
  // Whether a walk that is at `cursor` has come to the entry.
  bool Walked(uint64_t cursor, const Entry& entry) const {
    return Reversed(entry.hash_ & mask_) < Reversed(cursor & mask_);
  }
  // Looks at some of the entries, the next ones at the next call, and erases those for which
  // `expired(entry)`.
  template <typename Expired>
  void Sweep(size_t slots, std::vector<std::string>* forgotten, Expired&& expired) {
    if (spilled_ != nullptr) SweepSpilled(slots, forgotten, expired);
    for (size_t i = std::min(slots, slots_.size()); i > 0; --i) {
      sweep_at_ = (sweep_at_ + 1) & mask_;
      // An entry that another one's erasure moves here is looked at too.
      while (slots_[sweep_at_].entry != nullptr && expired(*slots_[sweep_at_].entry)) {
        Erase(slots_[sweep_at_].entry, forgotten);
      }
    }
  }

  size_t size() const { return count_ + spilled_keys(); }

  // ---- Less memory ----
  // Looks at some of the slots, the next ones at the next call, and calls `visit(entry)` for those
  // that the changelog has and that were not used since it came by last. True: it has come round.
  template <typename Visit>
  bool Cold(size_t slots, Visit&& visit) {
    for (size_t i = std::min(slots, slots_.size()); i > 0; --i) {
      cold_at_ = (cold_at_ + 1) & mask_;
      Entry* const entry = slots_[cold_at_].entry;
      const bool clean = entry != nullptr && !entry->changed_ && entry->logged_;
      if (clean && !std::exchange(entry->used_, false)) visit(entry);
      if (cold_at_ == mask_) return true;
    }
    return slots_.empty();
  }
  size_t slots() const { return slots_.size(); }
  // Of those that cannot go yet.
  size_t changed_bytes() const {
    size_t bytes = 0;
    for (const Entry* entry = changed_; entry != nullptr; entry = entry->next_) {
      bytes += entry->memory();
    }
    return bytes;
  }
  // The entry is in the store, by `prefix` and its key; here it no longer is. One store and one
  // prefix a table; the store outlives it.
  void Spilled(Entry* entry, SpillStore* store, const std::string& prefix);
  size_t spilled_keys() const { return spilled_ == nullptr ? 0 : spilled_->tags.size(); }
  uint64_t spilled_bytes() const { return spilled_ == nullptr ? 0 : spilled_->bytes; }

 private:
  // What is in the store.
  struct SpilledPart {
    SpilledPart(Slab* slab, SpillStore* store, std::string prefix)
        : store(store), prefix(std::move(prefix)), tags(slab) {}
    SpillStore* store;
    const std::string prefix;
    TagBag tags;
    uint64_t bytes = 0;
    std::string sweep_from;
    size_t sweep_due = 0;
    std::string key;  // for look-ups
    std::string value;
  };
  // An entry that is in no table.
  class Loose {
   public:
    Entry* Set(std::string_view key, std::string_view value);

   private:
    std::vector<uint64_t> memory_;
  };

  struct Slot {
    uint64_t hash = 0;
    Entry* entry = nullptr;
  };
  static constexpr size_t kLeastSlots = 16;

  using VisitEntry = std::function<void(Entry*)>;
  using ExpiredEntry = std::function<bool(Entry&)>;

  static constexpr size_t kLine = 64;
  static constexpr size_t kHeadLines = 4;
  static constexpr size_t kEndLines = 3;
  static constexpr size_t kManyKeys = 4096;

  static void PrefetchLines(const char* at, size_t lines) {
    for (size_t i = 0; i < lines; ++i) __builtin_prefetch(at + i * kLine);
  }
  // The first entry with this hash: most often the one that is looked for.
  const Entry* FirstWith(uint64_t hash) const {
    if (count_ == 0) return nullptr;
    size_t at = hash & mask_;
    while (slots_[at].entry != nullptr && slots_[at].hash != hash) at = (at + 1) & mask_;
    return slots_[at].entry;
  }

  static uint64_t Reversed(uint64_t bits);
  Entry* FindSpilled(std::string_view key, uint64_t hash);
  void ForEachSpilled(const VisitEntry& visit);
  void SweepSpilled(size_t slots, std::vector<std::string>* forgotten, const ExpiredEntry& expired);
  void ClearSpilled(std::vector<std::string>* forgotten);
  void Unsee(std::string_view key, size_t value_size);
  // Takes it out of its slot.
  void Remove(Entry* entry);
  void FreeAll();
  size_t SlotOf(const Entry* entry) const;
  void Insert(Entry* entry);
  void Rehash(size_t slots);
  void Link(Entry* entry);
  void Unlink(Entry* entry);
  Entry* Make(std::string_view key, uint64_t hash, uint32_t size);
  void Free(Entry* entry);

  Slab* slab_;
  std::vector<Slot> slots_;
  size_t mask_ = 0;
  size_t count_ = 0;
  size_t sweep_at_ = 0;
  size_t cold_at_ = 0;
  Entry* changed_ = nullptr;  // the newest
  std::unique_ptr<SpilledPart> spilled_;
};

}  // namespace levada::scoring
