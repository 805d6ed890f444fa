#include "cli/eval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <vector>

namespace levada::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Outcome {
  int code = 0;
  std::string out, error;
};

Outcome Eval(std::vector<std::string_view> args, const std::string& input = "") {
  std::istringstream in(input);
  std::ostringstream out, error;
  const int code = RunEval(args, in, out, error);
  return {code, out.str(), error.str()};
}

std::string WriteFile(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + name;
  std::ofstream(path) << content;
  return path;
}

TEST(Eval, PrintsOneResultALine) {
  const Outcome outcome = Eval({"amount * 2"}, "{\"amount\": 1.5}\n\n{\"amount\": 4}\n");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "3\n8\n");
  EXPECT_EQ(outcome.error, "");
}

TEST(Eval, AnEventThatFailsIsToldWithItsLine) {
  const Outcome outcome = Eval({"amount > 1"}, "{\"amount\": 2}\n{}\n{broken\n{\"amount\": 0}");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "true\nfalse\n");
  EXPECT_THAT(outcome.error, HasSubstr("line 2: no such key: amount\n"));
  EXPECT_THAT(outcome.error, HasSubstr("line 3: "));
}

TEST(Eval, AWrongExpressionIsWrongUse) {
  const Outcome outcome = Eval({"1 +\n* 2"}, "{}");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.error, StartsWith("expression:2:1: expected a value, found '*'"));
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(Eval({}).code, 2);
  EXPECT_EQ(Eval({"--nope"}).code, 2);
}

TEST(Eval, RunsCases) {
  const std::string path = WriteFile("cases.json", R"([
    {"name": "good", "expr": "1 + 1", "value": {"int": "2"}},
    {"name": "strict/no widening", "expr": "1 + 1.0", "error": true},
    {"name": "bad", "expr": "1 + 1", "value": {"int": "3"}}])");
  const Outcome outcome = Eval({"--cases", path});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "FAIL bad: expected int 3, got int 2\n2 passed, 1 failed\n");

  const Outcome message =
      Eval({"--cases", WriteFile("message.json", R"([{"name": "m", "expr": "a.B{c: 1}.c",)"
                                                 R"( "value": {"int": "1"}}])")});
  EXPECT_EQ(message.code, 0);
  EXPECT_EQ(message.out,
            "LEFT OUT m: it makes a Protobuf message; an event is JSON and has none\n"
            "0 passed, 0 failed, 1 left out\n");

  const std::string good =
      WriteFile("good.json", R"([{"name": "good", "expr": "1", "value": {"int": "1"}}])");
  EXPECT_EQ(Eval({"--cases", good}).code, 0);
  EXPECT_EQ(Eval({"--cases", "/no/such/file"}).code, 2);
  EXPECT_EQ(Eval({"--cases", WriteFile("broken.json", "[")}).code, 2);
}

}  // namespace
}  // namespace levada::cli
