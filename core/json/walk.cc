#include <cstring>

#include "core/base/utf8.h"
#include "core/json/bytes.h"
#include "core/json/scan.h"

namespace levada::json {
namespace {

using internal::FindBracketOrQuote;
using internal::FindQuoteOrBackslash;

// `p` is behind the opening quote of a valid string; returns its closing quote.
const char* SkipString(const char* begin, const char* p, const char* end, bool* escaped) {
  for (;;) {
    p = FindQuoteOrBackslash(begin, p, end);
    if (p >= end || *p == '"') return p;
    *escaped = true;
    p += 2;
  }
}

// `p` is at an opening bracket; returns the place behind the one that closes it.
const char* SkipContainer(const char* begin, const char* p, const char* end) {
  int depth = 0;
  while (p < end) {
    p = FindBracketOrQuote(begin, p, end);
    if (p >= end) break;
    const char c = *p++;
    if (c == '"') {
      bool escaped = false;
      p = SkipString(begin, p, end, &escaped) + 1;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (--depth == 0) {
      return p;
    }
  }
  return end;
}

const char* SkipNumber(const char* p, const char* end, bool* integral) {
  *integral = true;
  for (; p < end; ++p) {
    const char c = *p;
    if (c == ',' || c == '}' || c == ']' || internal::IsSpace(c)) break;
    if (c == '.' || c == 'e' || c == 'E') *integral = false;
  }
  return p;
}

uint32_t HexQuad(const char* p) {
  uint32_t code = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = p[i];
    code = code << 4 | static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return code;
}

// Decodes the escape at *p (a backslash) of a valid string to `out`; *p moves behind it. Returns
// the bytes written.
int DecodeEscape(const char** p, char* out) {
  const char c = (*p)[1];
  *p += 2;
  switch (c) {
    case 'b':
      *out = '\b';
      return 1;
    case 'f':
      *out = '\f';
      return 1;
    case 'n':
      *out = '\n';
      return 1;
    case 'r':
      *out = '\r';
      return 1;
    case 't':
      *out = '\t';
      return 1;
    case 'u': {
      uint32_t code = HexQuad(*p);
      *p += 4;
      if (code >= 0xD800 && code < 0xDC00) {
        code = 0x10000 + ((code - 0xD800) << 10) + (HexQuad(*p + 2) - 0xDC00);
        *p += 6;
      }
      return base::EncodeUtf8(code, out);
    }
    default:
      *out = c;  // a quote, a slash or a backslash
      return 1;
  }
}

}  // namespace

Value NextValue(std::string_view document, size_t* at) {
  const char* const begin = document.data();
  const char* const end = begin + document.size();
  const char* p = begin + *at;
  while (p < end && internal::IsSpace(*p)) ++p;
  Value value;
  if (p >= end) {
    *at = document.size();
    return value;
  }
  const char* const start = p;
  const char* raw_end = nullptr;
  switch (*p) {
    case '"':
      value.kind = Kind::kString;
      raw_end = SkipString(begin, p + 1, end, &value.escaped);
      value.raw = std::string_view(start + 1, static_cast<size_t>(raw_end - start - 1));
      *at = static_cast<size_t>(raw_end + 1 - begin);
      return value;
    case '{':
    case '[':
      value.kind = *p == '{' ? Kind::kObject : Kind::kArray;
      raw_end = SkipContainer(begin, p, end);
      break;
    case 't':
      value.kind = Kind::kTrue;
      raw_end = p + 4;
      break;
    case 'f':
      value.kind = Kind::kFalse;
      raw_end = p + 5;
      break;
    case 'n':
      value.kind = Kind::kNull;
      raw_end = p + 4;
      break;
    default:
      value.kind = Kind::kNumber;
      raw_end = SkipNumber(p, end, &value.integral);
      break;
  }
  value.raw = std::string_view(start, static_cast<size_t>(raw_end - start));
  *at = static_cast<size_t>(raw_end - begin);
  return value;
}

Value FindMember(std::string_view object, std::string_view key) {
  Value found;
  ForEachMember(object, [&](std::string_view raw, bool escaped, const Value& value) {
    if (!Equals(raw, escaped, key)) return true;
    found = value;
    return false;
  });
  return found;
}

bool Equals(std::string_view raw, bool escaped, std::string_view text) {
  if (!escaped) return raw == text;
  const char* p = raw.data();
  const char* const end = p + raw.size();
  size_t matched = 0;
  while (p < end) {
    char decoded[4];
    int size = 1;
    if (*p == '\\') {
      size = DecodeEscape(&p, decoded);
    } else {
      decoded[0] = *p++;
    }
    const size_t count = static_cast<size_t>(size);
    if (text.size() - matched < count || std::memcmp(text.data() + matched, decoded, count) != 0) {
      return false;
    }
    matched += count;
  }
  return matched == text.size();
}

size_t UnescapeInto(std::string_view raw, char* out) {
  const char* p = raw.data();
  const char* const end = p + raw.size();
  char* const start = out;
  while (p < end) {
    const char* stop = static_cast<const char*>(std::memchr(p, '\\', static_cast<size_t>(end - p)));
    if (stop == nullptr) stop = end;
    std::memcpy(out, p, static_cast<size_t>(stop - p));
    out += stop - p;
    p = stop;
    while (p < end && *p == '\\') out += DecodeEscape(&p, out);
  }
  return static_cast<size_t>(out - start);
}

void Unescape(std::string_view raw, std::string* out) {
  const size_t before = out->size();
  out->resize(before + raw.size());
  out->resize(before + UnescapeInto(raw, out->data() + before));
}

}  // namespace levada::json
