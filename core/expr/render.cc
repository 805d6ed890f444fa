// Values as JSON and as text: AppendJson, AppendText.
#include "absl/strings/escaping.h"
#include "core/base/arena.h"
#include "core/base/strings.h"
#include "core/expr/containers.h"
#include "core/expr/network.h"
#include "core/expr/number_text.h"
#include "core/expr/text.h"
#include "core/expr/time.h"
#include "core/expr/value.h"
#include "core/json/write.h"

namespace levada::expr {
namespace {

bool AppendScalarText(Value value, std::string* out) {
  switch (value.kind()) {
    case Kind::kString:
    case Kind::kType:
    case Kind::kError:
      out->append(value.text());
      return true;
    case Kind::kBytes:
      AppendAsUtf8(value.text(), out);
      return true;
    case Kind::kBool:
      out->append(value.boolean() ? "true" : "false");
      return true;
    case Kind::kInt:
      base::StrAppend(out, value.integer());
      return true;
    case Kind::kUint:
      base::StrAppend(out, value.unsigned_integer());
      return true;
    case Kind::kDouble:
      AppendDoubleText(value.real(), out);
      return true;
    case Kind::kTimestamp:
      AppendTimestamp(value.timestamp(), out);
      return true;
    case Kind::kDuration:
      AppendDuration(value.nanoseconds(), out);
      return true;
    case Kind::kIp:
    case Kind::kCidr:
      AppendAddress(value.address(), value.is(Kind::kCidr), out);
      return true;
    case Kind::kNull:
      out->append("null");
      return true;
    default:
      return false;
  }
}

class JsonWriter {
 public:
  explicit JsonWriter(std::string* out) : out_(out), limit_(out->size() + kMaxJsonBytes) {}

  bool Write(Value value, int depth) {
    if (depth > kMaxJsonDepth || out_->size() > limit_) return false;
    switch (value.kind()) {
      case Kind::kBool:
      case Kind::kInt:
      case Kind::kUint:
        return AppendScalarText(value, out_);
      case Kind::kDouble:
        json::AppendDouble(value.real(), out_);
        return true;
      case Kind::kString:
        json::AppendString(value.text(), out_);
        return true;
      case Kind::kBytes:
        base::StrAppend(out_, "\"", absl::Base64Escape(base::AbslView(value.text())), "\"");
        return true;
      case Kind::kTimestamp:
      case Kind::kDuration:
      case Kind::kType:
      case Kind::kIp:
      case Kind::kCidr:
        out_->push_back('"');
        AppendScalarText(value, out_);
        out_->push_back('"');
        return true;
      case Kind::kList:
        return List(value, depth);
      case Kind::kMap:
        return Map(value, depth);
      case Kind::kOptional:
        return Write(value.optional() ? *value.optional() : Value::Null(), depth + 1);
      default:
        out_->append("null");
        return true;
    }
  }

 private:
  bool List(Value list, int depth) {
    if (list.store() == Value::Store::kJson) return Raw(list.json());
    out_->push_back('[');
    for (uint32_t i = 0; i < list.count(); ++i) {
      if (i > 0) out_->push_back(',');
      if (!Write(list.items()[i], depth + 1)) return false;
    }
    out_->push_back(']');
    return true;
  }

  bool Map(Value map, int depth) {
    if (map.store() == Value::Store::kJson) return Raw(map.json());
    out_->push_back('{');
    std::string key;
    for (uint32_t i = 0; i < map.count(); ++i) {
      if (i > 0) out_->push_back(',');
      key.clear();
      AppendScalarText(map.entries()[i].key, &key);
      json::AppendString(key, out_);
      out_->push_back(':');
      if (!Write(map.entries()[i].value, depth + 1)) return false;
    }
    out_->push_back('}');
    return true;
  }

  // Line ends outside of strings are white space; NDJSON must not have them.
  bool Raw(std::string_view raw) {
    if (raw.size() > kMaxJsonBytes) return false;
    const size_t begin = out_->size();
    out_->append(raw);
    if (raw.find_first_of("\n\r") != std::string_view::npos) {
      for (size_t i = begin; i < out_->size(); ++i) {
        char& c = (*out_)[i];
        if (c == '\n' || c == '\r') c = ' ';
      }
    }
    return true;
  }

  std::string* out_;
  size_t limit_;
};

}  // namespace

bool AppendJson(Value value, std::string* out) {
  const size_t begin = out->size();
  if (JsonWriter(out).Write(value, 0) && out->size() - begin <= kMaxJsonBytes) return true;
  out->resize(begin);
  return false;
}

bool AppendText(Value value, std::string* out) {
  return AppendScalarText(value, out) || AppendJson(value, out);
}

}  // namespace levada::expr
