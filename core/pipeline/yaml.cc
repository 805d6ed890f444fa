#include "core/pipeline/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "core/base/strings.h"
#include "core/pipeline/format.h"
#include "core/pipeline/yaml_syntax.h"
#include "core/pipeline/yaml_text.h"

namespace levada::pipeline {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

size_t CountNodes(const YamlNode& node) {
  size_t count = 1;
  for (const YamlNode& item : node.items) count += CountNodes(item);
  for (const auto& [key, value] : node.entries) count += CountNodes(key) + CountNodes(value);
  return count;
}

size_t DepthOf(const YamlNode& node) {
  size_t depth = 0;
  for (const YamlNode& item : node.items) depth = std::max(depth, 1 + DepthOf(item));
  for (const auto& [key, value] : node.entries) {
    depth = std::max({depth, 1 + DepthOf(key), 1 + DepthOf(value)});
  }
  return depth;
}

bool IsMerge(const YamlNode& key) {
  return key.kind == YamlNode::Kind::kScalar && key.text == "<<" &&
         key.span.style == ScalarStyle::kPlain && !key.text_tag;
}

bool IsKnownTag(std::string_view tag) {
  static constexpr std::array<std::string_view, 7> kTags = {"str",  "int", "float", "bool",
                                                            "null", "map", "seq"};
  if (tag == "?" || tag == "!") return true;  // what the parser gives to values without one
  return tag.starts_with(kCoreTag) &&
         std::find(kTags.begin(), kTags.end(), tag.substr(kCoreTag.size())) != kTags.end();
}

std::string TooDeep() { return base::StrCat("more than ", kMaxYamlDepth, " levels deep"); }
std::string TooMany() {
  return base::StrCat("more than ", kMaxYamlNodes, " values, aliases expanded");
}

// Thrown out of the parser's callbacks to stop it, as it has no other way; caught in ParseYaml.
struct Refusal {
  size_t offset;
  std::string message;
};

// Builds documents from the parser's events.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(const std::shared_ptr<const SourceText>& source)
      : source_(source), text_(source->text) {
    if (text_.starts_with(kByteOrderMark)) skipped_ = kByteOrderMark.size();
    read_ = skipped_;
  }

  std::vector<YamlNode> TakeDocuments() { return std::move(documents_); }

  // The parser counts bytes, from behind a byte order mark.
  size_t Offset(const YAML::Mark& mark) const {
    if (mark.is_null()) return text_.size();
    return std::min(static_cast<size_t>(mark.pos) + skipped_, text_.size());
  }

  SyntaxContext ContextAt(const YAML::Mark& mark) const {
    return {Offset(mark), read_, open_.empty() ? skipped_ : open_.back().node.span.begin};
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    const size_t at = Offset(mark);
    const bool marked = IsDocumentStart(text_, at);
    // The parser takes whatever is left over for one more document, and may never come past it.
    if (started_ && !marked) {
      throw Refusal{at, "not YAML: expected no more of this document, or `---` and another one"};
    }
    started_ = true;
    anchors_.clear();
    nodes_ = 0;
    read_ = marked ? at + 3 : std::max(read_, at);
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const size_t start = Offset(mark);
    if (IsKeyAlone(start)) throw Refusal{start, "not YAML: expected `:` behind this key"};
    YamlNode node = NewNode(start);
    // The parser tells neither whether it is written out nor where it would stand.
    const bool is_value = open_.empty() || open_.back().awaits_value || !IsOpenMap();
    if (start >= read_) node.text = NullAt(text_, node.span.begin, is_value);
    if (node.text.empty()) {
      node.span.begin = anchor == YAML::NullAnchor ? PlaceOfNothing(text_, read_, start) : start;
    }
    read_ = std::max(read_, node.span.begin + node.text.size());
    Add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const size_t start = Offset(mark);
    NewNode(start);
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) throw Refusal{start, UnknownAnchor(start)};
    const Anchored& anchored = it->second;
    if (open_.size() + anchored.depth > kMaxYamlDepth) throw Refusal{start, TooDeep()};
    nodes_ += anchored.size;
    if (nodes_ > kMaxYamlNodes) throw Refusal{start, TooMany()};
    read_ = EndOfAlias(start);
    Add(YamlNode(anchored.node), YAML::NullAnchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = NewNode(Offset(mark), tag);
    node.text = RepairEscapes(value);
    node.span.style = StyleAt(text_, node.span.begin);
    node.text_tag = tag.starts_with(kCoreTag) && tag.substr(kCoreTag.size()) == "str";
    read_ = EndOfScalar(text_, node.span.begin, node.span.style, value);
    // The parser takes it where the text ends with a line break.
    if (read_ == text_.npos) {
      throw Refusal{node.span.begin, base::StrCat("not YAML: ", kUnclosedQuote)};
    }
    Add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kSequence, Offset(mark), tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    Open(YamlNode::Kind::kMapping, Offset(mark), tag, anchor);
    open_.back().block = style == YAML::EmitterStyle::Block;
  }
  void OnMapEnd() override {
    if (open_.back().merges) Merge(&open_.back().node);
    Close();
  }

