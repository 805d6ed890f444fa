#pragma once

#include "core/aggregate/blob.h"
#include "services/scoring/state/table.h"

// The state of a key as the blob that core/aggregate works on, in place.
//
//   EntryBlob blob(&table, key, hash);        // an empty one where the key is new
//   sliding.Update(&blob, time, …);
//   blob.Done();                              // it goes into the next checkpoint
//
// Threads: one at a time.
namespace levada::scoring {

class EntryBlob final : public aggregate::Blob {
 public:
  EntryBlob(StateTable* table, std::string_view key, uint64_t hash) : table_(table) {
    entry_ = table->Find(key, hash);
    if (entry_ == nullptr) entry_ = table->Add(key, hash, 0);
    Take();
  }
  EntryBlob(StateTable* table, StateTable::Entry* entry) : table_(table), entry_(entry) { Take(); }

  // Its size may have changed without its memory.
  StateTable::Entry* Done() {
    entry_ = table_->Resize(entry_, static_cast<uint32_t>(size_));
    table_->Touch(entry_);
    return entry_;
  }

 private:
  void Take() {
    data_ = entry_->data();
    size_ = entry_->size();
    capacity_ = entry_->capacity();
  }
  void Grow(size_t size) override {
    // What was written beyond the entry's own size is to move too.
    entry_ = table_->Resize(entry_, static_cast<uint32_t>(size_));
    entry_ = table_->Resize(entry_, static_cast<uint32_t>(size));
    const size_t used = size_;
    Take();
    size_ = used;
  }

  StateTable* table_;
  StateTable::Entry* entry_;
};

}  // namespace levada::scoring
