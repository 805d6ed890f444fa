// The only file that sees Arrow's headers.
#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

#include "core/base/strings.h"
#include "core/base/utf8.h"
#include "services/archiving/file_writer.h"

namespace levada::archiving {
namespace {

constexpr int64_t kRowGroupRows = 128 << 10;
constexpr int kZstdLevel = 3;

absl::Status FromArrow(const arrow::Status& status) {
  return status.ok() ? absl::OkStatus() : absl::InternalError("Parquet: " + status.ToString());
}

// Arrow's view of a TempFile.
class TempFileStream : public arrow::io::OutputStream {
 public:
  explicit TempFileStream(TempFile* file) : file_(file) { set_mode(arrow::io::FileMode::WRITE); }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return static_cast<int64_t>(file_->size()); }
  arrow::Status Write(const void* data, int64_t size) override {
    file_->Append({static_cast<const char*>(data), static_cast<size_t>(size)});
    return arrow::Status::OK();
  }

 private:
  TempFile* file_;
  bool closed_ = false;
};

std::shared_ptr<arrow::DataType> ArrowType(ColumnType type) {
  switch (type) {
    case ColumnType::kBoolean:
      return arrow::boolean();
    case ColumnType::kInt:
      return arrow::int32();
    case ColumnType::kLong:
      return arrow::int64();
    case ColumnType::kFloat:
      return arrow::float32();
    case ColumnType::kDouble:
      return arrow::float64();
    case ColumnType::kDate:
      return arrow::date32();
    case ColumnType::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    default:
      return arrow::utf8();
  }
}

std::shared_ptr<arrow::Schema> MakeSchema(const Columns& columns) {
  arrow::FieldVector fields;
  for (const Column& column : columns) {
    auto metadata = column.doc.empty() ? nullptr : arrow::key_value_metadata({"doc"}, {column.doc});
    fields.push_back(arrow::field(column.name, ArrowType(column.type), true, metadata));
  }
  fields.push_back(arrow::field("_extra", arrow::utf8()));
  fields.push_back(arrow::field("_key", arrow::utf8()));
  fields.push_back(arrow::field("_partition", arrow::int32(), false));
  fields.push_back(arrow::field("_offset", arrow::int64(), false));
  fields.push_back(
      arrow::field("_timestamp", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), false));
  return arrow::schema(fields);
}

template <typename Builder, typename T>
arrow::Status Put(arrow::ArrayBuilder* builder, T value) {
  return static_cast<Builder*>(builder)->Append(value);
}

arrow::Status PutText(arrow::ArrayBuilder* builder, std::string_view text) {
  return static_cast<arrow::StringBuilder*>(builder)->Append(text.data(),
                                                             static_cast<int32_t>(text.size()));
}

arrow::Status PutCell(arrow::ArrayBuilder* builder, ColumnType type, const Cell& cell) {
  if (cell.is_null) return builder->AppendNull();
  switch (type) {
    case ColumnType::kBoolean:
      return Put<arrow::BooleanBuilder>(builder, cell.number != 0);
    case ColumnType::kInt:
      return Put<arrow::Int32Builder>(builder, static_cast<int32_t>(cell.number));
    case ColumnType::kLong:
      return Put<arrow::Int64Builder>(builder, cell.number);
    case ColumnType::kFloat:
      return Put<arrow::FloatBuilder>(builder, static_cast<float>(cell.real));
    case ColumnType::kDouble:
      return Put<arrow::DoubleBuilder>(builder, cell.real);
    case ColumnType::kDate:
      return Put<arrow::Date32Builder>(builder, static_cast<int32_t>(cell.number));
    case ColumnType::kTimestamp:
      return Put<arrow::TimestampBuilder>(builder, cell.number);
    default:
      return PutText(builder, cell.text);
  }
}

// A key as text: what is not UTF-8 is written as U+FFFD, as a reader of the column expects text.
std::string ValidText(std::string_view bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    const int length = base::Utf8SequenceLength(bytes.data() + at, bytes.data() + bytes.size());
    text.append(length > 0 ? bytes.substr(at, static_cast<size_t>(length)) : "\xEF\xBF\xBD");
    at += length > 0 ? static_cast<size_t>(length) : 1;
  }
  return text;
}

class ParquetWriter : public FileWriter {
 public:
  ParquetWriter(const Columns& columns, TempFile* file)
      : columns_(columns),
        schema_(MakeSchema(columns)),
        stream_(std::make_shared<TempFileStream>(file)) {}

  absl::Status Append(const Row& row) override {
    return Guarded([&]() -> arrow::Status {
      ARROW_RETURN_NOT_OK(Open());
      ARROW_RETURN_NOT_OK(AppendRow(row));
      return rows_ < kRowGroupRows ? arrow::Status::OK() : WriteRowGroup();
    });
  }

  size_t buffered() const override { return bytes_; }
  bool can_write_out() const override { return true; }
  absl::Status WriteOut() override {
    return Guarded([&] { return WriteRowGroup(); });
  }

  absl::Status Finish() override {
    return Guarded([&]() -> arrow::Status {
      ARROW_RETURN_NOT_OK(Open());
      ARROW_RETURN_NOT_OK(WriteRowGroup());
      return writer_->Close();
    });
  }

