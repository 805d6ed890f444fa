#include "core/base/csv.h"

#include <algorithm>

#include "core/base/strings.h"
#include "core/base/utf8.h"

namespace levada::base {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

CsvReader::CsvReader(std::string_view text) : rest_(text) {
  if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
}

bool CsvReader::Next() {
  while (status_.ok() && AtLineEnd() && !rest_.empty()) SkipLineEnd();
  if (!status_.ok() || rest_.empty()) return false;
  line_ = next_line_;
  fields_.clear();
  used_ = 0;
  while (Field()) {
    if (rest_.empty() || rest_.front() != ',') {
      SkipLineEnd();
      return true;
    }
    rest_.remove_prefix(1);
  }
  return false;
}

bool CsvReader::Field() {
  std::string_view field;
  const bool quoted = !rest_.empty() && rest_.front() == '"';
  if (!(quoted ? Quoted(&field) : Plain(&field))) return false;
  if (!IsUtf8(field)) return Wrong("the text is not UTF-8");
  fields_.push_back(field);
  return true;
}

bool CsvReader::Quoted(std::string_view* field) {
  rest_.remove_prefix(1);
  std::string* joined = nullptr;
  for (;;) {
    const size_t end = rest_.find('"');
    if (end == std::string_view::npos) {
      return Wrong(StrCat("a quote is not closed in the record that begins on line ", line_));
    }
    const std::string_view part = rest_.substr(0, end);
    next_line_ += static_cast<size_t>(std::count(part.begin(), part.end(), '\n'));
    rest_.remove_prefix(end + 1);
    const bool doubled = !rest_.empty() && rest_.front() == '"';
    if (joined == nullptr && !doubled) {
      *field = part;
      break;
    }
    if (joined == nullptr) {
      if (used_ == unquoted_.size()) unquoted_.emplace_back();
      joined = &unquoted_[used_++];
      joined->clear();
    }
    joined->append(part);
    if (!doubled) {
      *field = *joined;
      break;
    }
    joined->push_back('"');
    rest_.remove_prefix(1);
  }
  if (rest_.empty() || rest_.front() == ',' || AtLineEnd()) return true;
  return Wrong("text behind a field in quotes");
}

bool CsvReader::Plain(std::string_view* field) {
  const size_t end = std::min(rest_.find_first_of(",\"\r\n"), rest_.size());
  *field = rest_.substr(0, end);
  rest_.remove_prefix(end);
  if (rest_.empty() || rest_.front() == ',' || AtLineEnd()) return true;
  return Wrong(rest_.front() == '"' ? "a quote within a field without quotes"
                                    : "a carriage return without a line feed");
}

bool CsvReader::AtLineEnd() const { return rest_.starts_with('\n') || rest_.starts_with("\r\n"); }

void CsvReader::SkipLineEnd() {
  if (rest_.empty()) return;
  rest_.remove_prefix(rest_.front() == '\r' ? 2 : 1);
  ++next_line_;
}

bool CsvReader::Wrong(std::string_view what) {
  status_ = absl::InvalidArgumentError(StrCat("line ", next_line_, ": ", what));
  return false;
}

}  // namespace levada::base
