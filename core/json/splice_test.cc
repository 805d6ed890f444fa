#include "core/json/splice.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "core/base/strings.h"
#include "core/json/write.h"

namespace levada::json {
namespace {

using Tree = nlohmann::ordered_json;

// Fields a b c d, in slots 0 1 2 3.
class SpliceTest : public testing::Test {
 protected:
  SpliceTest() : slots_(4) {
    for (const char* name : {"a", "b", "c", "d"}) fields_.Add(name);
  }

  std::string Run(std::string_view document, std::vector<FieldEdit> set, std::vector<int> drop) {
    ScanInfo info;
    EXPECT_TRUE(Scan(document, fields_, slots_, &info).ok()) << document;
    std::string out;
    Splice(document, info, slots_, set, drop, &out);
    return out;
  }
  std::string RunSelect(std::string_view document, std::vector<int> keep,
                        std::vector<FieldEdit> set) {
    ScanInfo info;
    EXPECT_TRUE(Scan(document, fields_, slots_, &info).ok()) << document;
    std::string out;
    Select(document, slots_, keep, set, &out);
    return out;
  }

  FieldSet fields_;
  std::vector<Value> slots_;
};

TEST_F(SpliceTest, CopiesWhatIsNotTouched) {
  const std::string_view document = " { \"a\" : 1 ,\t\"x\":[ 1 , 2 ] , \"b\":\"t\\u00e9\" } \n";
  EXPECT_EQ(Run(document, {}, {}), document);
  EXPECT_EQ(Run(document, {}, {2, 3}), document);
  EXPECT_EQ(Run(document, {{0, "\"a\":", "17"}}, {}),
            " { \"a\" : 17 ,\t\"x\":[ 1 , 2 ] , \"b\":\"t\\u00e9\" } \n");
}

TEST_F(SpliceTest, SetsFields) {
  const FieldEdit c = {2, "\"c\":", "3"};
  EXPECT_EQ(Run("{}", {c}, {}), R"({"c":3})");
  EXPECT_EQ(Run("{ }", {c}, {}), R"({ "c":3})");
  EXPECT_EQ(Run(R"({"a":1})", {c}, {}), R"({"a":1,"c":3})");
  EXPECT_EQ(Run(R"({"c":1,"a":2})", {c}, {}), R"({"c":3,"a":2})");
  EXPECT_EQ(Run(R"({"a":2,"c":"old"})", {c}, {}), R"({"a":2,"c":3})");
  EXPECT_EQ(Run(R"({"a":1})", {{3, "\"d\":", "4"}, c}, {}), R"({"a":1,"d":4,"c":3})");
  EXPECT_EQ(Run(R"({"a":1,"b":2})", {{1, "\"b\":", "20"}, {0, "\"a\":", "[10]"}}, {}),
            R"({"a":[10],"b":20})");
  EXPECT_EQ(Run(R"({"\u0061":1})", {{0, "\"a\":", "2"}}, {}), R"({"\u0061":2})");
  EXPECT_EQ(Run(R"({"a":1})", {{-1, "\"new\":", "2"}}, {}), R"({"a":1,"new":2})");
}

TEST_F(SpliceTest, DropsFields) {
  const std::string_view document = R"({"a":1,"b":"x","c":[],"d":null})";
  EXPECT_EQ(Run(document, {}, {0}), R"({"b":"x","c":[],"d":null})");
  EXPECT_EQ(Run(document, {}, {1}), R"({"a":1,"c":[],"d":null})");
  EXPECT_EQ(Run(document, {}, {3}), R"({"a":1,"b":"x","c":[]})");
  EXPECT_EQ(Run(document, {}, {3, 0}), R"({"b":"x","c":[]})");
  EXPECT_EQ(Run(document, {}, {2, 1}), R"({"a":1,"d":null})");
  EXPECT_EQ(Run(document, {}, {3, 2, 1}), R"({"a":1})");
  EXPECT_EQ(Run(document, {}, {0, 1, 2, 3}), "{}");
  EXPECT_EQ(Run(document, {{0, "\"a\":", "2"}}, {1, 2, 3}), R"({"a":2})");
  EXPECT_EQ(Run(R"({"a":1})", {{1, "\"b\":", "2"}}, {0}), R"({"b":2})");
  EXPECT_EQ(Run(R"({ "a" : 1 , "b" : 2 })", {}, {1}), R"({ "a" : 1  })");
  EXPECT_EQ(Run(R"({ "a" : 1 , "b" : 2 })", {}, {0, 1}), "{  }");
}

TEST_F(SpliceTest, SelectsFields) {
  const std::string_view document = R"({"a":1, "b" : "x","z":0,"c":[]})";
  EXPECT_EQ(RunSelect(document, {2, 1, 3}, {}), R"({"c":[],"b" : "x"})");
  EXPECT_EQ(RunSelect(document, {}, {}), "{}");
  EXPECT_EQ(RunSelect(document, {3}, {}), "{}");
  EXPECT_EQ(RunSelect(document, {0, 1}, {{0, "\"a\":", "2"}, {2, "\"c\":", "3"}}),
            R"({"a":2,"b" : "x","c":3})");
}

// Any document, any combination of edits: the result is what a tree would have given.
class SpliceProperty {
 public:
  explicit SpliceProperty(uint32_t seed) : random_(seed) {}

