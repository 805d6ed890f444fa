#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/arena.h"
#include "core/expr/env.h"
#include "core/expr/value.h"
#include "core/json/scan.h"
#include "core/record/record.h"

// The values that programs see while one event is handled.
//
//   base::Arena arena;
//   Activation activation(env, &arena);           // after the stage's expressions are compiled
//   for (const Record& record : batch.records()) {
//     json::Scan(record.value, env.fields(), slots, &info);
//     activation.Begin(record.value, slots, {&batch, &record});
//     Value amount = program.Eval(activation);
//     activation.Set(score_slot, Value::Double(model.Score(...)));
//   }
//   arena.Reset();                                // once a batch
//
// A field is decoded at most once an event, when the first expression reads it.
//
// Thread-safety: one thread at a time.
namespace levada::expr {

class Regexes;

// What `meta` is made from: a record and its batch. Either may be null, then `meta` has no values.
struct Meta {
  const Batch* batch = nullptr;
  const Record* record = nullptr;
};

class Activation {
 public:
  // How much one evaluation may cost: a bound against expressions that multiply, not a quota.
  static constexpr int64_t kMaxSteps = 2'000'000;  // elements visited by macros, compared, …
  static constexpr int64_t kMaxBytes = 64 << 20;   // memory taken for new text and lists

  Activation(const Env& env, base::Arena* arena);
  ~Activation();
  Activation(Activation&&) noexcept;

  // The next event. `document` is a whole JSON object that json::Scan accepted; `fields` are its
  // slots. All slots set before are forgotten.
  void Begin(std::string_view document, std::span<const json::Value> fields, Meta meta = {});
  // As above, for events that are not JSON of their own: only slots.
  void Begin();

  void Set(int slot, Value value) { slots_[slot] = value; }
  // A slot's value; kNone where it is not set.
  Value Get(int slot) const { return slots_[slot]; }

  base::Arena& arena() { return *arena_; }

  // ---- For programs ----

  Value Field(int slot, FieldType type) {
    const Value& value = fields_[slot].value;
    if (fields_[slot].type == type && !value.is(Kind::kNone)) return value;
    return Decode(slot, type);
  }
  const json::Value& RawField(int slot) const { return raw_[slot]; }
  bool HasField(int slot) const {
    return static_cast<size_t>(slot) < raw_.size() && raw_[slot].kind != json::Kind::kAbsent;
  }
  std::string_view document() const { return document_; }
  Value MetaField(int which);

  // Steps and bytes left for the evaluation under way; false once they are used up, after which the
  // evaluation ends in an error whatever the expression makes of it.
  bool TakeSteps(int64_t steps) { return (steps_left_ -= steps) >= 0; }
  // For going over that many bytes of text or JSON.
  bool TakeStepsForBytes(size_t bytes) { return TakeSteps(static_cast<int64_t>(bytes / 256)); }
  bool TakeBytes(int64_t bytes) { return (bytes_left_ -= bytes) >= 0; }
  bool exhausted() const { return steps_left_ < 0 || bytes_left_ < 0; }
  void StartEvaluation(int locals) {
    steps_left_ = kMaxSteps;
    bytes_left_ = kMaxBytes;
    if (static_cast<int>(locals_.size()) < locals) locals_.resize(locals);
  }
  Value& local(int index) { return locals_[index]; }
  Regexes& regexes();

 private:
  struct Decoded {
    Value value;  // kNone: not decoded yet
    FieldType type = FieldType::kDyn;
  };
  Value Decode(int slot, FieldType type);
  Value TextOf(std::string_view bytes);

  base::Arena* arena_;
  std::string_view document_;
  std::span<const json::Value> raw_;
  std::vector<Decoded> fields_;
  std::vector<Value> slots_;
  std::vector<Value> locals_;
  Meta meta_;
  int64_t steps_left_ = 0;
  int64_t bytes_left_ = 0;
  std::unique_ptr<Regexes> regexes_;  // patterns that are computed rather than written
};

}  // namespace levada::expr
