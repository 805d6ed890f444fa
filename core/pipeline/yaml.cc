#include "core/pipeline/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "core/base/strings.h"

namespace levada::pipeline {
namespace {

class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&event_); }
  yaml_event_t* get() { return &event_; }
  const yaml_event_t* operator->() const { return &event_; }

 private:
  yaml_event_t event_{};
};

std::string_view Text(const yaml_char_t* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

size_t CountNodes(const YamlNode& node) {
  size_t count = 1;
  for (const YamlNode& item : node.items) count += CountNodes(item);
  for (const auto& [key, value] : node.entries) count += CountNodes(key) + CountNodes(value);
  return count;
}

ScalarStyle StyleOf(yaml_scalar_style_t style) {
  switch (style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE:
      return ScalarStyle::kSingleQuoted;
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
      return ScalarStyle::kDoubleQuoted;
    case YAML_LITERAL_SCALAR_STYLE:
      return ScalarStyle::kLiteral;
    case YAML_FOLDED_SCALAR_STYLE:
      return ScalarStyle::kFolded;
    default:
      return ScalarStyle::kPlain;
  }
}

class Parser {
 public:
  Parser(const std::shared_ptr<const SourceText>& source, Problems* problems)
      : source_(source), problems_(problems) {
    yaml_parser_initialize(&parser_);
    const std::string& text = source_->text;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
    // libyaml counts characters.
    for (size_t i = 0; i < text.size(); ++i) {
      if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) characters_.push_back(i);
    }
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { yaml_parser_delete(&parser_); }

  std::vector<YamlNode> Documents() {
    std::vector<YamlNode> documents;
    for (;;) {
      Event event;
      if (!Next(&event) || event->type == YAML_STREAM_END_EVENT) return documents;
      if (event->type != YAML_DOCUMENT_START_EVENT) continue;
      anchors_.clear();
      nodes_ = 0;
      Event root;
      YamlNode node;
      if (!Next(&root) || !ReadNode(root, 0, &node)) return documents;
      const bool empty = node.kind == YamlNode::Kind::kScalar && TypeOf(node) == ScalarType::kNull;
      if (!empty) documents.push_back(std::move(node));
    }
  }

 private:
  bool Next(Event* event) {
    if (yaml_parser_parse(&parser_, event->get())) return true;
    SyntaxProblem();
    return false;
  }

  size_t Offset(const yaml_mark_t& mark) const {
    return mark.index < characters_.size() ? characters_[mark.index] : source_->text.size();
  }

  bool Fail(size_t offset, std::string message, std::string hint = "") {
    problems_->Add(ProblemAt(*source_, offset, "", std::move(message), std::move(hint)));
    return false;
  }

  void SyntaxProblem() {
    const size_t offset =
        parser_.error == YAML_READER_ERROR ? parser_.problem_offset : Offset(parser_.problem_mark);
    std::string message =
        base::StrCat("not YAML: ", parser_.problem == nullptr ? "out of memory" : parser_.problem);
    if (parser_.context != nullptr) {
      const Problem context = ProblemAt(*source_, Offset(parser_.context_mark), "", "");
      base::StrAppend(&message, " ", parser_.context, " that starts at ", context.line, ":",
                      context.column);
    }
    Fail(offset, std::move(message), TabHint(offset));
  }

  // Tabs in front of a key are what people cannot see.
  std::string TabHint(size_t offset) const {
    const std::string_view text = source_->text;
    offset = std::min(offset, text.size());
    const size_t start = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
    const std::string_view line = text.substr(start == std::string_view::npos ? 0 : start + 1);
    const size_t first = line.find_first_not_of(" \t");
    const bool tab = line.substr(0, first).find('\t') != std::string_view::npos;
    return tab ? "indent with spaces: YAML does not take tabs" : "";
  }

  // `start` of a value is where its anchor or tag is: the value itself stands behind them.
  size_t SkipProperties(size_t at) const {
    const std::string_view text = source_->text;
    while (at < text.size() && (text[at] == '&' || text[at] == '!')) {
      at = std::min(text.find_first_of(" \t\r\n", at), text.size());
      at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
    }
    return at;
  }

  bool ReadNode(const Event& event, int depth, YamlNode* node) {
    const size_t start = Offset(event->start_mark);
    if (depth > kMaxYamlDepth) {
      return Fail(start, base::StrCat("more than ", kMaxYamlDepth, " levels deep"));
    }
    if (++nodes_ > kMaxYamlNodes) return Fail(start, TooMany());
    node->span = {source_, SkipProperties(start), ScalarStyle::kPlain};
    switch (event->type) {
      case YAML_SCALAR_EVENT:
        return ReadScalar(event, node);
      case YAML_SEQUENCE_START_EVENT:
        return ReadSequence(event, depth, node);
      case YAML_MAPPING_START_EVENT:
        return ReadMapping(event, depth, node);
      case YAML_ALIAS_EVENT:
        return ReadAlias(Text(event->data.alias.anchor), start, depth, node);
      default:
        return Fail(start, "not YAML: expected a value");
    }
  }

  bool ReadScalar(const Event& event, YamlNode* node) {
    const auto& scalar = event->data.scalar;
    if (!CheckTag(Text(scalar.tag), Offset(event->start_mark))) return false;
    node->text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
    node->span.style = StyleOf(scalar.style);
    node->text_tag = Text(scalar.tag) == "tag:yaml.org,2002:str";
    Anchor(scalar.anchor, *node);
    return true;
  }

  bool ReadSequence(const Event& event, int depth, YamlNode* node) {
    node->kind = YamlNode::Kind::kSequence;
    if (!CheckTag(Text(event->data.sequence_start.tag), Offset(event->start_mark))) return false;
    for (;;) {
      Event item;
      if (!Next(&item)) return false;
      if (item->type == YAML_SEQUENCE_END_EVENT) break;
      if (!ReadNode(item, depth + 1, &node->items.emplace_back())) return false;
    }
    Anchor(event->data.sequence_start.anchor, *node);
    return true;
  }

  bool ReadMapping(const Event& event, int depth, YamlNode* node) {
    node->kind = YamlNode::Kind::kMapping;
    if (!CheckTag(Text(event->data.mapping_start.tag), Offset(event->start_mark))) return false;
    bool merges = false;
    for (;;) {
      Event key;
      Event value;
      if (!Next(&key)) return false;
      if (key->type == YAML_MAPPING_END_EVENT) break;
      auto& entry = node->entries.emplace_back();
      if (!ReadNode(key, depth + 1, &entry.key)) return false;
      if (!Next(&value) || !ReadNode(value, depth + 1, &entry.value)) return false;
      merges = merges || IsMerge(entry.key);
    }
    if (merges && !Merge(node)) return false;
    Anchor(event->data.mapping_start.anchor, *node);
    return true;
  }

  bool ReadAlias(std::string_view name, size_t start, int depth, YamlNode* node) {
    const auto it = anchors_.find(name);
    if (it == anchors_.end()) {
      return Fail(start, base::StrCat("no anchor `&", name, "` before this, or it holds itself"));
    }
    if (depth + it->second.depth > kMaxYamlDepth) {
      return Fail(start, base::StrCat("more than ", kMaxYamlDepth, " levels deep"));
    }
    nodes_ += it->second.size;
    if (nodes_ > kMaxYamlNodes) return Fail(start, TooMany());
    *node = it->second.node;
    return true;
  }

  static bool IsMerge(const YamlNode& key) {
    return key.kind == YamlNode::Kind::kScalar && key.text == "<<" &&
           key.span.style == ScalarStyle::kPlain && !key.text_tag;
  }

  // `<<: *defaults` brings in the entries that the mapping does not have itself.
  bool Merge(YamlNode* node) {
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
        return Fail(map.span.begin, "`<<` takes a map, or a list of maps");
      }
      for (YamlEntry& entry : map.entries) {
        if (names.insert(entry.key.text).second) own.push_back(std::move(entry));
      }
    }
    node->entries = std::move(own);
    return true;
  }

  bool CheckTag(std::string_view tag, size_t offset) {
    if (tag.empty() || tag == "!") return true;
    static constexpr std::string_view kCore = "tag:yaml.org,2002:";
    static constexpr std::array<std::string_view, 7> kTags = {"str",  "int", "float", "bool",
                                                              "null", "map", "seq"};
    const bool known = tag.starts_with(kCore) && std::find(kTags.begin(), kTags.end(),
                                                           tag.substr(kCore.size())) != kTags.end();
    return known || Fail(offset, base::StrCat("the tag `", tag, "` means nothing here"));
  }

  static int DepthOf(const YamlNode& node) {
    int depth = 0;
    for (const YamlNode& item : node.items) depth = std::max(depth, 1 + DepthOf(item));
    for (const auto& [key, value] : node.entries) {
      depth = std::max({depth, 1 + DepthOf(key), 1 + DepthOf(value)});
    }
    return depth;
  }

  void Anchor(const yaml_char_t* name, const YamlNode& node) {
    if (name == nullptr) return;
    // What is kept for aliases counts, as what they expand to does.
    Anchored anchored{CountNodes(node), DepthOf(node), {}};
    nodes_ += anchored.size;
    if (nodes_ > kMaxYamlNodes) return;  // the next value tells
    anchored.node = node;
    anchors_[std::string(Text(name))] = std::move(anchored);
  }

  static std::string TooMany() {
    return base::StrCat("more than ", kMaxYamlNodes, " values, aliases expanded");
  }

  struct Anchored {
    size_t size = 0;
    int depth = 0;
    YamlNode node;
  };

  std::shared_ptr<const SourceText> source_;
  Problems* problems_;
  yaml_parser_t parser_;
  std::vector<size_t> characters_;  // byte offset of each
  std::map<std::string, Anchored, std::less<>> anchors_;
  size_t nodes_ = 0;
};

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
  return Parser(source, problems).Documents();
}

}  // namespace levada::pipeline
