#include "cli/eval.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "core/expr/cases.h"
#include "core/expr/program.h"

namespace levada::cli {
namespace {

constexpr int kGood = 0;
constexpr int kFailed = 1;
constexpr int kWrongUse = 2;

int RunCaseFile(const std::string& path, std::ostream& out, std::ostream& error) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  if (!file) {
    error << path << ": cannot be read\n";
    return kWrongUse;
  }
  const absl::StatusOr<expr::CaseReport> report = expr::RunCases(content.str());
  if (!report.ok()) {
    error << path << ": " << report.status().message() << '\n';
    return kWrongUse;
  }
  for (const expr::CaseFailure& failure : report->failures) {
    out << "FAIL " << failure.name << ": " << failure.message << '\n';
  }
  for (const expr::CaseFailure& left_out : report->left_out) {
    out << "LEFT OUT " << left_out.name << ": " << left_out.message << '\n';
  }
  out << report->passed << " passed, " << report->failures.size() << " failed";
  if (!report->left_out.empty()) out << ", " << report->left_out.size() << " left out";
  out << '\n';
  return report->failures.empty() ? kGood : kFailed;
}

// Evaluates the program for one event after the other.
class Evaluator {
 public:
  Evaluator(const expr::Env& env, const expr::Program& program)
      : fields_(env.fields()),
        program_(program),
        slots_(fields_.size()),
        activation_(env, &arena_) {}

  // Appends the result as one line, or says why there is none.
  absl::Status Evaluate(std::string_view event, std::string* out) {
    json::ScanInfo info;
    const json::ScanError error = json::Scan(event, fields_, slots_, &info);
    if (!error.ok()) return absl::InvalidArgumentError(error.Message(fields_));
    arena_.Reset();
    activation_.Begin(event, slots_);
    const size_t begin = out->size();
    if (absl::Status status = program_.AppendJson(activation_, out); !status.ok()) {
      out->resize(begin);
      return status;
    }
    out->push_back('\n');
    return absl::OkStatus();
  }

 private:
  const json::FieldSet& fields_;
  const expr::Program& program_;
  std::vector<json::Value> slots_;
  base::Arena arena_;
  expr::Activation activation_;
};

int EvaluateInput(const std::string& expression, std::istream& in, std::ostream& out,
                  std::ostream& error) {
  expr::Env env;
  std::vector<expr::Problem> problems;
  const absl::StatusOr<expr::Program> program =
      expr::Compile(expression, &env, expr::Type::Dyn(), &problems);
  if (!program.ok()) {
    for (const expr::Problem& problem : problems) {
      error << "expression:" << problem.line << ':' << problem.column << ": " << problem.message
            << '\n';
    }
    return kWrongUse;
  }
  Evaluator evaluator(env, *program);
  std::string line, result;
  bool failed = false;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    result.clear();
    if (absl::Status status = evaluator.Evaluate(line, &result); !status.ok()) {
      out.flush();  // results and errors in the order of the events
      error << "line " << number << ": " << status.message() << '\n';
      failed = true;
    }
    out << result;
  }
  out.flush();
  return failed || !out ? kFailed : kGood;
}

}  // namespace

int RunEval(std::span<const std::string_view> args) {
  std::ios::sync_with_stdio(false);
  return RunEval(args, std::cin, std::cout, std::cerr);
}

int RunEval(std::span<const std::string_view> args, std::istream& in, std::ostream& out,
            std::ostream& error) {
  CLI::App app(
      "Evaluates a CEL expression for each event of standard input (NDJSON) and prints one JSON "
      "value a line.\nFields of the event are used by name: levada eval 'amount > 100 && "
      "has(customer)' < events.ndjson",
      "levada eval");
  std::string expression, cases;
  app.add_option("EXPRESSION", expression,
                 "What to evaluate; put -- before one that begins with -");
  app.add_option("--cases", cases,
                 "Run the test cases of a file instead, in strict CEL; prints each failure, each "
                 "case that is left out with its reason, and the count");
  if (const std::optional<int> code = Parse(app, args)) return *code;
  const bool no_expression = app.count("EXPRESSION") == 0;
  if (no_expression && cases.empty()) {
    error << app.help();
    return kWrongUse;
  }
  int code = kGood;
  if (!cases.empty()) code = RunCaseFile(cases, out, error);
  if (!no_expression) code = std::max(code, EvaluateInput(expression, in, out, error));
  return code;
}

}  // namespace levada::cli
