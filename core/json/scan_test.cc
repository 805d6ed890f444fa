#include "core/json/scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/base/strings.h"

namespace levada::json {
namespace {

// Copies the document to memory of exactly its size, so that a sanitizer sees a read outside it.
class Scanned {
 public:
  Scanned(const FieldSet& fields, std::string_view document)
      : bytes_(new char[document.size()]), slots_(static_cast<size_t>(fields.size())) {
    document.copy(bytes_.get(), document.size());
    error = Scan({bytes_.get(), document.size()}, fields, slots_, &info);
  }
  const Value& operator[](int slot) const { return slots_[static_cast<size_t>(slot)]; }

  ScanError error;
  ScanInfo info;

 private:
  std::unique_ptr<char[]> bytes_;
  std::vector<Value> slots_;
};

FieldSet Fields(std::initializer_list<std::string_view> names) {
  FieldSet fields;
  for (std::string_view name : names) fields.Add(name);
  return fields;
}

// {"x":[[...]]} with that many arrays.
std::string Nested(size_t arrays) {
  return base::StrCat("{\"x\":", std::string(arrays, '['), std::string(arrays, ']'), "}");
}

constexpr std::string_view kEvent =
    R"({"event_id":"8f14e45f-ceea-467f-a8d5-1b2c3d4e5f60","event_time":"2024-03-01T12:34:56.789Z",)"
    R"( "amount" : -12.5e3, "count":42, "ok":true, "no":false, "none":null,)"
    R"("tags":["a",{"b":[1,2,{}]},[]],"name":"Zo\u00eb \ud83d\ude00 \"x\" é€😀","":0})";

TEST(Scan, KeepsTheWantedFields) {
  const FieldSet fields =
      Fields({"amount", "event_id", "count", "ok", "no", "none", "tags", "name", "", "missing"});
  const Scanned scanned(fields, kEvent);
  ASSERT_TRUE(scanned.error.ok()) << scanned.error.Message(fields);
  EXPECT_EQ(scanned[0].kind, Kind::kNumber);
  EXPECT_EQ(scanned[0].raw, "-12.5e3");
  EXPECT_FALSE(scanned[0].integral);
  EXPECT_EQ(scanned[1].kind, Kind::kString);
  EXPECT_EQ(scanned[1].raw, "8f14e45f-ceea-467f-a8d5-1b2c3d4e5f60");
  EXPECT_FALSE(scanned[1].escaped);
  EXPECT_EQ(scanned[2].raw, "42");
  EXPECT_TRUE(scanned[2].integral);
  EXPECT_EQ(scanned[3].kind, Kind::kTrue);
  EXPECT_EQ(scanned[4].kind, Kind::kFalse);
  EXPECT_EQ(scanned[5].kind, Kind::kNull);
  EXPECT_EQ(scanned[6].kind, Kind::kArray);
  EXPECT_EQ(scanned[6].raw, R"(["a",{"b":[1,2,{}]},[]])");
  EXPECT_EQ(scanned[7].raw, R"(Zo\u00eb \ud83d\ude00 \"x\" é€😀)");
  EXPECT_TRUE(scanned[7].escaped);
  EXPECT_EQ(scanned[8].raw, "0");
  EXPECT_EQ(scanned[9].kind, Kind::kAbsent);
  EXPECT_EQ(scanned.info.close, kEvent.size() - 1);
  EXPECT_FALSE(scanned.info.empty);
  EXPECT_EQ(kEvent.substr(scanned[0].key_begin, 8), "\"amount\"");
}

