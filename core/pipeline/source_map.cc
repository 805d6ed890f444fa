#include "core/pipeline/source_map.h"

#include <algorithm>
#include <utility>

#include "core/base/utf8.h"

namespace levada::pipeline {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool IsBreak(char c) { return c == '\n' || c == '\r'; }

// Walks through a scalar as it is written and through its value side by side.
class ScalarWalk {
 public:
  ScalarWalk(const SourceSpan& span, std::string_view value)
      : text_(span.source->text), value_(value), at_(span.begin), style_(span.style) {
    if (block()) {
      EnterBlock();
    } else if (style_ != ScalarStyle::kPlain) {
      ++at_;  // the opening quote
    }
  }

  // Offset in the text of the value's byte `target`; npos where the two do not run side by side.
  size_t Find(size_t target) {
    while (value_at_ < target) {
      if (at_ >= text_.size() || !Step()) return std::string_view::npos;
    }
    SkipFold();
    return at_;
  }

 private:
  bool block() const { return style_ == ScalarStyle::kLiteral || style_ == ScalarStyle::kFolded; }

  void EnterBlock() {
    SkipLine();
    // The first line that is not empty gives the indentation, less what of it is the value's own.
    const size_t first = text_.find_first_not_of(" \r\n", at_);
    if (first != text_.npos) {
      const size_t line = text_.rfind('\n', first);
      const size_t own = value_.find_first_not_of(" \n");
      const size_t own_line = own == value_.npos ? value_.npos : value_.rfind('\n', own);
      const size_t own_indent =
          own == value_.npos ? 0 : own - (own_line == value_.npos ? 0 : own_line + 1);
      indent_ = first - line - 1 - std::min(own_indent, first - line - 1);
    }
    SkipIndent();
  }

  void SkipLine() {
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    if (at_ < text_.size()) ++at_;
  }

  void SkipIndent() {
    for (size_t i = 0; i < indent_ && at_ < text_.size() && text_[at_] == ' '; ++i) ++at_;
  }

  // In a quoted or plain scalar: is there only white space up to the end of the line?
  bool AtFold() const {
    size_t p = at_;
    while (p < text_.size() && IsBlank(text_[p])) ++p;
    return p < text_.size() && IsBreak(text_[p]);
  }

  // White space that folds to nothing more, where the value goes on behind it.
  void SkipFold() {
    if (!folded_) return;
    folded_ = false;
    while (at_ < text_.size() && (IsBlank(text_[at_]) || IsBreak(text_[at_]))) ++at_;
  }

  bool Step() {
    if (style_ == ScalarStyle::kLiteral) return StepLiteral();
    if (style_ == ScalarStyle::kFolded) return StepFolded();
    SkipFold();
    if (AtFold()) return Fold();
    if (style_ == ScalarStyle::kDoubleQuoted && text_[at_] == '\\') return Escape();
    const bool doubled = style_ == ScalarStyle::kSingleQuoted && text_.substr(at_, 2) == "''";
    return Copy(doubled ? 2 : 1);
  }

  bool Copy(size_t width) {
    if (text_[at_] != value_[value_at_]) return false;
    at_ += width;
    ++value_at_;
    return true;
  }

  // A line break with the white space around it is a space, or as many breaks as empty lines.
  bool Fold() {
    folded_ = true;
    if (value_[value_at_] == ' ') {
      ++value_at_;
      return true;
    }
    if (value_[value_at_] != '\n') return false;
    while (value_at_ < value_.size() && value_[value_at_] == '\n') ++value_at_;
    return true;
  }

  bool StepLiteral() {
    if (text_[at_] == '\r') ++at_;
    const bool end = at_ < text_.size() && text_[at_] == '\n';
    if (at_ >= text_.size() || !Copy(1)) return false;
    if (end) SkipIndent();
    return true;
  }

  bool StepFolded() {
    if (!IsBreak(text_[at_])) return Copy(1);
    size_t breaks = 0;
    while (at_ < text_.size() && IsBreak(text_[at_])) {
      breaks += text_[at_] == '\n';
      SkipLine();
      SkipIndent();
    }
    if (value_[value_at_] == ' ') {
      ++value_at_;
      return true;
    }
    const size_t before = value_at_;
    while (value_at_ < value_.size() && value_[value_at_] == '\n' && breaks-- > 0) ++value_at_;
    return value_at_ > before;
  }