  std::string UnknownAnchor(size_t alias) const {
    const std::string_view name = text_.substr(alias, EndOfAlias(alias) - alias);
    return base::StrCat("no anchor ", Quote(base::StrCat("&", name.substr(name.empty() ? 0 : 1))),
                        " before this, or it holds itself");
  }

 private:
  // A list or map that has not ended.
  struct Unfinished {
    YamlNode node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    bool awaits_value = false;  // of a map: its last entry has a key only
    bool merges = false;
    bool block = false;  // of a map: an entry a line, not in braces
  };
  struct Anchored {
    size_t size = 0;
    size_t depth = 0;
    YamlNode node;
  };

  size_t EndOfAlias(size_t start) const {
    return std::min(text_.find_first_of(" \t\r\n,[]{}", start), text_.size());
  }

  // The parser takes a text's last line for a key even where it has no `:`; of the value that it
  // makes up it tells the key's place. A key behind `?` needs none.
  bool IsKeyAlone(size_t start) const {
    return !open_.empty() && open_.back().block && open_.back().awaits_value && start < read_ &&
           text_[start] != '?';
  }

  bool IsOpenMap() const { return open_.back().node.kind == YamlNode::Kind::kMapping; }

  // `start` of a value is where its anchor or tag is: the value itself stands behind them.
  YamlNode NewNode(size_t start, std::string_view tag = "?") {
    if (open_.size() > kMaxYamlDepth) throw Refusal{start, TooDeep()};
    if (++nodes_ > kMaxYamlNodes) throw Refusal{start, TooMany()};
    if (!IsKnownTag(tag)) {
      throw Refusal{start, base::StrCat("the tag ", Quote(tag), " means nothing here")};
    }
    YamlNode node;
    node.span = {source_, SkipProperties(text_, start), ScalarStyle::kPlain};
    return node;
  }

  void Open(YamlNode::Kind kind, size_t start, std::string_view tag, YAML::anchor_t anchor) {
    YamlNode node = NewNode(start, tag);
    node.kind = kind;
    read_ = node.span.begin;
    open_.push_back({.node = std::move(node), .anchor = anchor});
  }

  void Close() {
    Unfinished done = std::move(open_.back());
    open_.pop_back();
    Add(std::move(done.node), done.anchor);
  }

  void Add(YamlNode node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) Keep(node, anchor);
    if (open_.empty()) {
      const bool empty = node.kind == YamlNode::Kind::kScalar && TypeOf(node) == ScalarType::kNull;
      if (!empty) documents_.push_back(std::move(node));
      return;
    }
    Unfinished& parent = open_.back();
    if (!IsOpenMap()) {
      parent.node.items.push_back(std::move(node));
      return;
    }
    if (parent.awaits_value) {
      parent.node.entries.back().value = std::move(node);
    } else {
      parent.merges = parent.merges || IsMerge(node);
      parent.node.entries.emplace_back().key = std::move(node);
    }
    parent.awaits_value = !parent.awaits_value;
  }

  void Keep(const YamlNode& node, YAML::anchor_t anchor) {
    // What is kept for aliases counts, as what they expand to does.
    Anchored anchored{CountNodes(node), DepthOf(node), {}};
    nodes_ += anchored.size;
    if (nodes_ > kMaxYamlNodes) return;  // the next value tells
    anchored.node = node;
    anchors_[anchor] = std::move(anchored);
  }

  // `<<: *defaults` brings in the entries that the mapping does not have itself.
  static void Merge(YamlNode* node) {
    std::vector<YamlEntry> own;
    std::vector<YamlNode> merged;
    for (YamlEntry& entry : node->entries) {
      if (!IsMerge(entry.key)) {
        own.push_back(std::move(entry));
        continue;
      }
      if (entry.value.kind == YamlNode::Kind::kSequence) {
        for (YamlNode& item : entry.value.items) merged.push_back(std::move(item));
      } else {
        merged.push_back(std::move(entry.value));
      }
    }
    std::set<std::string> names;
    for (const YamlEntry& entry : own) names.insert(entry.key.text);
    for (YamlNode& map : merged) {
      if (map.kind != YamlNode::Kind::kMapping) {
        throw Refusal{map.span.begin, "`<<` takes a map, or a list of maps"};
      }
      for (YamlEntry& entry : map.entries) {
        if (names.insert(entry.key.text).second) own.push_back(std::move(entry));
      }
    }
    node->entries = std::move(own);
  }

  std::shared_ptr<const SourceText> source_;
  std::string_view text_;
  size_t skipped_ = 0;  // a byte order mark
  size_t read_ = 0;     // end of the last value's text
  bool started_ = false;
  std::vector<Unfinished> open_;
  std::vector<YamlNode> documents_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  size_t nodes_ = 0;
};

