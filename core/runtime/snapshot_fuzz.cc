// Any bytes as a snapshot: refused, or read to their end. The checks are mended first where the
// input says so, so that what lies behind them is reached.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "core/base/hash.h"
#include "core/runtime/snapshot_file.h"

namespace {

uint32_t Number(const std::string& bytes, size_t at) {
  uint32_t number = 0;
  bytes.copy(reinterpret_cast<char*>(&number), sizeof number, at);
  return number;
}

// As far as the parts' sizes lead.
void MendChecks(std::string* bytes) {
  uint64_t part = 0;
  size_t at = 16;
  size_t size = bytes->size() < at ? 0 : Number(*bytes, 12);
  while (at + size + sizeof(uint64_t) <= bytes->size()) {
    const uint64_t check =
        levada::base::HashBytes(std::string_view(*bytes).substr(at, size), part++);
    bytes->replace(at + size, sizeof check, reinterpret_cast<const char*>(&check), sizeof check);
    at += size + sizeof check;
    if (at + sizeof(uint32_t) > bytes->size()) return;
    size = Number(*bytes, at);
    // The end's check is over its size and count.
    at += size == 0 ? 0 : sizeof(uint32_t);
    size = size == 0 ? sizeof(uint32_t) + sizeof(uint64_t) : size;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path = "/dev/shm/levada-snapshot-fuzz-" + std::to_string(getpid());
  static const bool removed = std::atexit([] { std::remove(path.c_str()); }) == 0;
  if (!removed || size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] & 1) MendChecks(&bytes);
  std::ofstream(path, std::ios::binary) << bytes;
  auto reader = levada::runtime::SnapshotReader::Open(path);
  if (!reader.ok()) return 0;
  uint64_t seen = 0;
  for (auto batch = (*reader)->Next(); batch.ok() && !batch->empty(); batch = (*reader)->Next()) {
    for (const levada::Record& record : batch->records()) {
      seen += std::string(record.key).size() + std::string(record.value).size();
    }
  }
  if (seen > size) std::abort();
  return 0;
}
