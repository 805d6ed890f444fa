#include "services/archiving/parquet_reading.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>

#include <cstdlib>
#include <iostream>

namespace levada::archiving {
namespace {

template <typename T>
T Check(arrow::Result<T> result) {
  if (!result.ok()) {
    std::cerr << result.status().ToString() << std::endl;
    std::abort();
  }
  return std::move(result).ValueUnsafe();
}

}  // namespace

ParquetContent ReadParquet(const std::string& path) {
  auto reader = Check(parquet::arrow::OpenFile(Check(arrow::io::ReadableFile::Open(path)),
                                               arrow::default_memory_pool()));
  ParquetContent content;
  content.row_groups = reader->num_row_groups();
  const auto table = Check(Check(reader->ReadTable())->CombineChunks());
  for (const auto& field : table->schema()->fields()) {
    content.columns.push_back(field->name() + ": " + field->type()->ToString());
  }
  for (int64_t row = 0; row < table->num_rows(); ++row) {
    std::string line;
    for (int column = 0; column < table->num_columns(); ++column) {
      if (column > 0) line += '|';
      line += Check(table->column(column)->GetScalar(row))->ToString();
    }
    content.rows.push_back(line);
  }
  return content;
}

}  // namespace levada::archiving
