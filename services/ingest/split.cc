#include "services/ingest/split.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "core/base/strings.h"
#include "core/json/scan.h"

namespace levada::ingest {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

absl::Status TooMany(size_t max_events) {
  return absl::ResourceExhaustedError(
      base::StrCat("more than ", max_events, " events in one request"));
}

// Offset of the quote that closes the string opened at `at`; size() if there is none.
size_t StringEnd(std::string_view bytes, size_t at) {
  for (++at; at < bytes.size() && bytes[at] != '"'; ++at) {
    if (bytes[at] == '\\') ++at;
  }
  return std::min(at, bytes.size());
}

// Offset of the first byte behind the array element that starts at `at`: a comma or closing bracket
// outside of strings and inner brackets; size() if there is none.
size_t ElementEnd(std::string_view bytes, size_t at) {
  size_t depth = 0;
  for (; at < bytes.size(); ++at) {
    switch (bytes[at]) {
      case '"':
        at = StringEnd(bytes, at);
        break;
      case '[':
      case '{':
        ++depth;
        break;
      case ']':
      case '}':
        if (depth == 0) return at;
        --depth;
        break;
      case ',':
        if (depth == 0) return at;
        break;
      default:
        break;
    }
  }
  return bytes.size();
}

absl::Status SplitArray(std::string_view bytes, size_t max_events, Body* body) {
  body->format = Format::kArray;
  size_t at = 1;
  for (;;) {
    const size_t end = ElementEnd(bytes, at);
    if (end == bytes.size()) return absl::InvalidArgumentError("the array is not closed");
    if (bytes[end] == '}') {
      return absl::InvalidArgumentError(base::StrCat("byte ", end, ": a brace too many"));
    }
    const std::string_view element = Trim(bytes.substr(at, end - at));
    const bool last = bytes[end] == ']';
    if (element.empty() && last && body->events.empty()) {
      return absl::InvalidArgumentError("the array is empty");
    }
    if (body->events.size() == max_events) return TooMany(max_events);
    body->events.push_back(element);  // an empty one (",,") is refused as no JSON
    at = end + 1;
    if (!last) continue;
    if (at != bytes.size()) {
      return absl::InvalidArgumentError(base::StrCat("byte ", at, ": something behind the array"));
    }
    return absl::OkStatus();
  }
}

absl::Status SplitLines(std::string_view bytes, size_t max_events, Body* body) {
  body->format = Format::kLines;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view line = Trim(bytes.substr(0, end));
    bytes = end == std::string_view::npos ? std::string_view() : bytes.substr(end + 1);
    if (line.empty()) continue;
    if (body->events.size() == max_events) return TooMany(max_events);
    body->events.push_back(line);
  }
  return absl::OkStatus();
}

Format Sniff(std::string_view bytes) {
  if (bytes.front() == '[') return Format::kArray;
  const size_t end = bytes.find('\n');
  if (end == std::string_view::npos) return Format::kObject;
  json::Value value;
  return json::ScanValue(bytes.substr(0, end), &value).ok() ? Format::kLines : Format::kObject;
}

}  // namespace

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool FormatOf(std::string_view content_type, Format* format) {
  std::string type(Trim(content_type.substr(0, content_type.find(';'))));
  absl::AsciiStrToLower(&type);
  if (type == "application/json") {
    *format = Format::kJson;
  } else if (type == "application/x-ndjson" || type == "application/ndjson" ||
             type == "application/jsonl" || type == "application/x-jsonlines") {
    *format = Format::kLines;
  } else if (type.empty() || type == "text/plain" || type == "application/octet-stream" ||
             type == "application/x-www-form-urlencoded") {  // curl -d says the last
    *format = Format::kSniff;
  } else {
    return false;
  }
  return true;
}

absl::Status Split(std::string_view bytes, Format format, size_t max_events, Body* body) {
  bytes = Trim(bytes);
  body->events.clear();
  if (bytes.empty()) return absl::InvalidArgumentError("the body holds no event");
  if (format == Format::kSniff) format = Sniff(bytes);
  if (format == Format::kJson) format = bytes.front() == '[' ? Format::kArray : Format::kObject;
  if (format == Format::kLines) return SplitLines(bytes, max_events, body);
  if (format == Format::kArray) {
    if (bytes.front() != '[') return absl::InvalidArgumentError("the body is not a JSON array");
    return SplitArray(bytes, max_events, body);
  }
  body->format = Format::kObject;
  body->events.push_back(bytes);
  return absl::OkStatus();
}

}  // namespace levada::ingest
