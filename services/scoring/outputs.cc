#include "services/scoring/outputs.h"

#include <algorithm>

#include "core/base/strings.h"
#include "core/pipeline/expand.h"
#include "core/pipeline/plan.h"
#include "core/pipeline/schema.h"

namespace levada::scoring {
namespace {

// An OutputBatch addresses its buffer with 32 bits; this is far beyond what Kafka takes.
constexpr size_t kMaxOutputBytes = size_t{1} << 30;

}  // namespace

absl::Status Outputs::Add(const runtime::StageContext& context, const v1::Output& config,
                          Segment* segment) {
  Output output;
  expr::Env& env = segment->env();
  const v1::Topic* from = context.FindTopic(context.stage.scoring().from());
  const v1::Topic* to = context.FindTopic(config.to());
  if (!config.when().empty()) {
    auto when = expr::Compile(config.when(), &env, {expr::Kind::kBool});
    if (!when.ok()) return when.status();
    output.when.emplace(*std::move(when));
  }
  output.compacted = to != nullptr && to->compacted();
  const std::string key = to == nullptr ? "" : to->key();
  const bool set_by_step = !key.empty() && env.Find(key).source == expr::Env::Name::Source::kSlot;
  if (config.key_by_size() > 0) {
    auto maker = KeyMaker::Make(&env, "keyBy", config.key_by());
    if (!maker.ok()) return maker.status();
    output.key_by.emplace(*std::move(maker));
  } else if (!key.empty() && (from == nullptr || key != from->key() || set_by_step)) {
    auto program = expr::Compile(base::StrCat("event[\"", key, "\"]"), &env);
    if (!program.ok()) return program.status();
    const auto copied = segment->copied().find(env.Find(key).slot);
    output.key_field = copied == segment->copied().end() ? program->copied_field() : copied->second;
    output.key.emplace(*std::move(program));
  }
  output.tells_source = pipeline::IsRepartitionTopic(context.pipeline, config.to()) &&
                        pipeline::KeepsTime(context.stage.scoring(), from, to);
  topics_.push_back(config.to());
  outputs_.push_back(std::move(output));
  return absl::OkStatus();
}

std::vector<int16_t> Outputs::TellingSource() const {
  std::vector<int16_t> telling;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i].tells_source) telling.push_back(static_cast<int16_t>(i));
  }
  return telling;
}

void Outputs::Fail(const Row& row, std::string error, Segment* segment, OutputBatch* out) {
  DeadLetter dead{row.source, std::move(error)};
  if (row.made) {
    dead.source = -1;
    segment->Write(row, &dead.event);
  }
  out->dead_letters().push_back(std::move(dead));
}

std::optional<OutputRecord> Outputs::Write(const Batch& in, const Row& row, Segment* segment,
                                           OutputBatch* out) {
  OutputRecord result;
  result.source = row.made ? -1 : row.source;
  result.key = row.made && row.has_key ? out->KeepKey(row.key) : row.key;
  result.has_key = row.has_key;
  result.timestamp_ms =
      row.source < 0 ? now_ms_ : std::max<int64_t>(in[row.source].timestamp_ms, 0);
  if (segment->identity()) {
    result.begin = OutputRecord::kBorrowed;
    result.borrowed = row.document;
    return result;
  }
  const size_t begin = out->buffer().size();
  const char* error = nullptr;
  if (!segment->Write(row, &out->buffer())) {
    error = "result: a value is larger than 64 MiB";
  } else if (out->buffer().size() > kMaxOutputBytes) {
    error = "result: the results of this batch are larger than 1 GiB together";
  }
  if (error != nullptr) {
    out->buffer().resize(begin);
    Fail(row, error, segment, out);
    return std::nullopt;
  }
  result.begin = static_cast<uint32_t>(begin);
  result.size = static_cast<uint32_t>(out->buffer().size() - begin);
  return result;
}

