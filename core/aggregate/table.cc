#include "core/aggregate/table.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/base/strings.h"

namespace levada::aggregate {
namespace {

// What a growing chunk takes beside what is asked for, so that its growth costs little on average.
size_t Room(size_t bytes, size_t before) {
  return (std::max(bytes, before + before / 2) + 7) & ~size_t{7};
}

absl::Status Broken(std::string_view what) {
  return absl::DataLossError(base::StrCat("the state is broken: ", what));
}

}  // namespace

void Table::Initialise() {
  if (!blob_->empty()) return;
  const size_t bytes = layout_->begin_of_entries();
  blob_->Resize(bytes);
  std::memset(blob_->data(), 0, bytes);
}

// Without a heap behind them the entries take just what they need.
void Table::GrowEntries() {
  const uint32_t before = capacity();
  const uint32_t after = layout_->has_heap() ? before + before / 4 + 1 : before + 1;
  const size_t heap_size = heap_bytes();
  const size_t from = heap_begin();
  const size_t to = At(after);
  blob_->Resize(to + heap_size);
  std::memmove(blob_->data() + to, blob_->data() + from, heap_size);
  std::memset(blob_->data() + from, 0, to - from);
  set_capacity(after);
}

void Table::Insert(uint32_t entry) {
  const uint32_t count = size();
  if (count == capacity()) GrowEntries();
  char* const at = Entry(entry);
  std::memmove(at + layout_->entry_bytes, at, size_t{count - entry} * layout_->entry_bytes);
  std::memset(at, 0, layout_->entry_bytes);
  set_size(count + 1);
}

void Table::Erase(uint32_t first, uint32_t count) {
  if (count == 0) return;
  const uint32_t before = size();
  const uint32_t left = before - count;
  std::memmove(Entry(first), Entry(first + count), At(before) - At(first + count));
  set_size(left);
  if (layout_->has_heap()) {
    // Spare room is zeros, so that equal states are equal bytes.
    std::memset(Entry(left), 0, At(before) - At(left));
  } else {
    set_capacity(left);
    blob_->Resize(At(left));
  }
}

void Table::FreeChunksOf(uint32_t entry) {
  for (const uint32_t chunk : layout_->chunks) Free(At(entry) + chunk);
}

void Table::Clear(uint32_t entry) {
  FreeChunksOf(entry);
  std::memset(Entry(entry) + layout_->prefix_bytes, 0,
              layout_->entry_bytes - layout_->prefix_bytes);
}

void Table::Reserve(size_t ref, size_t bytes) {
  Chunk chunk = Load<Chunk>(blob_->data() + ref);
  if (bytes <= chunk.capacity) return;
  const size_t want = Room(bytes, chunk.capacity);
  const size_t begin = heap_begin();
  const size_t end = blob_->size();
  if (chunk.capacity > 0 && begin + chunk.offset + chunk.capacity == end) {
    blob_->Resize(begin + chunk.offset + want);
  } else {
    blob_->Resize(end + want);
    if (chunk.capacity > 0) {
      std::memcpy(blob_->data() + end, blob_->data() + begin + chunk.offset, chunk.capacity);
      set_dead(dead() + chunk.capacity);
    }
    chunk.offset = static_cast<uint32_t>(end - begin);
  }
  std::memset(blob_->data() + begin + chunk.offset + chunk.capacity, 0, want - chunk.capacity);
  chunk.capacity = static_cast<uint32_t>(want);
  Store(blob_->data() + ref, chunk);
}

void Table::Free(size_t ref) {
  const Chunk chunk = Load<Chunk>(blob_->data() + ref);
  if (chunk.capacity == 0) return;
  set_dead(dead() + chunk.capacity);
  Store(blob_->data() + ref, Chunk());
}

void Table::CompactIfWorthwhile(std::string* scratch) {
  if (!layout_->has_heap()) return;
  const size_t gone = dead();
  const size_t used = heap_bytes() - gone;
  if (gone > used + kWorthwhile) Compact(scratch);
}

void Table::Compact(std::string* scratch) {
  scratch->clear();
  for (uint32_t entry = 0; entry < size(); ++entry) {
    for (const uint32_t where : layout_->chunks) {
      const size_t ref = At(entry) + where;
      Chunk chunk = Load<Chunk>(blob_->data() + ref);
      if (chunk.capacity == 0) continue;
      const auto offset = static_cast<uint32_t>(scratch->size());
      scratch->append(ChunkAt(ref), chunk.capacity);
      chunk.offset = offset;
      Store(blob_->data() + ref, chunk);
    }
  }
  const uint32_t spare = size() / 4 + 1;
  if (capacity() > size() + spare) set_capacity(size() + spare);
  blob_->Resize(heap_begin() + scratch->size());
  std::memcpy(blob_->data() + heap_begin(), scratch->data(), scratch->size());
  set_dead(0);
}

absl::Status Table::Check() const {
  if (blob_->size() < layout_->begin_of_entries()) return Broken("too short");
  if (size() > capacity() || capacity() > kMaxEntries) return Broken("number of entries");
  if (heap_begin() > blob_->size()) return Broken("entries beyond its end");
  if (!layout_->has_heap()) {
    return size() == capacity() && heap_bytes() == 0 ? absl::OkStatus() : Broken("size");
  }
  std::vector<std::pair<uint64_t, uint64_t>> chunks;
  for (uint32_t entry = 0; entry < size(); ++entry) {
    for (const uint32_t where : layout_->chunks) {
      const Chunk chunk = Load<Chunk>(blob_->data() + At(entry) + where);
      if (chunk.capacity > 0) chunks.emplace_back(chunk.offset, chunk.capacity);
    }
  }
  std::sort(chunks.begin(), chunks.end());
  uint64_t end = 0;
  uint64_t used = 0;
  for (const auto& [offset, bytes] : chunks) {
    if (offset < end) return Broken("chunks overlap");
    end = offset + bytes;
    used += bytes;
  }
  if (end > heap_bytes()) return Broken("a chunk beyond its end");
  if (used + dead() != heap_bytes()) return Broken("size of the heap");
  for (size_t at = At(size()); at < heap_begin(); ++at) {
    if (blob_->data()[at] != 0) return Broken("spare room that is in use");
  }
  return absl::OkStatus();
}

uint64_t Table::MaxBytes(const Layout& layout, uint64_t entries, uint64_t chunk_bytes) {
  const uint64_t fixed = layout.begin_of_entries();
  if (!layout.has_heap()) return fixed + entries * layout.entry_bytes;
  // Room(), the dead bytes that are waited for, and those of one change.
  const uint64_t heap = entries * (chunk_bytes + chunk_bytes / 2 + 8 * layout.chunks.size());
  return fixed + (entries + entries / 4 + 1) * layout.entry_bytes + 4 * heap + kWorthwhile;
}

}  // namespace levada::aggregate
