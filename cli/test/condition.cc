#include "cli/test/condition.h"

#include "core/json/scan.h"
#include "core/pipeline/schema.h"

namespace levada::cli {

absl::StatusOr<Condition> Condition::Compile(const std::string& source, const v1::Topic* topic) {
  expr::Env env = pipeline::EnvOf(topic);
  auto program = expr::Compile(source, &env, {expr::Kind::kBool});
  if (!program.ok()) return program.status();
  return Condition(std::move(env), *std::move(program));
}

absl::StatusOr<bool> Condition::Holds(const TestRecord& record) const {
  Record seen;
  seen.has_key = record.key.has_value();
  if (seen.has_key) seen.key = *record.key;
  seen.has_value = record.value.has_value();
  seen.value = seen.has_value ? std::string_view(*record.value) : "{}";  // a tombstone has no field
  seen.timestamp_ms = record.timestamp_ms;
  const Batch batch(record.topic, {seen}, nullptr);

  std::vector<json::Value> fields(env_.fields().size());
  json::ScanInfo info;
  const json::ScanError error = json::Scan(seen.value, env_.fields(), fields, &info);
  if (!error.ok()) return absl::InvalidArgumentError(error.Message(env_.fields()));
  base::Arena arena;
  expr::Activation activation(env_, &arena);
  activation.Begin(seen.value, fields, {&batch, &batch[0]});
  return program_.Test(activation);
}

}  // namespace levada::cli
