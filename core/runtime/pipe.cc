// `levada pipe`: the stage's work from standard input to standard output, without Kafka.

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/strings.h"
#include "core/pipeline/plan.h"
#include "core/runtime/csv_lines.h"
#include "core/runtime/latency.h"
#include "core/runtime/stateful.h"
#include "core/runtime/worker.h"

namespace levada::runtime {
namespace {

constexpr size_t kBatchLines = 1000;
constexpr size_t kBatchBytes = 8 << 20;

class Piper {
 public:
  Piper(const PipeOptions& options, Processor* processor, Sink* sink, Source* source)
      : processor_(processor), sink_(sink), source_(source) {
    if (!options.csv_out.empty()) {
      rows_.emplace(options.csv_out);
      Write(rows_->Header());
    }
    // All of the input is one partition.
    if (processor_ != nullptr && processor_->state() != nullptr) processor_->state()->Assign(0, 1);
  }

  absl::Status Run(std::vector<std::string> lines) {
    const int64_t first = lines_seen_;
    lines_seen_ += static_cast<int64_t>(lines.size());
    const Batch batch = Batch::FromValues("stdin", std::move(lines), first, NowMs());
    text_.clear();
    dead_.clear();
    absl::Status status = Through(batch);
    if (status.ok()) status = Send();
    if (!status.ok()) return status;
    for (const DeadLetter& dead : dead_) Report(batch, dead);
    return absl::OkStatus();
  }

  // The input has ended.
  absl::Status End() {
    if (processor_ == nullptr || processor_->state() == nullptr) return absl::OkStatus();
    output_.Clear();
    absl::Status status = processor_->state()->Tick(Stateful::kEnd, &output_);
    if (!status.ok()) return status;
    text_.clear();
    Print();
    if (status = Send(); !status.ok()) return status;
    for (const DeadLetter& dead : dead_) Report(Batch(), dead);
    return absl::OkStatus();
  }

  // A line that is no event, after all those that Run was given.
  void Refuse(std::string_view line, std::string_view error) {
    had_dead_letters_ = true;
    Tell({{"error", error}, {"record", line}, {"line", ++lines_seen_}});
  }

  bool had_dead_letters() const { return had_dead_letters_; }

 private:
  absl::Status Through(const Batch& batch) {
    if (sink_ != nullptr) return sink_->Pipe(batch, &text_, &dead_);
    if (source_ != nullptr) return source_->Pipe(batch, &text_, &dead_);
    output_.Clear();
    absl::Status status = processor_->Process(batch, &output_);
    if (!status.ok()) return status;
    Print();
    return absl::OkStatus();
  }

  void Print() {
    for (const OutputRecord& record : output_.records()) {
      text_.append(output_.Value(record));
      text_.push_back('\n');
    }
    dead_ = output_.dead_letters();
  }

  void Report(const Batch& batch, const DeadLetter& dead) {
    had_dead_letters_ = true;
    nlohmann::json line = {{"error", dead.error}, {"record", dead.event}};
    if (dead.source >= 0) {
      line["line"] = batch[dead.source].offset + 1;
      line["record"] = std::string(batch[dead.source].value);
    }
    Tell(line);
  }

  static void Tell(const nlohmann::json& line) {
    std::cerr << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  }

  static void Write(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

  // What is in text_, line by line.
  absl::Status Send() {
    if (!rows_) {
      Write(text_);
      return absl::OkStatus();
    }
    std::string rows;
    for (size_t begin = 0; begin < text_.size();) {
      const size_t end = text_.find('\n', begin);
      absl::Status status =
          rows_->Append(std::string_view(text_).substr(begin, end - begin), &rows);
      if (!status.ok()) return status;
      begin = end + 1;
    }
    Write(rows);
    return absl::OkStatus();
  }

  Processor* processor_;
  Sink* sink_;
  Source* source_;
  std::optional<CsvOutput> rows_;
  OutputBatch output_;
  std::string text_;
  std::vector<DeadLetter> dead_;
  int64_t lines_seen_ = 0;
  bool had_dead_letters_ = false;
};

// The next line; of CSV the next record, which may have line breaks within quotes.
bool ReadRecord(bool csv, std::string* record) {
  if (!std::getline(std::cin, *record)) return false;
  std::string line;
  while (csv && GoesOn(*record) && record->size() < kBatchBytes && std::getline(std::cin, line)) {
    record->push_back('\n');
    record->append(line);
  }
  return true;
}

}  // namespace

int RunPipe(const StageContext& context, const PipeOptions& options, Processor* processor,
            Sink* sink, Source* source) {
  std::ios::sync_with_stdio(false);
  Piper piper(options, processor, sink, source);
  std::optional<CsvInput> csv;
  std::vector<std::string> lines;
  size_t bytes = 0;
  absl::Status status;
  const auto flush = [&] {
    if (!lines.empty()) status = piper.Run(std::exchange(lines, {}));
    bytes = 0;
  };
  std::string line;
  while (status.ok() && ReadRecord(options.csv_in, &line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (options.csv_in && !csv) {
      auto made = CsvInput::Make(line, context.FindTopic(pipeline::InputTopic(context.stage)));
      status = made.status();
      if (made.ok()) csv = *std::move(made);
      continue;
    }
    if (csv) {
      auto event = csv->Event(line);
      if (!event.ok()) {
        flush();
        piper.Refuse(line, base::View(event.status().message()));
        continue;
      }
      line = *std::move(event);
    }
    bytes += line.size();
    lines.push_back(std::move(line));
    if (lines.size() >= kBatchLines || bytes >= kBatchBytes) flush();
  }
  if (status.ok()) flush();
  if (status.ok()) status = piper.End();
  std::fflush(stdout);
  if (!status.ok()) {
    std::cerr << status.message() << '\n';
    return 1;
  }
  return piper.had_dead_letters() ? 1 : 0;
}

}  // namespace levada::runtime
