#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/expr/type.h"
#include "core/json/scan.h"

// The names that expressions may use, and where their values will be found.
//
//   expr::Env env;
//   env.DeclareField("transaction_amt", FieldType::kDouble);
//   env.set_closed(true);
//   auto program = expr::Compile("transaction_amt > 100", &env);  // adds the field to env.fields()
//   int score = env.DeclareSlot("score", {Kind::kDouble});       // later expressions may use it
//   auto rule = expr::Compile("score > 900 && transaction_amt > 10", &env);
//
// A stage has one Env. Its steps go through it in order: each compiles its expressions and then
// declares what it adds (a slot, which hides a field of the same name) or takes away. Afterwards
// `fields()` holds just the top-level fields that some expression reads: what json::Scan is to
// look for.
//
// Thread-safety: used by one thread, while a stage is built.
namespace levada::expr {

class Env {
 public:
  enum class Mode : uint8_t {
    kManifest,  // `event`, `meta`, bare names are fields, numbers widen, types are checked
    kStrict,    // CEL to the letter, unchecked: names are the declared slots and nothing else
  };

  explicit Env(Mode mode = Mode::kManifest) : mode_(mode) {}

  Mode mode() const { return mode_; }

  // A field of the events as the topic declares it.
  void DeclareField(std::string_view name, FieldType type);
  // A closed topic has the declared fields and no others: any other name is an error.
  void set_closed(bool closed) { closed_ = closed; }
  bool closed() const { return closed_; }

  // A name whose value is set while the pipeline runs (Activation::Set). Hides a field or an
  // earlier slot of that name for the expressions compiled from now on. In strict mode: a variable,
  // perhaps with a dotted name. Returns its slot.
  int DeclareSlot(std::string_view name, Type type);
  // The event no longer has `name` (the step `drop`).
  void Remove(std::string_view name);
  // The event has these names and no others (the step `select`).
  void KeepOnly(std::span<const std::string> names);

  // Strict mode: the namespace in which names are looked up first ("com.example").
  void set_container(std::string_view container) { container_ = container; }
  const std::string& container() const { return container_; }

  // What json::Scan is to look for, with the slots that the programs read.
  const json::FieldSet& fields() const { return fields_; }
  json::FieldSet* mutable_fields() { return &fields_; }
  int slot_count() const { return static_cast<int>(slots_.size()); }

  // ---- For the compiler ----

  // Where a name's value comes from.
  struct Name {
    enum class Source : uint8_t { kUnknown, kField, kSlot, kRemoved };
    Source source = Source::kUnknown;
    int slot = -1;                           // of kSlot
    FieldType field_type = FieldType::kDyn;  // of kField
    Type type;
  };
  Name Find(std::string_view name) const;
  // The declared name that is most like `name`, or "".
  std::string Nearest(std::string_view name) const;
  // How the event as a whole differs from its document at this point of the stage.
  struct Overlay {
    bool keep_only = false;  // of the document, only `kept`
    std::vector<std::string> kept;
    std::vector<std::string> removed;
    std::vector<std::pair<std::string, int>> slots;  // names and slots
    bool empty() const { return !keep_only && removed.empty() && slots.empty(); }
  };
  Overlay overlay() const;

 private:
  Mode mode_;
  bool closed_ = false;
  bool keep_only_ = false;
  std::vector<std::string> kept_;  // with keep_only_
  std::string container_;
  json::FieldSet fields_;
  std::vector<std::string> slots_;  // names, by slot
  absl::flat_hash_map<std::string, FieldType> declared_;
  absl::flat_hash_map<std::string, Name> changes_;  // by steps: slots and removals
};

}  // namespace levada::expr
