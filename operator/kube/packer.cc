#include "operator/kube/packer.h"

#include <zstd.h>

#include <algorithm>

namespace levada::kube {
namespace {

constexpr int kLevel = 3;
// So many texts are looked at before there is a dictionary, of the first so many bytes each.
constexpr size_t kSampled = 16;
constexpr size_t kLongestSample = 64 << 10;
constexpr size_t kLongestDictionary = 128 << 10;

// One of each for all threads: they take more memory than what they are used for, and for
// microseconds.
struct Contexts {
  std::mutex mutex;
  ZSTD_CCtx* compress = ZSTD_createCCtx();
  ZSTD_DCtx* decompress = ZSTD_createDCtx();
};

Contexts& Shared() {
  static Contexts& contexts = *new Contexts;
  return contexts;
}

}  // namespace

class Dictionary {
 public:
  explicit Dictionary(std::string_view text)
      : compress_(ZSTD_createCDict(text.data(), text.size(), kLevel)),
        decompress_(ZSTD_createDDict(text.data(), text.size())) {}
  ~Dictionary() {
    ZSTD_freeCDict(compress_);
    ZSTD_freeDDict(decompress_);
  }
  Dictionary(const Dictionary&) = delete;
  Dictionary& operator=(const Dictionary&) = delete;

  const ZSTD_CDict* compress() const { return compress_; }
  const ZSTD_DDict* decompress() const { return decompress_; }

 private:
  ZSTD_CDict* const compress_;
  ZSTD_DDict* const decompress_;
};

void Packer::Learn(std::string_view text) {
  if (dictionary_ != nullptr) return;
  sample_ += text.substr(0, std::min(kLongestSample, kLongestDictionary - sample_.size()));
  if (++sampled_ < kSampled) return;
  dictionary_ = std::make_shared<const Dictionary>(sample_);
  sample_ = {};
}

Packed Packer::Pack(std::string_view text) {
  Packed packed{.size = text.size()};
  {
    const std::lock_guard lock(mutex_);
    packed.dictionary = dictionary_;
    Learn(text);
  }
  std::string room(ZSTD_compressBound(text.size()), '\0');
  Contexts& contexts = Shared();
  const std::lock_guard lock(contexts.mutex);
  const size_t size =
      packed.dictionary == nullptr
          ? ZSTD_compressCCtx(contexts.compress, room.data(), room.size(), text.data(), text.size(),
                              kLevel)
          : ZSTD_compress_usingCDict(contexts.compress, room.data(), room.size(), text.data(),
                                     text.size(), packed.dictionary->compress());
  // It fails only without room, and there is room.
  packed.bytes.assign(room, 0, ZSTD_isError(size) ? 0 : size);
  return packed;
}

std::string Unpack(const Packed& packed) {
  std::string text(packed.size, '\0');
  Contexts& contexts = Shared();
  const std::lock_guard lock(contexts.mutex);
  if (packed.dictionary == nullptr) {
    ZSTD_decompressDCtx(contexts.decompress, text.data(), text.size(), packed.bytes.data(),
                        packed.bytes.size());
  } else {
    ZSTD_decompress_usingDDict(contexts.decompress, text.data(), text.size(), packed.bytes.data(),
                               packed.bytes.size(), packed.dictionary->decompress());
  }
  return text;
}

}  // namespace levada::kube
