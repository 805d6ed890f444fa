#pragma once

#include <string>

#include "levada/v1/pipeline.pb.h"

// How OpenSearch is to store the documents of a stage: a composable index template, made from the
// topic's fields.
//
//   string             keyword (exact: filters, facets, sorting), with a sub-field `.text` (full
//                      text); a value of more than 8191 characters is found by `.text` only
//   int long float double boolean    the same type
//   date               date, "2026-11-02"
//   timestamp          date: RFC 3339 or milliseconds
//   struct             object; its fields are mapped as they come
//   list               as its elements come
//
// Fields that are not declared are mapped as they come: text like `string`, numbers as double (the
// first value does not decide that all are whole), nothing is guessed to be a date. The topic's
// `timestamp` field is always a date.
//
// Thread-safety: pure functions.
namespace levada::indexing {

std::string TemplateName(const v1::Pipeline& pipeline, const v1::Stage& stage);
// What the names of the stage's indexes look like: "transactions", or "transactions-*.*" by date.
std::string IndexPattern(const v1::Indexing& indexing);

// {"properties":{...},...} as JSON.
std::string Mappings(const v1::Topic& topic);
// The body of PUT _index_template/<name>. Indexes by date share the alias <index>.
std::string IndexTemplate(const v1::Pipeline& pipeline, const v1::Stage& stage,
                          const v1::Topic& topic);

}  // namespace levada::indexing
