#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/aggregate/blob.h"

// The form that all states have: entries of one size, and behind them a heap for what grows.
//
//   blob    := head [heap-head] header entry* spare heap
//   head    := u32 entries, u32 capacity     room for `capacity` entries, of which `entries` are in
//   use heap-head := u32 dead, u32 0             only where entries have chunks; `dead`: bytes of
//   the heap
//                                            that no chunk has
//   header  := what the owner keeps once
//   entry   := prefix (the owner's) accumulators
//   heap    := the chunks, in any order, with what is dead between them
//   chunk   := {u32 offset in the heap, u32 capacity} in an entry refers to it
//
// All numbers are little endian. An entry of zeros is one to which nothing was added.
//
// Thread-safety: one thread at a time.
namespace levada::aggregate {

struct Chunk {
  uint32_t offset = 0;
  uint32_t capacity = 0;
};

// Sizes, the same for all blobs of a state.
struct Layout {
  uint32_t header_bytes = 0;
  uint32_t prefix_bytes = 0;
  uint32_t entry_bytes = 0;      // the prefix included
  std::vector<uint32_t> chunks;  // where in an entry the chunks are referred to

  bool has_heap() const { return !chunks.empty(); }
  uint32_t head_bytes() const { return has_heap() ? 16 : 8; }
  uint32_t begin_of_entries() const { return head_bytes() + header_bytes; }
};

// A blob that is read and changed as a table. Made anew for each use: it is two pointers.
class Table {
 public:
  static constexpr uint32_t kMaxEntries = 1u << 20;

  Table(const Layout* layout, Blob* blob) : layout_(layout), blob_(blob) {}

  // A blob without bytes becomes a table without entries, its header zeros.
  void Initialise();

  const Layout& layout() const { return *layout_; }
  char* data() { return blob_->data(); }
  uint32_t size() const { return Load<uint32_t>(blob_->data()); }
  char* header() { return blob_->data() + layout_->head_bytes(); }
  // Where an entry begins in the blob, which it does until entries are inserted or erased; and as a
  // pointer, which is good until anything is added.
  size_t At(uint32_t entry) const {
    return layout_->begin_of_entries() + size_t{entry} * layout_->entry_bytes;
  }
  char* Entry(uint32_t entry) { return blob_->data() + At(entry); }

  // A new entry of zeros before the one that has this number.
  void Insert(uint32_t entry);
  // Takes entries away. Their chunks must have been freed, or moved to others with their bytes.
  void Erase(uint32_t first, uint32_t count);
  // Makes an entry one of zeros, but for its prefix.
  void Clear(uint32_t entry);
  void FreeChunksOf(uint32_t entry);

  // A chunk is known by where in the blob it is referred to.
  uint32_t CapacityOf(size_t ref) const { return Load<Chunk>(blob_->data() + ref).capacity; }
  char* ChunkAt(size_t ref) {
    return blob_->data() + heap_begin() + Load<Chunk>(blob_->data() + ref).offset;
  }
  // Makes the chunk at least this large; its bytes stay, new ones are zeros.
  void Reserve(size_t ref, size_t bytes);
  void Free(size_t ref);
  // Takes back the heap's dead bytes where they are more than those in use. Between two changes:
  // everything moves. `scratch` is memory that is kept for the next time.
  void CompactIfWorthwhile(std::string* scratch);

  // Whether the bytes are a table that may be used, as far as the table goes: sizes fit, and no two
  // chunks overlap.
  absl::Status Check() const;

  // Most bytes a blob may have: `entries`, each with chunks of at most `chunk_bytes` together.
  static uint64_t MaxBytes(const Layout& layout, uint64_t entries, uint64_t chunk_bytes);

 private:
  static constexpr uint32_t kWorthwhile = 1024;

  uint32_t capacity() const { return Load<uint32_t>(blob_->data() + 4); }
  void set_size(uint32_t size) { Store(blob_->data(), size); }
  void set_capacity(uint32_t capacity) { Store(blob_->data() + 4, capacity); }
  uint32_t dead() const { return Load<uint32_t>(blob_->data() + 8); }
  void set_dead(uint32_t dead) { Store(blob_->data() + 8, dead); }
  size_t heap_begin() const { return At(capacity()); }
  size_t heap_bytes() const { return blob_->size() - heap_begin(); }
  void GrowEntries();
  void Compact(std::string* scratch);

  const Layout* layout_;
  Blob* blob_;
};

}  // namespace levada::aggregate