  void Round() {
    const int names = 1 + Below(8);
    FieldSet fields;
    for (int i = 0; i < names; ++i) fields.Add(base::StrCat("f", i));
    const std::string document = Document(names);
    std::vector<Value> slots(static_cast<size_t>(names));
    ScanInfo info;
    ASSERT_TRUE(Scan(document, fields, slots, &info).ok()) << document;

    Tree tree = Tree::parse(document);
    std::vector<FieldEdit> set;
    std::vector<int> drop;
    std::vector<std::string> encoded(static_cast<size_t>(names));
    for (int slot = 0; slot < names; ++slot) {
      const std::string& name = fields.name(slot);
      const int choice = Below(3);
      if (choice == 1) {
        drop.push_back(slot);
        tree.erase(name);
      } else if (choice == 2) {
        AppendString(name, &encoded[static_cast<size_t>(slot)]);
        encoded[static_cast<size_t>(slot)].push_back(':');
        set.push_back({slot, encoded[static_cast<size_t>(slot)], "\"new\""});
      }
    }
    std::shuffle(set.begin(), set.end(), random_);
    std::shuffle(drop.begin(), drop.end(), random_);
    for (const FieldEdit& edit : set) tree[fields.name(edit.slot)] = "new";

    std::string out;
    Splice(document, info, slots, set, drop, &out);
    ASSERT_TRUE(Tree::accept(out)) << document << "\n" << out;
    ASSERT_EQ(Tree::parse(out).dump(), tree.dump()) << document << "\n" << out;
    std::vector<Value> again(static_cast<size_t>(names));
    ASSERT_TRUE(Scan(out, fields, again, &info).ok()) << out;
  }

 private:
  int Below(int limit) { return static_cast<int>(random_() % static_cast<uint32_t>(limit)); }
  std::string_view Space() {
    constexpr std::string_view kSpaces[] = {"", "", "", " ", "\n\t", "   "};
    return kSpaces[Below(6)];
  }
  std::string Document(int names) {
    constexpr std::string_view kValues[] = {"1",      "-2.5e3", "\"\"",       "\"a,}\\\"\"",
                                            "[1, 2]", "{}",     "{\"f0\":1}", "null"};
    std::vector<std::string> keys = {"x", "y"};
    for (int i = 0; i < names; ++i) {
      if (Below(3) > 0) keys.push_back(base::StrCat("f", i));
    }
    std::shuffle(keys.begin(), keys.end(), random_);
    keys.resize(static_cast<size_t>(Below(static_cast<int>(keys.size()) + 1)));
    std::string document = base::StrCat(Space(), "{", Space());
    for (size_t i = 0; i < keys.size(); ++i) {
      if (i > 0) base::StrAppend(&document, Space(), ",", Space());
      base::StrAppend(&document, "\"", keys[i], "\"", Space(), ":", Space(), kValues[Below(8)]);
    }
    base::StrAppend(&document, Space(), "}", Space());
    return document;
  }

  std::mt19937 random_;
};

TEST(Splice, AgreesWithATree) {
  SpliceProperty property(20240301);
  for (int round = 0; round < 20'000 && !testing::Test::HasFatalFailure(); ++round) {
    property.Round();
  }
}

}  // namespace
}  // namespace levada::json
