#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Text in columns, as wide as their widest cell.
//
//   Table table({{"STAGE"}, {"LAG", Align::kRight}});
//   table.Add({"detect", "12"});
//   std::cout << table.Render(80);
//
// A column whose cells are all "-" or empty is left out.
//
// Threads: one.
namespace levada::cli {

enum class Align { kLeft, kRight };

struct Column {
  std::string_view title;
  Align align = Align::kLeft;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  // Lines are cut at `width` characters (0: not).
  std::string Render(int width) const;

 private:
  const std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// The text cut at `width` characters, never inside one; 0: whole.
std::string Clip(std::string_view text, int width);
// Characters of a UTF-8 text.
int Characters(std::string_view text);

// Cells: "-" for what is negative, that is not known.
std::string CountCell(int64_t number);
std::string BytesCell(int64_t bytes);
std::string RateCell(double per_second);
std::string MillisCell(double ms);
// How long ago an RFC 3339 time was: "3m", "2d"; "-" for what is none.
std::string AgeCell(std::string_view time, int64_t now_micros);

}  // namespace levada::cli
