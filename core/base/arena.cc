#include "core/base/arena.h"

namespace levada::base {

void* Arena::AllocateFromNewBlock(size_t bytes) {
  if (bytes > block_bytes_ / 4) {  // would waste most of a block; the current one stays in use
    large_.emplace_back(new char[bytes]);
    large_bytes_ += bytes;
    reserved_ += bytes;
    return large_.back().get();
  }
  if (next_block_ == blocks_.size()) {
    blocks_.emplace_back(new char[block_bytes_]);
    reserved_ += block_bytes_;
  }
  current_ = blocks_[next_block_++].get();
  capacity_ = block_bytes_;
  used_ = bytes;
  return current_;
}

void Arena::Reset() {
  large_.clear();
  reserved_ -= large_bytes_;
  large_bytes_ = 0;
  next_block_ = 0;
  current_ = nullptr;
  used_ = capacity_ = 0;
}

}  // namespace levada::base
