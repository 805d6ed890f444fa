#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

// Records of a CSV text as RFC 4180 has them: fields with commas between them, in quotes where they
// hold commas, quotes (written twice) or line breaks; lines end with CR LF or LF.
//
//   CsvReader reader(text);
//   while (reader.Next()) Use(reader.line(), reader.fields());
//   if (!reader.status().ok()) …                      // "line 7: a quote within a field without
//   quotes"
//
// A byte order mark at the beginning and lines without anything on them are left out. What is not
// in the grammar is an error and not a guess.
//
// Threads: one at a time.
namespace levada::base {

class CsvReader {
 public:
  // `text` is to outlive the reader.
  explicit CsvReader(std::string_view text);

  // False at the end, and where the text is wrong.
  bool Next();
  // Of the record that Next came to; valid until the next call.
  const std::vector<std::string_view>& fields() const { return fields_; }
  // The line that it begins on, from 1.
  size_t line() const { return line_; }
  const absl::Status& status() const { return status_; }

 private:
  bool Field();
  bool Quoted(std::string_view* field);
  bool Plain(std::string_view* field);
  bool AtLineEnd() const;
  void SkipLineEnd();
  bool Wrong(std::string_view what);

  std::string_view rest_;
  size_t line_ = 0;
  size_t next_line_ = 1;  // of rest_
  std::vector<std::string_view> fields_;
  std::deque<std::string> unquoted_;  // fields with quotes in them
  size_t used_ = 0;                   // of those
  absl::Status status_;
};

}  // namespace levada::base
