#include "core/http/gzip.h"

#include <zlib.h>

#include <algorithm>

#include "core/base/strings.h"

namespace levada::http {
namespace {

constexpr int kGzipOnly = 15 + 16;  // window bits; +16: gzip header and trailer
constexpr size_t kStep = 64 << 10;

// Inflates one member; *input moves behind it.
absl::Status InflateMember(z_stream* stream, size_t max_bytes, std::string* out) {
  for (;;) {
    const size_t begin = out->size();
    // One byte more than allowed, to tell "exactly full" from "too large".
    const size_t room = std::min(kStep, max_bytes + 1 - begin);
    out->resize(begin + room);
    stream->next_out = reinterpret_cast<Bytef*>(out->data() + begin);
    stream->avail_out = static_cast<uInt>(room);
    const int code = inflate(stream, Z_NO_FLUSH);
    out->resize(begin + room - stream->avail_out);
    if (out->size() > max_bytes) {
      return absl::ResourceExhaustedError(
          base::StrCat("the body is larger than ", max_bytes, " bytes when decompressed"));
    }
    if (code == Z_STREAM_END) return absl::OkStatus();
    if (code == Z_BUF_ERROR || (code == Z_OK && stream->avail_in == 0 && stream->avail_out > 0)) {
      return absl::InvalidArgumentError("the gzip body ends in the middle");
    }
    if (code != Z_OK) {
      return absl::InvalidArgumentError(base::StrCat(
          "the body is not gzip: ", stream->msg != nullptr ? stream->msg : "damaged data"));
    }
  }
}

}  // namespace

absl::Status Gunzip(std::string_view compressed, size_t max_bytes, std::string* out) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) return absl::InternalError("zlib has no memory");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  const size_t limit = out->size() + max_bytes;
  absl::Status status;
  do {
    status = InflateMember(&stream, limit, out);
    if (status.ok() && stream.avail_in > 0) inflateReset(&stream);
  } while (status.ok() && stream.avail_in > 0);
  inflateEnd(&stream);
  return status;
}

}  // namespace levada::http