void Outputs::Emit(const Batch& in, const Row& row, Segment* segment, size_t outputs,
                   OutputBatch* out) {
  const std::optional<OutputRecord> result = Write(in, row, segment, out);
  if (!result) return;
  const size_t first = out->records().size();
  for (size_t topic = 0; topic < outputs; ++topic) {
    if (Route(topic, row, segment, *result, out)) continue;
    // One dead letter stands for the event: what went to other topics is taken back.
    out->records().resize(first);
    return;
  }
  if (out->records().size() == first) ++out->filtered;
}

void Outputs::EmitTo(const Batch& in, const Row& row, Segment* segment, size_t output,
                     OutputBatch* out) {
  const std::optional<OutputRecord> result = Write(in, row, segment, out);
  if (result) Route(output, row, segment, *result, out);
}

bool Outputs::Route(size_t topic, const Row& row, Segment* segment, OutputRecord record,
                    OutputBatch* out) {
  Output& output = outputs_[topic];
  record.topic = static_cast<int16_t>(topic);
  if (output.when) {
    const expr::Value wanted = output.when->Eval(segment->activation());
    if (!wanted.is(expr::Kind::kBool)) {
      Fail(row,
           base::StrCat("output to ", topics_[topic], ": ",
                        wanted.ok() ? "the condition is neither true nor false" : wanted.text()),
           segment, out);
      return false;
    }
    if (!wanted.boolean()) return true;
  }
  if (!SetKey(&output, row, segment, &record, out)) return false;
  if (output.compacted && !record.has_key) {
    Fail(row,
         base::StrCat("output to ", topics_[topic],
                      ": the topic is compacted and the event has no key"),
         segment, out);
    return false;
  }
  if (output.tells_source) {
    const int64_t time_us = row.newest_us == kLongAgo ? kNoTime : row.newest_us;
    text_.clear();
    SourceTime{row.partition->number, sources_, time_us}.AppendTo(&text_);
    record.origin = out->KeepKey(text_);
  }
  out->records().push_back(record);
  return true;
}

// As ingest makes keys: a number is its digits, a string is decoded.
bool Outputs::SetKey(Output* output, const Row& row, Segment* segment, OutputRecord* record,
                     OutputBatch* out) {
  if (output->key_by) {
    std::string_view key;
    if (!output->key_by->Key(segment->activation(), &key)) {
      Fail(row, base::StrCat("key: ", key), segment, out);
      return false;
    }
    record->has_key = true;
    record->key = out->KeepKey(key);
    return true;
  }
  if (!output->key) return true;
  const expr::Value key = output->key->Eval(segment->activation());
  const bool number =
      output->key_field >= 0 && row.raw[output->key_field].kind == json::Kind::kNumber;
  text_.clear();
  record->has_key = key.ok() && !key.is(expr::Kind::kNull) && !key.is(expr::Kind::kNone);
  if (record->has_key && number) {
    text_ = row.raw[output->key_field].raw;
  } else if (record->has_key) {
    record->has_key = expr::AppendText(key, &text_);
  }
  record->key = record->has_key ? out->KeepKey(text_) : std::string_view();
  return true;
}

void Outputs::EmitTombstone(const Record& record, int32_t source, OutputBatch* out) {
  OutputRecord tombstone;
  tombstone.source = source;
  tombstone.key = record.key;
  tombstone.has_key = record.has_key;
  tombstone.has_value = false;
  tombstone.begin = OutputRecord::kBorrowed;
  tombstone.timestamp_ms = record.timestamp_ms;
  bool sent = false;
  for (size_t topic = 0; topic < outputs_.size(); ++topic) {
    const Output& output = outputs_[topic];
    if (!output.compacted || output.key || output.key_by || !record.has_key) continue;
    tombstone.topic = static_cast<int16_t>(topic);
    out->records().push_back(tombstone);
    sent = true;
  }
  if (!sent) out->dead_letters().push_back({source, "the record has no value"});
}

}  // namespace levada::scoring
