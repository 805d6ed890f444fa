#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/aggregate/aggregate_set.h"
#include "services/scoring/segment.h"
#include "services/scoring/step.h"

namespace levada::scoring {

// The fields that a window's events are told apart by, and the key that they make: a JSON array of
// their values, from which a result's fields are made again with the types that they had. A field
// that is absent is null.
//
// Threads: one at a time.
class KeyFields {
 public:
  static absl::StatusOr<KeyFields> Make(
      expr::Env* env, const google::protobuf::RepeatedPtrField<std::string>& names);

  size_t size() const { return fields_.size(); }
  const std::string& name(size_t i) const { return fields_[i].name; }
  expr::Type type(size_t i) const { return fields_[i].type; }
  std::string signature() const;

  // False: a field has no value that can be a key, `key` is the error. The view is valid until the
  // next call.
  bool Write(expr::Activation& activation, std::string_view* key);
  // The values of a key; text may be a view of it.
  void Read(std::string_view key, base::Arena* arena, std::span<expr::Value> values) const;
  // The key of a result's record: one value as text, several as their array.
  std::string_view RecordKey(std::string_view key, std::span<const expr::Value> values,
                             base::Arena* arena) const;

 private:
  struct Field {
    std::string name;
    expr::Program value;
    expr::Type type;
    expr::FieldType reads_as;
  };
  std::vector<Field> fields_;
  std::string text_;
};

// Makes the events that a window gives, for the steps behind it.
//
// Threads: one at a time.
class WindowResults {
 public:
  // Declares their fields. `set` and `keys` outlive it.
  WindowResults(const v1::Window& config, const KeyFields* keys, const aggregate::AggregateSet* set,
                Segment* next);

  // Where the values of a window are to be put before Emit.
  std::span<expr::Value> values() { return values_; }
  base::Arena* arena() { return &next_->activation().arena(); }
  // Ends what was written to the arena. `source`: the record that closed the window, or -1. `time_us`: the result's own.
  void Emit(Partition* partition, int32_t source, std::string_view key, int64_t start_us,
            int64_t end_us, int64_t time_us);

 private:
  std::span<expr::Value> Make(const Row& row, int64_t start_us, int64_t end_us);

  const KeyFields* keys_;
  Segment* next_;
  std::vector<expr::Value> values_;      // of the aggregates
  std::vector<expr::Value> key_values_;  // of a window
  int first_aggregate_ = -1;             // slots of `set`, one after the other
  int start_slot_ = -1;
  int end_slot_ = -1;
  // The long form.
  std::vector<std::pair<std::string, std::string>> metrics_;  // names and units
  int metric_slot_ = -1;
  int value_slot_ = -1;
  int unit_slot_ = -1;
};

}  // namespace levada::scoring
