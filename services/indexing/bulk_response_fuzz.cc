#include <cstdlib>

#include "core/base/utf8.h"
#include "services/indexing/bulk_response.h"

// Whatever a server (or what stands before it) answers: no crash, and never fewer or more outcomes
// than there were items.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const size_t items : {0, 1, 3}) {
    const auto read = levada::indexing::ParseBulkResponse(body, items);
    if (read.ok() && !read->empty() && read->size() != items) std::abort();
  }
  if (!levada::base::IsUtf8(levada::indexing::ErrorReason(body))) std::abort();
  return 0;
}
