#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/pipeline/problem.h"

// Where each value of a manifest was written, so that checks which run long after the text was read
// still point at it.
//
//   problems.Add(source.At("spec.stages[1].scoring.from", "no such topic"));
//   problems.Add(source.Inside("spec.stages[1].notify.when", 12, "unknown name"));
//
// Thread-safety: read-only once a document is read.
namespace levada::pipeline {

// A text that was read, shared by all documents and values in it.
struct SourceText {
  SourceText(std::string_view file, std::string_view text);

  std::string file;
  std::string text;
  std::vector<size_t> lines;  // where each line begins
};

// How a scalar was written; decides how offsets in its value relate to offsets in the text.
enum class ScalarStyle { kPlain, kSingleQuoted, kDoubleQuoted, kLiteral, kFolded };

// A value, or its key, in a text.
struct SourceSpan {
  std::shared_ptr<const SourceText> source;
  size_t begin = 0;  // byte offset of the value, of an opening quote, or of `|` or `>`
  ScalarStyle style = ScalarStyle::kPlain;
};

class SourceMap {
 public:
  void Set(std::string path, SourceSpan value, SourceSpan key);
  // Forgets `path` and all below it.
  void Erase(std::string_view path);
  // A problem with this value has been told; it is given, though the message has nothing.
  void MarkBroken(std::string_view path);

  bool Has(std::string_view path) const { return entries_.find(path) != entries_.end(); }
  bool Broken(std::string_view path) const;

  // A problem at the value of `path`, or at the nearest value that holds it.
  Problem At(std::string_view path, std::string message, std::string hint = "") const;
  // The same at its key.
  Problem AtKey(std::string_view path, std::string message, std::string hint = "") const;
  // At the byte `offset` within the decoded text of the scalar at `path`.
  Problem Inside(std::string_view path, std::string_view value, size_t offset, std::string message,
                 std::string hint = "") const;

 private:
  struct Entry {
    SourceSpan value;
    SourceSpan key;
    bool broken = false;
  };
  const Entry* Nearest(std::string_view path) const;

  std::map<std::string, Entry, std::less<>> entries_;
};

// A problem at the byte `offset` of a text.
Problem ProblemAt(const SourceText& source, size_t offset, std::string path, std::string message,
                  std::string hint = "");

}  // namespace levada::pipeline
