#pragma once

#include <string>
#include <string_view>
#include <vector>

// What is wrong with a manifest, and where.
//
//   Problems problems;
//   problems.Add({.file = "a.yaml", .line = 3, .column = 7, .path = "spec.topics[0].retention",
//                 .message = "`7 days` is no duration: expected a number with a unit",
//                 .hint = "write 7d"});
//   std::cerr << problems.ToText();    // a.yaml:3:7: spec.topics[0].retention: `7 days` is …
//   return problems.HasErrors() ? 2 : 0;
//
// Thread-safety: plain values.
namespace levada::pipeline {

enum class Severity { kError, kWarning };

struct Problem {
  Severity severity = Severity::kError;
  std::string file;  // as given by the caller; "--set …" for an override
  int line = 1;      // 1-based
  int column = 1;    // 1-based, in characters
  std::string path;  // "spec.stages[1].scoring.steps[0].filter"; empty where there is none
  std::string message;
  std::string hint;  // what to do about it, or the nearest valid name; may be empty
};

class Problems {
 public:
  // A file with more than this many is broken as a whole: the rest is left out.
  static constexpr size_t kMaxProblems = 1000;

  void Add(Problem problem);
  void Append(const Problems& other);
  // By file (in the order of the first problem of each), line and column; doubles are removed.
  void Sort();

  const std::vector<Problem>& all() const { return problems_; }
  bool empty() const { return problems_.empty(); }
  size_t size() const { return problems_.size(); }
  bool HasErrors() const;
  // No more are taken: looking for others is pointless.
  bool Full() const { return problems_.size() >= kMaxProblems; }

  // One problem a line, `file:line:column: path: message`, its hint indented below.
  std::string ToText() const;
  // {"problems": [{"severity", "file", "line", "column", "path", "message", "hint"}], "more":
  // false}
  std::string ToJson() const;

 private:
  std::vector<Problem> problems_;
  bool more_ = false;
};

}  // namespace levada::pipeline