  bool Escape() {
    if (at_ + 1 >= text_.size()) return false;
    const char kind = text_[at_ + 1];
    if (IsBreak(kind)) {  // an escaped line break is nothing at all
      ++at_;
      while (at_ < text_.size() && (IsBlank(text_[at_]) || IsBreak(text_[at_]))) ++at_;
      return true;
    }
    at_ += kind == 'x' ? 4 : kind == 'u' ? 6 : kind == 'U' ? 10 : 2;
    const int length =
        base::Utf8SequenceLength(value_.data() + value_at_, value_.data() + value_.size());
    value_at_ += length > 0 ? length : 1;
    return true;
  }

  std::string_view text_;
  std::string_view value_;
  size_t at_;
  size_t value_at_ = 0;
  ScalarStyle style_;
  size_t indent_ = 0;
  bool folded_ = false;
};

// "a.b[2].c" → "a.b[2]" → "a.b" → "a" → "".
std::string_view Parent(std::string_view path) {
  if (path.ends_with(']')) {
    // The opening bracket, but not one within a quoted key.
    const size_t open = path.ends_with("\"]") ? path.rfind("[\"") : path.rfind('[');
    return path.substr(0, open == std::string_view::npos ? 0 : open);
  }
  const size_t dot = path.rfind('.');
  return path.substr(0, dot == std::string_view::npos ? 0 : dot);
}

}  // namespace

SourceText::SourceText(std::string_view file, std::string_view text) : file(file), text(text) {
  lines.push_back(0);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') lines.push_back(i + 1);
  }
}

Problem ProblemAt(const SourceText& source, size_t offset, std::string path, std::string message,
                  std::string hint) {
  Problem problem{.file = source.file,
                  .path = std::move(path),
                  .message = std::move(message),
                  .hint = std::move(hint)};
  offset = std::min(offset, source.text.size());
  const auto next = std::upper_bound(source.lines.begin(), source.lines.end(), offset);
  problem.line = static_cast<int>(next - source.lines.begin());
  const size_t line = *std::prev(next);
  // Characters, not bytes: all that do not continue another one.
  const std::string_view before = std::string_view(source.text).substr(line, offset - line);
  problem.column = 1 + static_cast<int>(std::count_if(before.begin(), before.end(), [](char c) {
                     return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
                   }));
  return problem;
}

void SourceMap::Set(std::string path, SourceSpan value, SourceSpan key) {
  entries_[std::move(path)] = {std::move(value), std::move(key)};
}

void SourceMap::Erase(std::string_view path) {
  for (auto it = entries_.lower_bound(path); it != entries_.end();) {
    const std::string_view name = it->first;
    if (!name.starts_with(path)) break;
    const bool below =
        name.size() == path.size() || name[path.size()] == '.' || name[path.size()] == '[';
    it = below ? entries_.erase(it) : std::next(it);
  }
}

void SourceMap::MarkBroken(std::string_view path) {
  const auto it = entries_.find(path);
  if (it != entries_.end()) it->second.broken = true;
}

bool SourceMap::Broken(std::string_view path) const {
  const auto it = entries_.find(path);
  return it != entries_.end() && it->second.broken;
}

const SourceMap::Entry* SourceMap::Nearest(std::string_view path) const {
  for (;; path = Parent(path)) {
    const auto it = entries_.find(path);
    if (it != entries_.end()) return &it->second;
    if (path.empty()) return nullptr;
  }
}

Problem SourceMap::At(std::string_view path, std::string message, std::string hint) const {
  const Entry* entry = Nearest(path);
  if (entry == nullptr) {
    return {.path = std::string(path), .message = std::move(message), .hint = std::move(hint)};
  }
  return ProblemAt(*entry->value.source, entry->value.begin, std::string(path), std::move(message),
                   std::move(hint));
}

Problem SourceMap::AtKey(std::string_view path, std::string message, std::string hint) const {
  const auto it = entries_.find(path);
  if (it == entries_.end()) return At(path, std::move(message), std::move(hint));
  return ProblemAt(*it->second.key.source, it->second.key.begin, std::string(path),
                   std::move(message), std::move(hint));
}

Problem SourceMap::Inside(std::string_view path, std::string_view value, size_t offset,
                          std::string message, std::string hint) const {
  const auto it = entries_.find(path);
  if (it == entries_.end()) return At(path, std::move(message), std::move(hint));
  const SourceSpan& span = it->second.value;
  const size_t found = ScalarWalk(span, value).Find(std::min(offset, value.size()));
  const bool aligned = found != std::string_view::npos;
  return ProblemAt(*span.source, aligned ? found : span.begin, std::string(path),
                   std::move(message), std::move(hint));
}

}  // namespace levada::pipeline
