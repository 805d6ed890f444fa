#include "core/pipeline/problem.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "core/base/strings.h"
#include "core/json/write.h"

namespace levada::pipeline {
namespace {

void AppendMember(std::string_view name, std::string_view value, std::string* out) {
  json::AppendString(name, out);
  out->push_back(':');
  json::AppendString(value, out);
  out->push_back(',');
}

void AppendObject(const Problem& problem, std::string* out) {
  out->push_back('{');
  AppendMember("severity", problem.severity == Severity::kError ? "error" : "warning", out);
  AppendMember("file", problem.file, out);
  base::StrAppend(out, "\"line\":", problem.line, ",\"column\":", problem.column, ",");
  AppendMember("path", problem.path, out);
  AppendMember("message", problem.message, out);
  AppendMember("hint", problem.hint, out);
  out->back() = '}';
}

}  // namespace

void Problems::Add(Problem problem) {
  if (Full()) {
    more_ = true;
  } else {
    problems_.push_back(std::move(problem));
  }
}

void Problems::Append(const Problems& other) {
  for (const Problem& problem : other.problems_) Add(problem);
  more_ = more_ || other.more_;
}

void Problems::Sort() {
  std::map<std::string, size_t> files;
  for (const Problem& problem : problems_) files.emplace(problem.file, files.size());
  const auto key = [&](const Problem& p) {
    return std::tie(files[p.file], p.line, p.column, p.severity, p.path, p.message);
  };
  std::stable_sort(problems_.begin(), problems_.end(),
                   [&](const Problem& a, const Problem& b) { return key(a) < key(b); });
  problems_.erase(std::unique(problems_.begin(), problems_.end(),
                              [&](const Problem& a, const Problem& b) { return key(a) == key(b); }),
                  problems_.end());
}

bool Problems::HasErrors() const {
  return std::any_of(problems_.begin(), problems_.end(),
                     [](const Problem& p) { return p.severity == Severity::kError; });
}

std::string Problems::ToText() const {
  std::string out;
  for (const Problem& problem : problems_) {
    base::StrAppend(&out, problem.file, ":", problem.line, ":", problem.column, ": ",
                    problem.severity == Severity::kWarning ? "warning: " : "");
    if (!problem.path.empty()) base::StrAppend(&out, problem.path, ": ");
    base::StrAppend(&out, problem.message, "\n");
    if (!problem.hint.empty()) base::StrAppend(&out, "    ", problem.hint, "\n");
  }
  if (more_) base::StrAppend(&out, "… and more\n");
  return out;
}

std::string Problems::ToJson() const {
  std::string out = "{\"problems\":[";
  for (size_t i = 0; i < problems_.size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendObject(problems_[i], &out);
  }
  base::StrAppend(&out, "],\"more\":", more_ ? "true" : "false", "}");
  return out;
}

}  // namespace levada::pipeline
