#include <bit>

#include "core/json/lookup.h"
#include "core/json/scan.h"

namespace levada::json {

int FieldSet::Find(std::string_view name) const { return Lookup(name, name.data() + name.size()); }

int FieldSet::Add(std::string_view name) {
  const int found = Find(name);
  if (found >= 0) return found;
  names_.emplace_back(name);
  if (names_.size() * 4 <= table_.size()) {
    Insert(size() - 1);
    return size() - 1;
  }
  table_.assign(std::bit_ceil(names_.size() * 4), Entry());
  mask_ = static_cast<uint32_t>(table_.size() - 1);
  shift_ = 64 - std::countr_zero(table_.size());
  for (int slot = 0; slot < size(); ++slot) Insert(slot);
  return size() - 1;
}

void FieldSet::Insert(int slot) {
  const std::string& name = names_[slot];
  if (!name.empty()) initials_[name.size() & 63] |= uint32_t{1} << (name[0] & 31);
  const internal::KeyBits bits =
      internal::BitsOf(name.data(), name.size(), name.data() + name.size());
  size_t at = internal::Hash(bits, name.size()) >> shift_;
  while (table_[at].slot >= 0) at = (at + 1) & mask_;
  table_[at] = {bits.head, bits.tail, static_cast<uint32_t>(name.size()), slot};
}

}  // namespace levada::json
