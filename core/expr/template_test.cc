#include "core/expr/template.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"

namespace levada::expr {
namespace {

std::string Render(std::string_view source, std::string_view event) {
  Env env;
  const auto text = Template::Compile(source, &env);
  if (!text.ok()) return std::string(base::View(text.status().message()));
  std::vector<json::Value> slots(env.fields().size());
  json::ScanInfo info;
  if (!json::Scan(event, env.fields(), slots, &info).ok()) return "bad event";
  base::Arena arena;
  Activation activation(env, &arena);
  activation.Begin(event, slots);
  std::string out;
  const absl::Status status = text->Render(activation, &out);
  return status.ok() ? out : base::StrCat("error: ", base::View(status.message()));
}

TEST(Template, ReplacesExpressions) {
  const std::string_view event = R"({"id": "17", "amount": 99.50, "tags": ["a"], "ok": true})";
  EXPECT_EQ(Render("Blocked ${id} for ${amount} EUR", event), "Blocked 17 for 99.50 EUR");
  EXPECT_EQ(Render("${id}${id}", event), "1717");
  EXPECT_EQ(Render("${amount * 2}", event), "199");
  EXPECT_EQ(Render("${ok ? 'yes' : 'no'}, ${tags}, ${null}", event), "yes, [\"a\"], null");
  EXPECT_EQ(Render("no expression, $5, {}, $$", event), "no expression, $5, {}, $$");
  EXPECT_EQ(Render("", event), "");
}

TEST(Template, BracesWithinAnExpressionAreItsOwn) {
  EXPECT_EQ(Render("${{'a': 1}.a} and ${'}'}", "{}"), "1 and }");
}

TEST(Template, TwoDollarsAreOne) { EXPECT_EQ(Render("$${id} is ${1}", "{}"), "${id} is 1"); }

TEST(Template, ProblemsAreWhereTheyAreInTheTemplate) {
  EXPECT_EQ(Render("Hi ${1 +}", "{}"), "1:9: expected a value, found the end of the expression");
  EXPECT_EQ(Render("one\ntwo ${nope()} ${1 +}", "{}"),
            "2:7: no such function: 'nope'\n"
            "2:20: expected a value, found the end of the expression");
  EXPECT_EQ(Render("open ${id", "{}"), "1:6: no '}' closes this expression");
}

TEST(Template, AnErrorSaysInWhichExpression) {
  EXPECT_EQ(Render("a ${id} b", "{}"), "error: ${id}: no such key: id");
}

TEST(Template, KnowsWhetherItIsConstant) {
  Env env;
  EXPECT_TRUE(Template::Compile("text", &env)->constant());
  EXPECT_FALSE(Template::Compile("${id}", &env)->constant());
}

}  // namespace
}  // namespace levada::expr
