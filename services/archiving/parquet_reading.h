#pragma once

#include <string>
#include <vector>

// Reads Parquet files back, for tests: each row as one line of JSON in the columns' order, times
// and dates as Arrow prints them, null as null, text without quotes.
namespace levada::archiving {

struct ParquetContent {
  std::vector<std::string> columns;  // "name: type"
  std::vector<std::string> rows;     // "value|value|…"
  int row_groups = 0;
};

ParquetContent ReadParquet(const std::string& path);

}  // namespace levada::archiving
