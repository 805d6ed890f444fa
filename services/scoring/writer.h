#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/expr/activation.h"
#include "core/expr/env.h"
#include "core/json/scan.h"
#include "core/json/splice.h"
#include "services/scoring/step.h"

// Writes an event as it leaves the stage: the input's bytes with the fields that the steps set,
// dropped or selected. What was not touched is copied as it stands.
//
//   EventWriter writer(copied, &env);  // after all steps are made; adds fields for the scan to
//   find writer.Write(document, info, raw, activation, &out);
//
// Threads: one at a time.
namespace levada::scoring {

class EventWriter {
 public:
  EventWriter(const CopiedFields& copied, expr::Env* env);

  // True if events leave as they came in: there is nothing to write.
  bool identity() const { return set_.empty() && drop_.empty() && !select_; }

  // Appends the event. False, with part of it written, if a value cannot be (larger than 64 MiB).
  bool Write(std::string_view document, const json::ScanInfo& info,
             std::span<const json::Value> raw, const expr::Activation& activation,
             std::string* out);

 private:
  struct Field {
    int slot = -1;     // of the activation
    int scanned = -1;  // of the scan
    int copied = -1;   // of the scan: the field that it is a copy of
    std::string key;   // "name": with quotes and colon
  };
  struct Range {
    size_t begin = 0;
    size_t size = 0;
  };

  // Whether all that is to be done to the event is to add fields that it does not have: most events
  // are written so, in one go.
  bool OnlyAppends(std::span<const json::Value> raw) const;
  bool Append(std::string_view document, const json::ScanInfo& info,
              std::span<const json::Value> raw, const expr::Activation& activation,
              std::string* out) const;

  std::vector<Field> set_;
  std::vector<int> drop_;
  std::vector<int> keep_;
  bool select_ = false;

  // Reused from event to event.
  std::string values_;
  std::vector<Range> ranges_;
  std::vector<json::FieldEdit> edits_;
};

}  // namespace levada::scoring