TEST(Scan, SaysWhatIsWrongAndWhere) {
  const std::string deep_ok = Nested(127);
  const std::string deep = Nested(128);
  const std::string very_deep = Nested(10'000);
  const struct {
    std::string_view document;
    ScanCode code;
    uint32_t offset;
  } cases[] = {
      {"{}", ScanCode::kOk, 0},
      {" \t\r\n{ } \n", ScanCode::kOk, 0},
      {R"({"x":1e999999999})", ScanCode::kOk, 0},
      {"{\"x\":\"\x7f\"}", ScanCode::kOk, 0},
      {"{\"x\":\"\xEF\xBF\xBD\xF4\x8F\xBF\xBF\"}", ScanCode::kOk, 0},
      {deep_ok, ScanCode::kOk, 0},
      {"", ScanCode::kEmpty, 0},
      {"  \n", ScanCode::kEmpty, 0},
      {"[1]", ScanCode::kNotAnObject, 0},
      {" \"x\"", ScanCode::kNotAnObject, 1},
      {"17", ScanCode::kNotAnObject, 0},
      {"null", ScanCode::kNotAnObject, 0},
      {"<xml/>", ScanCode::kSyntax, 0},
      {std::string_view("\0{}", 3), ScanCode::kSyntax, 0},
      {"\xEF\xBB\xBF{}", ScanCode::kSyntax, 0},
      {"{x:1}", ScanCode::kSyntax, 1},
      {"{\"x\" 1}", ScanCode::kSyntax, 5},
      {"{\"x\":}", ScanCode::kSyntax, 5},
      {"{\"x\":1,}", ScanCode::kSyntax, 7},
      {"{,\"x\":1}", ScanCode::kSyntax, 1},
      {"{\"x\":1 \"y\":2}", ScanCode::kSyntax, 7},
      {"{\"x\":1]", ScanCode::kSyntax, 6},
      {"{\"x\":[1}}", ScanCode::kSyntax, 7},
      {"{\"x\":[1,]}", ScanCode::kSyntax, 8},
      {"{\"x\":{\"y\"}}", ScanCode::kSyntax, 9},
      {"{\"x\":truE}", ScanCode::kSyntax, 5},
      {"{\"x\":trux", ScanCode::kSyntax, 5},
      {"{\"x\":True}", ScanCode::kSyntax, 5},
      {"{\"x\":'1'}", ScanCode::kSyntax, 5},
      {"{\"x\":\"a\nb\"}", ScanCode::kSyntax, 7},
      {std::string_view("{\"x\":\"a\0b\"}", 11), ScanCode::kSyntax, 7},
      {"{\"x\":1/* no */}", ScanCode::kSyntax, 6},
      {"{\"x\":0x10}", ScanCode::kSyntax, 6},
      {"{\"x\":\xC2\xA0 1}", ScanCode::kSyntax, 5},
      {"{", ScanCode::kTruncated, 1},
      {"{\"x", ScanCode::kTruncated, 3},
      {"{\"x\":-", ScanCode::kTruncated, 6},
      {"{\"x\":1.", ScanCode::kTruncated, 7},
      {"{\"x\":tr", ScanCode::kTruncated, 7},
      {"{\"x\":\"\xE2\x82", ScanCode::kTruncated, 8},
      {"{\"x\":\"\\ud83d", ScanCode::kTruncated, 12},
      {"{\"x\":\"\xFF\"}", ScanCode::kBadUtf8, 6},
      {"{\"x\":\"\x80\"}", ScanCode::kBadUtf8, 6},
      {"{\"x\":\"\xC0\xAF\"}", ScanCode::kBadUtf8, 6},
      {"{\"x\":\"\xE0\x80\xAF\"}", ScanCode::kBadUtf8, 6},
      {"{\"x\":\"\xED\xA0\x80\"}", ScanCode::kBadUtf8, 6},
      {"{\"x\":\"\xF4\x90\x80\x80\"}", ScanCode::kBadUtf8, 6},
      {"{\"x\":\"\xE2\x82\"}", ScanCode::kBadUtf8, 6},
      {"{\"\xFF\":1}", ScanCode::kBadUtf8, 2},
      {R"({"x":"\a"})", ScanCode::kBadEscape, 6},
      {R"({"x":"\'"})", ScanCode::kBadEscape, 6},
      {R"({"x":"\U0041"})", ScanCode::kBadEscape, 6},
      {R"({"x":"\u00g1"})", ScanCode::kBadEscape, 6},
      {R"({"x":"\u12"})", ScanCode::kBadEscape, 6},
      {R"({"x":"\ud800"})", ScanCode::kBadEscape, 6},
      {R"({"x":"\udc00"})", ScanCode::kBadEscape, 6},
      {R"({"x":"\ud800\ud800"})", ScanCode::kBadEscape, 6},
      {R"({"x":"\ud800\n"})", ScanCode::kBadEscape, 6},
      {R"({"\ud800":1})", ScanCode::kBadEscape, 2},
      {"{\"x\":01}", ScanCode::kBadNumber, 5},
      {"{\"x\":-01}", ScanCode::kBadNumber, 5},
      {"{\"x\":1.}", ScanCode::kBadNumber, 5},
      {"{\"x\":.5}", ScanCode::kBadNumber, 5},
      {"{\"x\":+1}", ScanCode::kBadNumber, 5},
      {"{\"x\":1e}", ScanCode::kBadNumber, 5},
      {"{\"x\":1e+}", ScanCode::kBadNumber, 5},
      {"{\"x\":--1}", ScanCode::kBadNumber, 5},
      {"{\"x\":NaN}", ScanCode::kBadNumber, 5},
      {"{\"x\":nan}", ScanCode::kBadNumber, 5},
      {"{\"x\":Infinity}", ScanCode::kBadNumber, 5},
      {"{\"x\":-Infinity}", ScanCode::kBadNumber, 5},
      {"{\"x\":[1,NaN]}", ScanCode::kBadNumber, 8},
      {deep, ScanCode::kTooDeep, 5 + 127},
      {very_deep, ScanCode::kTooDeep, 5 + 127},
      {R"({"w":1,"x":1,"w":2})", ScanCode::kDuplicateField, 13},
      {R"({"w":1,"\u0077":2})", ScanCode::kDuplicateField, 7},
      {R"({"x":1,"x":2})", ScanCode::kOk, 0},
      {"{}{}", ScanCode::kTrailing, 2},
      {"{} x", ScanCode::kTrailing, 3},
      {std::string_view("{}\0", 3), ScanCode::kTrailing, 2},
  };
  const FieldSet fields = Fields({"w"});
  for (const auto& test : cases) {
    const Scanned scanned(fields, test.document);
    EXPECT_EQ(static_cast<int>(scanned.error.code), static_cast<int>(test.code))
        << test.document.substr(0, 40) << ": " << scanned.error.Message(fields);
    EXPECT_EQ(scanned.error.offset, test.offset) << test.document.substr(0, 40);
  }
}

TEST(Scan, MessageNamesPlaceAndField) {
  const FieldSet fields = Fields({"amount"});
  EXPECT_EQ(Scanned(fields, R"({"amount":1,"amount":2})").error.Message(fields),
            "a field that stands there twice, at byte 12: \"amount\"");
  EXPECT_THAT(Scanned(fields, R"({"a":01})").error.Message(fields),
              testing::AllOf(testing::HasSubstr("at byte 5"), testing::HasSubstr("-12.5e3")));
}

TEST(Scan, EveryPrefixIsTruncated) {
  const FieldSet fields = Fields({"amount", "tags"});
  for (size_t size = 1; size < kEvent.size(); ++size) {
    const Scanned scanned(fields, kEvent.substr(0, size));
    ASSERT_EQ(scanned.error.code, ScanCode::kTruncated) << kEvent.substr(0, size);
    ASSERT_EQ(scanned.error.offset, size);
  }
}

TEST(Scan, FindsABadByteAtEveryPlaceOfAString) {
  const FieldSet fields = Fields({"x"});
  for (size_t length = 0; length < 140; ++length) {
    for (size_t at = 0; at < length; ++at) {
      std::string document = base::StrCat("{\"x\":\"", std::string(length, 'a'), "\"}");
      document[6 + at] = '\x01';
      ASSERT_EQ(Scanned(fields, document).error.offset, 6 + at) << document;
      document[6 + at] = '\xFF';
      const Scanned bad(fields, document);
      ASSERT_EQ(bad.error.code, ScanCode::kBadUtf8) << document;
      ASSERT_EQ(bad.error.offset, 6 + at) << document;
    }
  }
}

TEST(Scan, ReadsStringsAndNumbersOfEveryLength) {
  const FieldSet fields = Fields({"s", "n"});
  for (size_t length = 0; length < 100; ++length) {
    const std::string text(length, 'a');
    const std::string number = base::StrCat("1", std::string(length, '0'));
    const Scanned scanned(fields, base::StrCat("{\"s\":\"", text, "\",\"n\":", number, "}"));
    ASSERT_TRUE(scanned.error.ok()) << length;
    EXPECT_EQ(scanned[0].raw, text);
    EXPECT_EQ(scanned[1].raw, number);
  }
}

TEST(Scan, ScansFiftyMegabytes) {
  std::string document = "{\"first\":1,\"big\":[";
  while (document.size() < 50'000'000) document += R"({"name":"some text","n":[1,2.5,true,null]},)";
  document += "0],\"last\":\"end\"}";
  const FieldSet fields = Fields({"first", "last"});
  const Scanned scanned(fields, document);
  ASSERT_TRUE(scanned.error.ok()) << scanned.error.Message(fields);
  EXPECT_EQ(scanned[1].raw, "end");
  EXPECT_EQ(scanned.info.close, document.size() - 1);
}

TEST(FieldSet, FindsNamesOfEveryLength) {
  FieldSet fields;
  std::vector<std::string> names;
  for (size_t length = 0; length < 60; ++length) {
    for (char c : {'a', 'b', '\0'}) names.push_back(std::string(length, 'x') + c + "tail");
    names.emplace_back(length, 'x');
  }
  for (const std::string& name : names) fields.Add(name);
  ASSERT_EQ(fields.size(), static_cast<int>(names.size()));
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(fields.Find(names[i]), static_cast<int>(i));
    EXPECT_EQ(fields.Add(names[i]), static_cast<int>(i));
    EXPECT_EQ(fields.Find(names[i] + "!"), -1);
  }
}

TEST(Scan, FindsKeysOfEveryLengthAtTheEndAndInTheMiddle) {
  FieldSet fields;
  std::vector<std::string> names;
  for (size_t length = 0; length < 60; ++length) {
    for (char c : {'a', 'b'}) {
      names.push_back(base::StrCat(std::string(length, 'x'), std::string(1, c)));
      fields.Add(names.back());
    }
  }
  for (size_t i = 0; i < names.size(); ++i) {
    for (std::string_view rest : {"}", R"(,"more":"text that goes on for a while"})"}) {
      const Scanned scanned(fields, base::StrCat("{\"", names[i], "\":1", rest));
      ASSERT_TRUE(scanned.error.ok());
      for (size_t j = 0; j < names.size(); ++j) {
        ASSERT_EQ(scanned[static_cast<int>(j)].kind, i == j ? Kind::kNumber : Kind::kAbsent);
      }
    }
  }
}

TEST(ScanValue, TakesAnyKind) {
  const struct {
    std::string_view document;
    Kind kind;
    std::string_view raw;
  } cases[] = {
      {" 1 ", Kind::kNumber, "1"},        {"-0.5E-7", Kind::kNumber, "-0.5E-7"},
      {"\"x\"", Kind::kString, "x"},      {"true", Kind::kTrue, "true"},
      {"false", Kind::kFalse, "false"},   {"null\n", Kind::kNull, "null"},
      {"[1, 2]", Kind::kArray, "[1, 2]"}, {"{\"a\":{}}", Kind::kObject, "{\"a\":{}}"},
  };
  for (const auto& test : cases) {
    Value value;
    EXPECT_TRUE(ScanValue(test.document, &value).ok()) << test.document;
    EXPECT_EQ(value.kind, test.kind) << test.document;
    EXPECT_EQ(value.raw, test.raw);
  }
  Value value;
  EXPECT_EQ(ScanValue("", &value).code, ScanCode::kEmpty);
  EXPECT_EQ(ScanValue("1 2", &value).code, ScanCode::kTrailing);
  EXPECT_EQ(ScanValue("[1", &value).code, ScanCode::kTruncated);
  EXPECT_EQ(ScanValue(std::string(10'000, '['), &value).code, ScanCode::kTooDeep);
  EXPECT_TRUE(ScanValue(std::string(128, '[') + std::string(128, ']'), &value).ok());
}

}  // namespace
}  // namespace levada::json
