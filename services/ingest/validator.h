#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/arena.h"
#include "core/json/scan.h"
#include "levada/v1/pipeline.pb.h"

// Decides whether bytes are an event of a topic, and what its record's key and time are.
//
//   Validator validator(topic, 1 << 20);
//   Validator::Scratch scratch(validator);
//   Event event;
//   Fault fault;
//   if (!validator.Check(bytes, &scratch, &event, &fault)) Refuse(fault.text);
//
// An event is one JSON object whose declared fields have their types, whose required fields (and
// the key's) are there and not null, and which, where the topic is closed, has no other ones.
//
// Thread-safety: Check may be called from several threads, each with a scratch of its own.
namespace levada::ingest {

struct Event {
  std::string_view bytes;  // as they came
  std::string_view key;    // in the event's bytes or the scratch's arena
  bool has_key = false;
};

// Why bytes are no event of the topic.
struct Fault {
  enum class Reason : uint8_t { kTooLarge, kNotJson, kSchema };
  Reason reason = Reason::kSchema;
  std::string text;  // one sentence for whoever sent the event
};

class Validator {
 public:
  // Memory that is used from event to event. Keys that had to be decoded stay until Reset().
  class Scratch {
   public:
    explicit Scratch(const Validator& validator) : slots_(validator.fields_.size()) {}
    void Reset() { arena_.Reset(); }

   private:
    friend class Validator;
    std::vector<json::Value> slots_;
    base::Arena arena_{4096};
  };

  // `topic` may be null: any object will do. It must outlive the validator.
  Validator(const v1::Topic* topic, size_t max_event_bytes);

  // On false, `fault` says why.
  bool Check(std::string_view bytes, Scratch* scratch, Event* event, Fault* fault) const;

  // Whether the topic names a field for its events' time.
  size_t max_event_bytes() const { return max_event_bytes_; }

 private:
  struct Rule {
    int slot = 0;
    v1::FieldType type = v1::FIELD_TYPE_UNSPECIFIED;
    bool required = false;
  };

  bool CheckFields(const Scratch& scratch, std::string* error) const;
  bool CheckClosed(std::string_view bytes, std::string* error) const;
  bool TakeKey(Scratch* scratch, Event* event, std::string* error) const;
  bool CheckTimestamp(const Scratch& scratch, std::string* error) const;

  const size_t max_event_bytes_;
  json::FieldSet fields_;
  std::vector<Rule> rules_;
  bool closed_ = false;
  int key_slot_ = -1;
  int timestamp_slot_ = -1;
};

}  // namespace levada::ingest