// The parser knows no line ends of old Macs; same length, so that offsets stay.
std::string WithLineFeeds(std::string text) {
  for (size_t at = 0; (at = text.find('\r', at)) != text.npos; ++at) {
    if (text.compare(at + 1, 1, "\n") != 0) text[at] = '\n';
  }
  return text;
}

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool IsInteger(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  std::string_view digits = "0123456789";
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    digits = "0123456789abcdefABCDEF";
  } else if (text.starts_with("0b") || text.starts_with("0o")) {
    text.remove_prefix(2);
  }
  return !text.empty() && text.find_first_not_of(digits) == std::string_view::npos;
}

bool IsFloat(std::string_view text) {
  if (text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return false;
  double value = 0;
  return absl::SimpleAtod(base::AbslView(text), &value);
}

}  // namespace

ScalarType TypeOf(const YamlNode& scalar) {
  if (scalar.span.style != ScalarStyle::kPlain || scalar.text_tag) return ScalarType::kText;
  const std::string& text = scalar.text;
  if (IsOneOf(text, {"", "~", "null", "Null", "NULL"})) return ScalarType::kNull;
  if (IsOneOf(text, {"true", "True", "TRUE", "false", "False", "FALSE", "yes", "Yes",
                     "YES",  "no",   "No",   "NO",    "on",    "On",    "ON",  "off",
                     "Off",  "OFF",  "y",    "Y",     "n",     "N"})) {
    return ScalarType::kBoolean;
  }
  if (IsOneOf(text, {".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF",
                     "-.inf", "-.Inf", "-.INF"})) {
    return ScalarType::kFloat;
  }
  if (text.find_first_of("+-.0123456789") != 0) return ScalarType::kText;
  const std::string number = absl::StrReplaceAll(text, {{"_", ""}});
  if (IsInteger(number)) return ScalarType::kInteger;
  return IsFloat(number) ? ScalarType::kFloat : ScalarType::kText;
}

std::string_view Describe(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kSequence) return "a list";
  if (node.kind == YamlNode::Kind::kMapping) return "a map";
  switch (TypeOf(node)) {
    case ScalarType::kNull:
      return "nothing";
    case ScalarType::kBoolean:
      return "a boolean";
    case ScalarType::kInteger:
    case ScalarType::kFloat:
      return "a number";
    case ScalarType::kText:
      break;
  }
  return "text";
}

std::vector<YamlNode> ParseYaml(const std::shared_ptr<const SourceText>& source,
                                Problems* problems) {
  if (auto bad = FindBadCharacter(source->text)) {
    problems->Add(ProblemAt(*source, bad->offset, "", std::move(bad->message)));
    return {};
  }
  Builder builder(source);
  try {
    std::istringstream stream(WithLineFeeds(source->text));
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refusal& refusal) {
    problems->Add(ProblemAt(*source, refusal.offset, "", refusal.message));
  } catch (const YAML::Exception& error) {
    const SyntaxContext context = builder.ContextAt(error.mark);
    problems->Add(
        error.msg.starts_with(YAML::ErrorMsg::UNKNOWN_ANCHOR)
            ? ProblemAt(*source, context.offset, "", builder.UnknownAnchor(context.offset))
            : ExplainSyntax(*source, error.msg, context));
  }
  return builder.TakeDocuments();
}

}  // namespace levada::pipeline
