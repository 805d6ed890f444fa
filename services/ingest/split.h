#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

// Takes a request's body apart into events, without looking into them: one JSON object, an array,
// or newline-delimited JSON.
//
//   Body body;
//   absl::Status status = Split(bytes, Format::kSniff, 10'000, &body);
//   for (std::string_view event : body.events) Check(event);
//
// Lines stand for themselves: a broken one is refused and the others are taken. An array is one
// JSON document: if any of it is broken, all of it is (ArrayIsWhole tells; the split alone cannot,
// since it only counts brackets and skips strings).
//
// Thread-safety: pure functions.
namespace levada::ingest {

enum class Format : uint8_t {
  kSniff,   // kArray where it begins with a bracket; kLines where the first line is complete and
            // another one follows; else kObject
  kJson,    // kArray or kObject
  kObject,  // the body is one event
  kArray,
  kLines,
};

struct Body {
  Format format = Format::kObject;       // what it was: never kSniff or kJson
  std::vector<std::string_view> events;  // in the body's bytes, without white space around them
};

// The format that a Content-Type asks for. False for one that cannot hold events.
bool FormatOf(std::string_view content_type, Format* format);

// kInvalidArgument: no event, or an array whose brackets do not close; kResourceExhausted: more
// than `max_events`.
absl::Status Split(std::string_view bytes, Format format, size_t max_events, Body* body);

// Kafka and JSON agree on what white space is: blank, tab, line feed, carriage return.
std::string_view Trim(std::string_view text);

}  // namespace levada::ingest
