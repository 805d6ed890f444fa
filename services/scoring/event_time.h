#pragma once

#include <span>
#include <string>

#include "core/expr/env.h"
#include "core/json/scan.h"
#include "core/record/record.h"
#include "levada/v1/pipeline.pb.h"

// When an event happened: the field that its topic names as the time, else when it was written to
// Kafka.
//
//   EventTime time(topic, &env);    // adds the field to what the scan looks for
//   if (!time.Read(record, slots, &micros, &error)) …   // a dead letter
//
// A time more than a day ahead of the record's arrival is an error: one such event would close all
// windows and make the events after it late. So is a record's own time that has no year: it was not
// milliseconds.
//
// Threads: one at a time.
namespace levada::scoring {

class EventTime {
 public:
  // `from`: null where the topic is not declared.
  EventTime(const v1::Topic* from, expr::Env* env);

  // Microseconds since 1970. False: `error` says what is wrong.
  bool Read(const Record& record, std::span<const json::Value> slots, int64_t* micros,
            std::string* error);

 private:
  std::string field_;  // empty: the record's own time
  int slot_ = -1;
  std::string text_;
};

}  // namespace levada::scoring
