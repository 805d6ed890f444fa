#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

// The rows of a CSV file (core/base/csv.h) by one of its columns, each as a JSON object of strings.
// The first record names the columns.
//
//   auto table = CsvTable::Load("countries.csv", "code");     // "": the first column
//   std::optional<std::string_view> row = (*table)->Find("DE");   // {"code":"DE","risk":"low"}
//
// Errors name the line: a row with more or fewer fields than the header, a column or a key that
// comes twice, what is no CSV. At most 256 MiB and 1024 columns.
//
// Thread-safety: a table does not change.
namespace levada::scoring {

class CsvTable {
 public:
  // InvalidArgument.
  static absl::StatusOr<std::unique_ptr<CsvTable>> Load(const std::string& path,
                                                        const std::string& key);
  static absl::StatusOr<std::unique_ptr<CsvTable>> Parse(std::string_view text,
                                                         const std::string& key);

  // Valid as long as the table.
  std::optional<std::string_view> Find(std::string_view key) const;
  size_t rows() const { return places_.size(); }

 private:
  struct Place {
    size_t offset;
    size_t size;
  };

  std::string keys_;  // one behind the other: those of places_ are views of it
  std::string rows_;  // JSON objects, one behind the other
  absl::flat_hash_map<std::string_view, Place> places_;
};

}  // namespace levada::scoring
