#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/aggregate/aggregate_set.h"
#include "core/base/strings.h"
#include "core/json/scan.h"

// For tests of this folder: aggregates over events that are given as JSON.
namespace levada::aggregate {

class TestSet {
 public:
  TestSet(std::vector<Call> calls, Use use, expr::Env env = expr::Env()) : env_(std::move(env)) {
    auto set = AggregateSet::Compile(calls, use, &env_);
    EXPECT_TRUE(set.ok()) << set.status();
    set_.emplace(*std::move(set));
    slots_.resize(env_.fields().size());
    activation_.emplace(env_, &arena_);
  }

  const AggregateSet& set() const { return *set_; }
  base::Arena& arena() { return arena_; }

  // The inputs of an event; where it has none, `error` says why.
  const Inputs& Evaluate(std::string_view event, std::string* error = nullptr) {
    arena_.Reset();
    event_ = event;
    json::ScanInfo info;
    EXPECT_TRUE(json::Scan(event_, env_.fields(), slots_, &info).ok()) << event;
    activation_->Begin(event_, slots_);
    std::string message;
    const bool evaluated = set_->Evaluate(*activation_, &inputs_, &message);
    if (error != nullptr) {
      *error = message;
    } else {
      EXPECT_TRUE(evaluated) << event << ": " << message;
    }
    return inputs_;
  }

 private:
  expr::Env env_;
  std::optional<AggregateSet> set_;
  std::vector<json::Value> slots_;
  base::Arena arena_;
  std::optional<expr::Activation> activation_;
  std::string event_;
  Inputs inputs_;
};

// As JSON; errors as "error: …".
inline std::string Show(const expr::Value& value) {
  if (!value.ok()) return base::StrCat("error: ", value.text());
  std::string text;
  expr::AppendJson(value, &text);
  return text;
}

inline std::string Show(std::span<const expr::Value> values) {
  std::string text;
  for (const expr::Value& value : values) {
    base::StrAppend(&text, text.empty() ? "" : " ", Show(value));
  }
  return text;
}

}  // namespace levada::aggregate
