// The scanner, the walk and the splicer against nlohmann: the same verdict, the same values, and
// edits that give what a tree would have given. The first byte of the input chooses the edits.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/json/scan.h"
#include "core/json/splice.h"
#include "core/json/write.h"

namespace levada::json {
namespace {

using Tree = nlohmann::ordered_json;

void Check(bool condition) {
  if (!condition) std::abort();
}

// What nlohmann says of a document, and how deep it is. It is stricter than the grammar in one
// thing (a number outside of double's range is an error) and laxer in two (a byte order mark is
// skipped, a zero byte is taken for the end).
class Verdict : public nlohmann::json_sax<Tree> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return Open(); }
  bool key(string_t&) override { return true; }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override { return Open(); }
  bool end_array() override { return Close(); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    out_of_range = error.id == 406;
    return false;
  }

  bool out_of_range = false;
  int deepest = 0;

 private:
  bool Open() {
    deepest = std::max(deepest, ++depth_);
    return true;
  }
  bool Close() {
    --depth_;
    return true;
  }
  int depth_ = 0;
};

// The tree of a value, built by walking.
Tree Build(const Value& value) {
  switch (value.kind) {
    case Kind::kObject: {
      Tree tree = Tree::object();
      ForEachMember(value.raw, [&](std::string_view raw, bool escaped, const Value& member) {
        std::string key(raw);
        if (escaped) {
          key.clear();
          Unescape(raw, &key);
        }
        Check(Equals(raw, escaped, key));
        tree[key] = Build(member);
        return true;
      });
      return tree;
    }
    case Kind::kArray: {
      Tree tree = Tree::array();
      ForEachElement(value.raw, [&](const Value& element) {
        tree.push_back(Build(element));
        return true;
      });
      return tree;
    }
    case Kind::kString: {
      std::string text(value.raw);
      if (value.escaped) {
        text.clear();
        Unescape(value.raw, &text);
      }
      std::string written;
      AppendString(text, &written);
      Check(Tree::parse(written) == Tree(text));
      return text;
    }
    case Kind::kNumber: {
      Tree number = Tree::parse(value.raw);
      Check(value.integral == (value.raw.find_first_of(".eE") == std::string_view::npos));
      return number;
    }
    case Kind::kTrue:
      return true;
    case Kind::kFalse:
      return false;
    case Kind::kNull:
      return nullptr;
    case Kind::kAbsent:
      break;
  }
  std::abort();
}

void CheckSplice(std::string_view document, Tree tree, const FieldSet& fields,
                 const std::vector<Value>& slots, const ScanInfo& info, uint8_t choice) {
  std::vector<std::string> names(static_cast<size_t>(fields.size()));
  std::vector<FieldEdit> set;
  std::vector<int> drop;
  for (int slot = 0; slot < fields.size(); ++slot) {
    std::string& name = names[static_cast<size_t>(slot)];
    AppendString(fields.name(slot), &name);
    name.push_back(':');
    const int what = (choice >> (slot % 4 * 2)) & 3;
    if (what == 1) {
      drop.push_back(slot);
      tree.erase(fields.name(slot));
    } else if (what == 2) {
      set.push_back({slot, name, "[0]"});
      tree[fields.name(slot)] = Tree::array({0});
    }
  }
  std::string out;
  Splice(document, info, slots, set, drop, &out);
  Check(Tree::parse(out) == tree);
  std::vector<Value> again(slots.size());
  ScanInfo again_info;
  Check(Scan(out, fields, again, &again_info).ok());

  out.clear();
  Select(document, slots, drop, set, &out);
  Check(Scan(out, fields, again, &again_info).ok());
}

// `document` is an object by both verdicts: the fields that Scan keeps are those of the tree.
void CheckObject(std::string_view document, uint8_t choice) {
  const Tree tree = Tree::parse(document);
  FieldSet fields;
  fields.Add("absent");
  for (const auto& member : tree.items()) {
    if (fields.size() < 16) fields.Add(member.key());
  }
  std::vector<Value> slots(static_cast<size_t>(fields.size()));
  ScanInfo info;
  const ScanError error = Scan(document, fields, slots, &info);
  Check(!error.Message(fields).empty());
  if (error.code == ScanCode::kDuplicateField) {
    int found = 0;
    ForEachMember(document.substr(document.find('{')),
                  [&](std::string_view raw, bool escaped, const Value&) {
                    found += Equals(raw, escaped, fields.name(error.slot)) ? 1 : 0;
                    return true;
                  });
    Check(found >= 2);
    return;
  }
  Check(error.ok());
  Check(document[info.close] == '}' && info.empty == tree.empty());
  for (int slot = 0; slot < fields.size(); ++slot) {
    const Value& value = slots[static_cast<size_t>(slot)];
    const std::string& name = fields.name(slot);
    Check((value.kind == Kind::kAbsent) == !tree.contains(name));
    if (value.kind == Kind::kAbsent) continue;
    Check(document[value.key_begin] == '"');
    Check(Build(value) == tree[name]);
    Check(FindMember(document.substr(document.find('{')), name).raw == value.raw);
  }
  CheckSplice(document, tree, fields, slots, info, choice);
}

void CheckDocument(std::string_view document, uint8_t choice) {
  const FieldSet none;
  ScanInfo info;
  const ScanError object = Scan(document, none, {}, &info);
  Value value;
  const ScanError any = ScanValue(document, &value);
  Check(object.offset <= document.size() && any.offset <= document.size());
  if (object.ok()) Check(any.ok() && value.kind == Kind::kObject);
  if (any.ok()) Check(object.ok() == (value.kind == Kind::kObject));

  if (document.find('\0') != std::string_view::npos || document.starts_with("\xEF\xBB\xBF")) {
    Check(!any.ok());
    return;
  }
  Verdict verdict;
  const bool valid = Tree::sax_parse(document, &verdict);
  if (any.code == ScanCode::kTooDeep) {
    Check(verdict.deepest > kMaxDepth || !valid);
    return;
  }
  if (verdict.out_of_range) return;
  Check(any.ok() == valid);
  if (!valid) return;
  Check(verdict.deepest <= kMaxDepth);
  Check(Build(value) == Tree::parse(document));
  if (object.ok()) CheckObject(document, choice);
}

}  // namespace
}  // namespace levada::json

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // A copy of exactly that size: a read outside the document is seen.
  const size_t length = size - 1;
  const std::unique_ptr<char[]> copy(new char[length]);
  std::copy(data + 1, data + size, copy.get());
  levada::json::CheckDocument({copy.get(), length}, data[0]);
  return 0;
}