 private:
  // Parquet's own code throws; nothing of that leaves here.
  template <typename Work>
  static absl::Status Guarded(Work&& work) {
    try {
      return FromArrow(work());
    } catch (const std::exception& error) {
      return absl::InternalError(base::StrCat("Parquet: ", error.what()));
    }
  }

  arrow::Status Open() {
    if (writer_ != nullptr) return arrow::Status::OK();
    for (const auto& field : schema_->fields()) {
      builders_.emplace_back();
      ARROW_RETURN_NOT_OK(
          arrow::MakeBuilder(arrow::system_memory_pool(), field->type(), &builders_.back()));
    }
    auto properties = parquet::WriterProperties::Builder()
                          .compression(parquet::Compression::ZSTD)
                          ->compression_level(kZstdLevel)
                          ->max_row_group_length(kRowGroupRows)
                          ->created_by("levada")
                          ->build();
    auto opened = parquet::arrow::FileWriter::Open(*schema_, arrow::system_memory_pool(), stream_,
                                                   std::move(properties));
    ARROW_RETURN_NOT_OK(opened.status());
    writer_ = std::move(opened).ValueUnsafe();
    return arrow::Status::OK();
  }

  arrow::Status AppendRow(const Row& row) {
    // A value costs its text and some bytes for its place and its null bit.
    constexpr size_t kCellBytes = 9;
    for (size_t i = 0; i < columns_.size(); ++i) {
      ARROW_RETURN_NOT_OK(PutCell(builders_[i].get(), columns_[i].type, row.cells[i]));
      bytes_ += kCellBytes + row.cells[i].text.size();
    }
    const Record& record = *row.record;
    auto meta = builders_.begin() + static_cast<ptrdiff_t>(columns_.size());
    ARROW_RETURN_NOT_OK(row.has_extra ? PutText(meta[0].get(), row.extra) : meta[0]->AppendNull());
    ARROW_RETURN_NOT_OK(!record.has_key            ? meta[1]->AppendNull()
                        : base::IsUtf8(record.key) ? PutText(meta[1].get(), record.key)
                                                   : PutText(meta[1].get(), ValidText(record.key)));
    ARROW_RETURN_NOT_OK(Put<arrow::Int32Builder>(meta[2].get(), record.partition));
    ARROW_RETURN_NOT_OK(Put<arrow::Int64Builder>(meta[3].get(), record.offset));
    ARROW_RETURN_NOT_OK(Put<arrow::TimestampBuilder>(meta[4].get(), record.timestamp_ms));
    bytes_ += 5 * kCellBytes + record.key.size() + (row.has_extra ? row.extra.size() : 0);
    ++rows_;
    return arrow::Status::OK();
  }

  arrow::Status WriteRowGroup() {
    if (rows_ == 0) return arrow::Status::OK();
    arrow::ArrayVector arrays;
    for (auto& builder : builders_) {
      arrays.emplace_back();
      ARROW_RETURN_NOT_OK(builder->Finish(&arrays.back()));
    }
    const auto table = arrow::Table::Make(schema_, std::move(arrays), rows_);
    const int64_t rows = rows_;
    rows_ = 0;
    bytes_ = 0;
    return writer_->WriteTable(*table, rows);
  }

  const Columns columns_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::shared_ptr<TempFileStream> stream_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  int64_t rows_ = 0;  // in the builders
  size_t bytes_ = 0;
};

// Holds records until all of the file's are there, then writes them with the columns that they
// need.
class InferringWriter : public FileWriter {
 public:
  InferringWriter(const Columns* columns, TempFile* file) : columns_(columns), file_(file) {}

  absl::Status Append(const Row& row) override {
    const Record& record = *row.record;
    Held held{record, bytes_.size()};
    bytes_.append(record.key).append(record.value);
    held_.push_back(held);
    return absl::OkStatus();
  }

  size_t buffered() const override { return bytes_.size() + held_.size() * sizeof(Held); }
  bool can_write_out() const override { return false; }
  absl::Status WriteOut() override { return absl::OkStatus(); }

  absl::Status Finish() override {
    ParquetWriter writer(*columns_, file_);
    RowReader reader(*columns_, "");
    Row row;
    std::string error;
    for (Held& held : held_) {
      const std::string_view all = bytes_;
      held.record.key = all.substr(held.begin, held.record.key.size());
      held.record.value = all.substr(held.begin + held.record.key.size(), held.record.value.size());
      if (!reader.Read(held.record, &row, &error)) {
        return absl::InternalError("a row does not fit the columns found for it: " + error);
      }
      if (absl::Status added = writer.Append(row); !added.ok()) return added;
    }
    bytes_ = std::string();
    held_.clear();
    return writer.Finish();
  }

 private:
  struct Held {
    Record record;  // its key and value are in bytes_, at `begin`
    size_t begin = 0;
  };

  const Columns* columns_;
  TempFile* file_;
  std::string bytes_;
  std::vector<Held> held_;
};

}  // namespace

std::unique_ptr<FileWriter> MakeParquetWriter(const Columns& columns, TempFile* file) {
  return std::make_unique<ParquetWriter>(columns, file);
}

std::unique_ptr<FileWriter> MakeInferringWriter(const Columns* columns, TempFile* file) {
  return std::make_unique<InferringWriter>(columns, file);
}

}  // namespace levada::archiving
