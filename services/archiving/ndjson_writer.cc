#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "services/archiving/file_writer.h"

namespace levada::archiving {
namespace {

constexpr size_t kStep = 64 << 10;

class Compressor {
 public:
  virtual ~Compressor() = default;
  // Gives the file what `bytes` compress to, as far as it is known; all of it with `end`.
  virtual absl::Status Write(std::string_view bytes, bool end) = 0;
};

class NoCompressor : public Compressor {
 public:
  explicit NoCompressor(TempFile* file) : file_(file) {}
  absl::Status Write(std::string_view bytes, bool) override {
    file_->Append(bytes);
    return absl::OkStatus();
  }

 private:
  TempFile* file_;
};

class GzipCompressor : public Compressor {
 public:
  explicit GzipCompressor(TempFile* file) : file_(file) {
    constexpr int kGzipFormat = 15 + 16;
    constexpr int kMemory = 8;
    usable_ = deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipFormat, kMemory,
                           Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~GzipCompressor() override { deflateEnd(&stream_); }

  absl::Status Write(std::string_view bytes, bool end) override {
    if (!usable_) return absl::InternalError("zlib has no memory");
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(out_);
      stream_.avail_out = sizeof out_;
      deflate(&stream_, end ? Z_FINISH : Z_NO_FLUSH);
      file_->Append({out_, sizeof out_ - stream_.avail_out});
    } while (stream_.avail_out == 0);
    return absl::OkStatus();
  }

 private:
  TempFile* file_;
  z_stream stream_{};
  bool usable_ = false;
  char out_[kStep];
};

class ZstdCompressor : public Compressor {
 public:
  explicit ZstdCompressor(TempFile* file) : file_(file), context_(ZSTD_createCCtx()) {
    // A window of 512 KiB bounds what an open file costs in memory.
    constexpr int kWindowLog = 19;
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, 3);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_windowLog, kWindowLog);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
  }
  ~ZstdCompressor() override { ZSTD_freeCCtx(context_); }

  absl::Status Write(std::string_view bytes, bool end) override {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{out_, sizeof out_, 0};
      const size_t left =
          ZSTD_compressStream2(context_, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left)) return absl::InternalError(ZSTD_getErrorName(left));
      file_->Append({out_, out.pos});
      if (end ? left == 0 : in.pos == in.size) return absl::OkStatus();
    }
  }

 private:
  TempFile* file_;
  ZSTD_CCtx* context_;
  char out_[kStep];
};

class NdjsonWriter : public FileWriter {
 public:
  explicit NdjsonWriter(std::unique_ptr<Compressor> compressor)
      : compressor_(std::move(compressor)) {}

  absl::Status Append(const Row& row) override {
    AppendNdjsonLine(*row.record, &lines_);
    return lines_.size() >= kStep ? WriteOut() : absl::OkStatus();
  }
  size_t buffered() const override { return lines_.size(); }
  bool can_write_out() const override { return true; }
  absl::Status WriteOut() override { return Write(false); }
  absl::Status Finish() override { return Write(true); }

 private:
  absl::Status Write(bool end) {
    const absl::Status status = compressor_->Write(lines_, end);
    lines_.clear();
    return status;
  }

  std::unique_ptr<Compressor> compressor_;
  std::string lines_;
};

}  // namespace

std::unique_ptr<FileWriter> MakeNdjsonWriter(v1::Compression compression, TempFile* file) {
  std::unique_ptr<Compressor> compressor;
  switch (compression) {
    case v1::COMPRESSION_NONE:
      compressor = std::make_unique<NoCompressor>(file);
      break;
    case v1::COMPRESSION_GZIP:
      compressor = std::make_unique<GzipCompressor>(file);
      break;
    default:
      compressor = std::make_unique<ZstdCompressor>(file);
  }
  return std::make_unique<NdjsonWriter>(std::move(compressor));
}

std::string_view NdjsonSuffix(v1::Compression compression) {
  if (compression == v1::COMPRESSION_NONE) return ".ndjson";
  return compression == v1::COMPRESSION_GZIP ? ".ndjson.gz" : ".ndjson.zst";
}

void AppendNdjsonLine(const Record& record, std::string* out) {
  const size_t begin = out->size();
  out->append(record.has_value ? record.value : "null");
  // Within strings JSON has no line breaks: all that are here are white space.
  std::replace_if(
      out->begin() + static_cast<ptrdiff_t>(begin), out->end(),
      [](char c) { return c == '\n' || c == '\r'; }, ' ');
  out->push_back('\n');
}

}  // namespace levada::archiving
