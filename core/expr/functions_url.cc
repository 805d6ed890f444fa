// Parts of URLs (RFC 3986) and percent-encoding.
//   [scheme ":"] ["//" [user "@"] host [":" port]] path ["?" query] ["#" fragment]
#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "core/base/utf8.h"
#include "core/expr/functions.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

using Style = Function::Style;

struct Url {
  std::string_view scheme, host, port, path, query, fragment;
};

// Cuts `text` behind the first of `marks` in it; what is before it, or all of it.
std::string_view Until(std::string_view marks, std::string_view* text) {
  const size_t end = std::min(text->find_first_of(marks), text->size());
  const std::string_view part = text->substr(0, end);
  text->remove_prefix(end);
  return part;
}

std::string_view Scheme(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || !absl::ascii_isalpha(text[0])) return "";
  const std::string_view scheme = text.substr(0, colon);
  const bool good = std::all_of(scheme.begin(), scheme.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '+' || c == '-' || c == '.';
  });
  return good ? scheme : "";
}

Url Split(std::string_view text) {
  Url url;
  url.scheme = Scheme(text);
  if (!url.scheme.empty()) text.remove_prefix(url.scheme.size() + 1);
  if (text.starts_with("//")) {
    text.remove_prefix(2);
    std::string_view authority = Until("/?#", &text);
    if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
      authority.remove_prefix(at + 1);
    }
    if (authority.starts_with('[')) {  // an IPv6 address; its brackets are not part of it
      authority.remove_prefix(1);
      url.host = Until("]", &authority);
      if (!authority.empty()) authority.remove_prefix(1);
    } else {
      url.host = Until(":", &authority);
    }
    if (authority.starts_with(':')) url.port = authority.substr(1);
  }
  url.path = Until("?#", &text);
  if (text.starts_with('?')) {
    text.remove_prefix(1);
    url.query = Until("#", &text);
  }
  if (text.starts_with('#')) url.fragment = text.substr(1);
  return url;
}

template <std::string_view Url::*part>
Value Part(const Value* args, size_t, Activation&) {
  return Value::String(Split(args[0].text()).*part);
}

// Scheme and host are the same in either case.
template <std::string_view Url::*part>
Value LowerPart(const Value* args, size_t, Activation& activation) {
  const std::string_view text = Split(args[0].text()).*part;
  if (std::none_of(text.begin(), text.end(), absl::ascii_isupper)) return Value::String(text);
  char* const lower = NewArray<char>(activation, text.size());
  if (lower == nullptr) return Exhausted();
  std::transform(text.begin(), text.end(), lower, absl::ascii_tolower);
  return Value::String({lower, text.size()});
}

Value Port(const Value* args, size_t, Activation& activation) {
  const Url url = Split(args[0].text());
  if (url.port.empty()) {
    const auto is = [&](std::string_view scheme) {
      return absl::EqualsIgnoreCase(base::AbslView(url.scheme), base::AbslView(scheme));
    };
    return Value::Int(is("https") || is("wss") ? 443 : is("http") || is("ws") ? 80 : 0);
  }
  uint16_t port = 0;
  const char* const end = url.port.data() + url.port.size();
  const auto result = std::from_chars(url.port.data(), end, port);
  if (result.ec == std::errc() && result.ptr == end) return Value::Int(port);
  return Fail(activation, "url.port: not a port: '", url.port.substr(0, 40), "'");
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// `form`: as in the queries of forms, where + is a blank. A % that begins nothing stays.
Value Decode(std::string_view text, bool form, Activation& activation) {
  if (text.find_first_of(form ? "%+" : "%") == std::string_view::npos) return Value::String(text);
  char* const decoded = NewArray<char>(activation, text.size());
  if (decoded == nullptr) return Exhausted();
  char* end = decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      c = static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else if (form && c == '+') {
      c = ' ';
    }
    *end++ = c;
  }
  const std::string_view result(decoded, static_cast<size_t>(end - decoded));
  if (!base::IsUtf8(result)) return Value::Error("the percent-encoded bytes are not UTF-8");
  return Value::String(result);
}

Value DecodeText(const Value* args, size_t, Activation& activation) {
  return Decode(args[0].text(), false, activation);
}

bool Unreserved(char c) {
  return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

Value EncodeText(const Value* args, size_t, Activation& activation) {
  const std::string_view text = args[0].text();
  if (std::all_of(text.begin(), text.end(), Unreserved)) return args[0];
  char* const encoded = NewArray<char>(activation, 3 * text.size());
  if (encoded == nullptr) return Exhausted();
  char* end = encoded;
  for (const char c : text) {
    if (Unreserved(c)) {
      *end++ = c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    *end++ = '%';
    *end++ = "0123456789ABCDEF"[byte >> 4];
    *end++ = "0123456789ABCDEF"[byte & 15];
  }
  return Value::String({encoded, static_cast<size_t>(end - encoded)});
}

// url.parameter(url, name): the first one of that name.
Value Parameter(const Value* args, size_t, Activation& activation) {
  std::string_view query = Split(args[0].text()).query;
  while (!query.empty()) {
    std::string_view pair = Until("&", &query);
    if (!query.empty()) query.remove_prefix(1);
    const Value name = Decode(Until("=", &pair), true, activation);
    if (activation.exhausted()) return Exhausted();
    if (!name.ok() || name.text() != args[1].text()) continue;
    const Value value = Decode(pair.empty() ? pair : pair.substr(1), true, activation);
    if (!value.ok()) return value;
    return Value::Optional(activation.arena().New<Value>(value));
  }
  return Value::Optional(nullptr);
}

constexpr Type kString{Kind::kString}, kInt{Kind::kInt};
constexpr Type kOptionalString{Kind::kOptional, Kind::kNone, Kind::kString};
constexpr Kind S = Kind::kString;

constexpr Function kFunctions[] = {
    {"url.scheme",
     Style::kGlobal,
     kString,
     {S},
     1,
     LowerPart<&Url::scheme>,
     "https; empty where there is none, as with all parts"},
    {"url.host",
     Style::kGlobal,
     kString,
     {S},
     1,
     LowerPart<&Url::host>,
     "the host, in lower case, without user and port"},
    {"url.port",
     Style::kGlobal,
     kInt,
     {S},
     1,
     Port,
     "the port, or that of http, https, ws or wss; else 0"},
    {"url.path", Style::kGlobal, kString, {S}, 1, Part<&Url::path>, "the path, not decoded"},
    {"url.query", Style::kGlobal, kString, {S}, 1, Part<&Url::query>, "what stands behind the ?"},
    {"url.fragment",
     Style::kGlobal,
     kString,
     {S},
     1,
     Part<&Url::fragment>,
     "what stands behind the #"},
    {"url.parameter",
     Style::kGlobal,
     kOptionalString,
     {S, S},
     2,
     Parameter,
     "the first query parameter of a name, decoded, if there is one"},
    {"url.decode", Style::kGlobal, kString, {S}, 1, DecodeText, "%41 as A"},
    {"url.encode",
     Style::kGlobal,
     kString,
     {S},
     1,
     EncodeText,
     "all but letters, digits and - . _ ~ as %41"},
};

}  // namespace

std::span<const Function> UrlFunctions() { return kFunctions; }

}  // namespace levada::expr
