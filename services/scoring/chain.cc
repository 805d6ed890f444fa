#include "services/scoring/chain.h"

#include <algorithm>
#include <chrono>

#include "core/base/strings.h"
#include "core/json/scan.h"
#include "core/pipeline/schema.h"

namespace levada::scoring {
namespace {

using Clock = std::chrono::steady_clock;

// An OutputBatch addresses its buffer with 32 bits; this is far beyond what Kafka takes.
constexpr size_t kMaxOutputBytes = size_t{1} << 30;

int64_t NanosSince(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Chain>> Chain::Make(const runtime::StageContext& context) {
  const v1::Topic* from = context.FindTopic(context.stage.scoring().from());
  std::unique_ptr<Chain> chain(new Chain(pipeline::EnvOf(from)));
  if (absl::Status status = chain->MakeSteps(context); !status.ok()) return status;
  if (absl::Status status = chain->MakeOutputs(context); !status.ok()) return status;
  chain->writer_.emplace(chain->copied_, &chain->env_);
  // Last: it takes its sizes from the finished Env.
  chain->activation_.emplace(chain->env_, &chain->arena_);
  return chain;
}

absl::Status Chain::MakeSteps(const runtime::StageContext& context) {
  const v1::Scoring& scoring = context.stage.scoring();
  for (int i = 0; i < scoring.steps_size(); ++i) {
    auto step = MakeStep({context, scoring.steps(i), env_, copied_});
    if (!step.ok()) {
      return absl::InvalidArgumentError(
          base::StrCat("step ", i + 1, ": ", step.status().message()));
    }
    steps_.push_back(*std::move(step));
  }
  if (!scoring.took_as().empty()) {
    took_slot_ = env_.DeclareSlot(scoring.took_as(), {expr::Kind::kInt});
  }
  return absl::OkStatus();
}

absl::Status Chain::MakeOutputs(const runtime::StageContext& context) {
  const v1::Scoring& scoring = context.stage.scoring();
  std::vector<v1::Output> configs(scoring.outputs().begin(), scoring.outputs().end());
  if (configs.empty()) configs.emplace_back().set_to(scoring.to());
  for (const v1::Output& config : configs) {
    auto output = MakeOutput(context, config);
    if (!output.ok()) return output.status();
    topic_names_.push_back(config.to());
    outputs_.push_back(*std::move(output));
  }
  return absl::OkStatus();
}

absl::StatusOr<Chain::Output> Chain::MakeOutput(const runtime::StageContext& context,
                                                const v1::Output& config) {
  Output output;
  const v1::Topic* from = context.FindTopic(context.stage.scoring().from());
  const v1::Topic* to = context.FindTopic(config.to());
  const auto compile = [this](const std::string& source,
                              expr::Type type) -> absl::StatusOr<expr::Program> {
    return expr::Compile(source, &env_, type);
  };
  if (!config.when().empty()) {
    auto when = compile(config.when(), {expr::Kind::kBool});
    if (!when.ok()) return when.status();
    output.when.emplace(*std::move(when));
  }
  if (to == nullptr) return output;
  output.compacted = to->compacted();
  const auto field = [](const std::string& name) { return base::StrCat("event[\"", name, "\"]"); };
  const auto set_by_step = [this](const std::string& name) {
    return env_.Find(name).source == expr::Env::Name::Source::kSlot;
  };
  if (!to->key().empty() &&
      (from == nullptr || to->key() != from->key() || set_by_step(to->key()))) {
    auto key = compile(field(to->key()), expr::Type::Dyn());
    if (!key.ok()) return key.status();
    const auto copied = copied_.find(env_.Find(to->key()).slot);
    output.key_field = copied == copied_.end() ? key->copied_field() : copied->second;
    output.key.emplace(*std::move(key));
  }
  return output;
}

absl::Status Chain::Process(const Batch& in, OutputBatch* out) {
  arena_.Reset();
  rows_.clear();
  ScanAll(in, out);
  absl::Status status = RunSteps(in, out);
  for (const std::unique_ptr<Step>& step : steps_) step->EndBatch();
  return status;
}

void Chain::ScanAll(const Batch& in, OutputBatch* out) {
  const size_t width = env_.fields().size();
  for (size_t i = 0; i < in.size(); ++i) {
    const Record& record = in[i];
    Row row;
    row.source = static_cast<int32_t>(i);
    if (!record.has_value) {
      EmitTombstone(record, row.source, out);
      continue;
    }
    json::Value* slots = arena_.Array<json::Value>(width);
    std::uninitialized_default_construct_n(slots, width);
    const json::ScanError error =
        json::Scan(record.value, env_.fields(), {slots, width}, &row.info);
    if (!error.ok()) {
      out->dead_letters().push_back({row.source, error.Message(env_.fields())});
      continue;
    }
    row.raw = {slots, width};
    rows_.push_back(row);
  }
}

absl::Status Chain::RunSteps(const Batch& in, OutputBatch* out) {
  const bool timed = took_slot_ >= 0;
  size_t begin = 0;
  while (true) {
    size_t end = begin;
    while (end < steps_.size() && !steps_[end]->barrier()) ++end;
    const bool last = end == steps_.size();
    // The barrier's own Apply gathers its inputs: it belongs to this run.
    const size_t stop = last ? end : end + 1;
    size_t kept = 0;
    for (size_t i = 0; i < rows_.size(); ++i) {
      const auto start = timed ? Clock::now() : Clock::time_point();
      Row row = rows_[i];
      Resume(in, row);
      if (begin > 0) {
        Event event{*activation_, i};
        steps_[begin - 1]->Finish(event);
      }
      if (!RunRow(row, kept, begin, stop, out)) continue;
      if (timed) row.nanos += NanosSince(start);
      if (last) {
        Emit(in, row, out);
      } else {
        Keep(&row);
        rows_[kept++] = row;
      }
    }
    if (last) return absl::OkStatus();
    rows_.resize(kept);
    const auto start = Clock::now();
    if (absl::Status status = steps_[end]->Run(kept); !status.ok()) return status;
    const int64_t share = kept > 0 ? NanosSince(start) / static_cast<int64_t>(kept) : 0;
    for (Row& row : rows_) row.nanos += share;
    begin = end + 1;
  }
}

void Chain::Resume(const Batch& in, const Row& row) {
  const Record& record = in[row.source];
  activation_->Begin(record.value, row.raw, {&in, &record});
  for (size_t slot = 0; slot < row.slots.size(); ++slot) {
    activation_->Set(static_cast<int>(slot), row.slots[slot]);
  }
}

void Chain::Keep(Row* row) {
  const size_t count = env_.slot_count();
  expr::Value* slots = arena_.Array<expr::Value>(count);
  for (size_t slot = 0; slot < count; ++slot) {
    slots[slot] = activation_->Get(static_cast<int>(slot));
  }
  row->slots = {slots, count};
}

bool Chain::RunRow(const Row& row, size_t row_index, size_t begin, size_t end, OutputBatch* out) {
  Event event{*activation_, row_index};
  for (size_t i = begin; i < end; ++i) {
    switch (steps_[i]->Apply(event)) {
      case Verdict::kKeep:
        break;
      case Verdict::kDrop:
        ++out->filtered;
        return false;
      case Verdict::kFail:
        Fail(row, base::StrCat("step ", i + 1, " (", steps_[i]->kind(), ")"), event.error, out);
        return false;
    }
  }
  return true;
}

void Chain::Fail(const Row& row, std::string_view where, std::string_view error, OutputBatch* out) {
  out->dead_letters().push_back({row.source, base::StrCat(where, ": ", error)});
}

void Chain::Emit(const Batch& in, const Row& row, OutputBatch* out) {
  const Record& record = in[row.source];
  if (took_slot_ >= 0) activation_->Set(took_slot_, expr::Value::Int((row.nanos + 999) / 1000));
  OutputRecord result;
  result.source = row.source;
  result.key = record.key;
  result.has_key = record.has_key;
  result.timestamp_ms = std::max<int64_t>(record.timestamp_ms, 0);
  const size_t begin = out->buffer().size();
  if (writer_->identity()) {
    result.begin = OutputRecord::kBorrowed;
    result.borrowed = record.value;
  } else {
    if (!writer_->Write(record.value, row.info, row.raw, *activation_, &out->buffer())) {
      out->buffer().resize(begin);
      return Fail(row, "result", "a value is larger than 64 MiB", out);
    }
    if (out->buffer().size() > kMaxOutputBytes) {
      out->buffer().resize(begin);
      return Fail(row, "result", "the results of this batch are larger than 1 GiB together", out);
    }
    result.begin = static_cast<uint32_t>(begin);
    result.size = static_cast<uint32_t>(out->buffer().size() - begin);
  }
  const size_t first = out->records().size();
  for (size_t topic = 0; topic < outputs_.size(); ++topic) {
    if (EmitTo(row, static_cast<int>(topic), result, out)) continue;
    // One dead letter stands for the event: what went to other topics is taken back.
    out->records().resize(first);
    return;
  }
  if (out->records().size() == first) ++out->filtered;
}

bool Chain::EmitTo(const Row& row, int topic, OutputRecord record, OutputBatch* out) {
  const Output& output = outputs_[topic];
  record.topic = static_cast<int16_t>(topic);
  if (output.when) {
    const expr::Value wanted = output.when->Eval(*activation_);
    if (!wanted.is(expr::Kind::kBool)) {
      Fail(row, base::StrCat("output to ", topic_names_[topic]),
           wanted.ok() ? "the condition is neither true nor false" : wanted.text(), out);
      return false;
    }
    if (!wanted.boolean()) return true;
  }
  if (output.key) SetKey(output, row, &record, out);
  if (output.compacted && !record.has_key) {
    Fail(row, base::StrCat("output to ", topic_names_[topic]),
         "the topic is compacted and the event has no key", out);
    return false;
  }
  out->records().push_back(record);
  return true;
}

// As ingest makes keys: a number is its digits, a string is decoded.
void Chain::SetKey(const Output& output, const Row& row, OutputRecord* record, OutputBatch* out) {
  const expr::Value key = output.key->Eval(*activation_);
  const bool number =
      output.key_field >= 0 && row.raw[output.key_field].kind == json::Kind::kNumber;
  text_.clear();
  record->has_key = key.ok() && !key.is(expr::Kind::kNull) && !key.is(expr::Kind::kNone);
  if (record->has_key && number) {
    text_ = row.raw[output.key_field].raw;
  } else if (record->has_key) {
    record->has_key = expr::AppendText(key, &text_);
  }
  record->key = record->has_key ? out->KeepKey(text_) : std::string_view();
}

// A deletion goes on to the tables whose key is the record's; a topic of events has no place for
// it, and a table whose key is computed from the event cannot be told what to delete.
void Chain::EmitTombstone(const Record& record, int32_t source, OutputBatch* out) {
  OutputRecord tombstone;
  tombstone.source = source;
  tombstone.key = record.key;
  tombstone.has_key = record.has_key;
  tombstone.has_value = false;
  tombstone.begin = OutputRecord::kBorrowed;
  tombstone.timestamp_ms = record.timestamp_ms;
  bool sent = false;
  for (size_t topic = 0; topic < outputs_.size(); ++topic) {
    if (!outputs_[topic].compacted || outputs_[topic].key || !record.has_key) continue;
    tombstone.topic = static_cast<int16_t>(topic);
    out->records().push_back(tombstone);
    sent = true;
  }
  if (!sent) out->dead_letters().push_back({source, "the record has no value"});
}

}  // namespace levada::scoring
