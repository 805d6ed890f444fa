#include "cli/dlq/letters.h"

#include <re2/re2.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/base/strings.h"
#include "core/record/headers.h"

namespace levada::cli {
namespace {

// For all of a topic, however much that is; Kafka's own time-outs tell when it is away.
constexpr std::chrono::minutes kReadWithin{30};

template <typename Number>
Number NumberOf(std::string_view text, Number otherwise) {
  Number number = otherwise;
  return absl::SimpleAtoi(base::AbslView(text), &number) ? number : otherwise;
}

}  // namespace

void Replayed::Add(int32_t partition, int64_t first, int64_t last) {
  int64_t& end = ranges_.try_emplace({partition, first}, last).first->second;
  end = std::max(end, last);
}

bool Replayed::Contains(int32_t partition, int64_t offset) const {
  auto at = ranges_.upper_bound({partition, offset});
  if (at == ranges_.begin()) return false;
  --at;
  return at->first.first == partition && offset <= at->second;
}

std::string Replayed::Format(const std::vector<int64_t>& sorted) {
  std::string text;
  for (size_t i = 0; i < sorted.size();) {
    size_t end = i + 1;
    while (end < sorted.size() && sorted[end] == sorted[end - 1] + 1) ++end;
    base::StrAppend(&text, text.empty() ? "" : ",", sorted[i]);
    if (end - i > 1) base::StrAppend(&text, "-", sorted[end - 1]);
    i = end;
  }
  return text;
}

void Replayed::Parse(int32_t partition, std::string_view text) {
  for (absl::string_view range : absl::StrSplit(base::AbslView(text), ',')) {
    const std::pair<absl::string_view, absl::string_view> ends =
        absl::StrSplit(range, absl::MaxSplits('-', 1));
    int64_t first = 0;
    int64_t last = 0;
    if (!absl::SimpleAtoi(ends.first, &first)) continue;
    if (ends.second.empty()) {
      last = first;
    } else if (!absl::SimpleAtoi(ends.second, &last) || last < first) {
      continue;
    }
    Add(partition, first, last);
  }
}

std::optional<Letter> LetterOf(const Record& record, std::vector<Header> headers,
                               Replayed* replayed) {
  // Ours stand behind the original's, which may be a dead letter itself, and begin with the error.
  const auto error = std::find_if(headers.rbegin(), headers.rend(),
                                  [](const Header& header) { return header.name == kErrorHeader; });
  if (error == headers.rend()) {
    for (const Header& header : headers) {
      if (header.name == kReplayedHeader) replayed->Parse(record.partition, header.value);
    }
    return std::nullopt;
  }
  Letter letter{.record = &record, .error = error->value};
  for (auto header = error.base(); header != headers.end(); ++header) {
    if (header->name == kStageHeader) {
      const size_t slash = header->value.find('/');
      letter.pipeline = header->value.substr(0, slash);
      letter.stage = slash == std::string_view::npos ? "" : header->value.substr(slash + 1);
    } else if (header->name == kTopicHeader) {
      letter.topic = header->value;
    } else if (header->name == kPartitionHeader) {
      letter.partition = NumberOf<int32_t>(header->value, -1);
    } else if (header->name == kOffsetHeader) {
      letter.offset = NumberOf<int64_t>(header->value, -1);
    } else if (header->name == kTimestampHeader) {
      letter.timestamp_ms = NumberOf<int64_t>(header->value, -1);
    } else if (header->name == kTruncatedHeader) {
      letter.full_size = NumberOf<int64_t>(header->value, 0);
    }
  }
  headers.erase(std::prev(error.base()), headers.end());
  letter.headers = std::move(headers);
  return letter;
}

absl::Status ReadLetters(const kafka::ClientConfig& config, const std::string& topic,
                         Replayed* replayed, std::map<int32_t, int64_t>* ends,
                         const std::function<void(const Letter&)>& visit, kafka::SnapshotEnd end) {
  const auto each = [&](const Record& record) {
    (*ends)[record.partition] = record.offset + 1;
    std::vector<Header> headers;
    kafka::ReadSnapshotHeaders(record, &headers);
    if (const auto letter = LetterOf(record, std::move(headers), replayed)) visit(*letter);
  };
  return kafka::ReadSnapshot(config, topic, kReadWithin, each, end);
}

struct Filter::Parts {
  Parts(std::string_view the_pipeline, std::string_view the_stage, std::string_view pattern,
        int64_t since)
      : pipeline(the_pipeline),
        stage(the_stage),
        reason(re2::StringPiece(pattern.data(), pattern.size()), RE2::Quiet),
        since_ms(since) {}

  const std::string pipeline;
  const std::string stage;
  const RE2 reason;
  const int64_t since_ms;
};

Filter::Filter(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Filter::~Filter() = default;

absl::StatusOr<Filter> Filter::Create(std::string_view pipeline, std::string_view stage,
                                      std::string_view reason, int64_t since_ms) {
  auto parts = std::make_unique<Parts>(pipeline, stage, reason, since_ms);
  if (!parts->reason.ok()) {
    return absl::InvalidArgumentError(
        base::StrCat("--reason: ", reason, " is no regular expression: ", parts->reason.error()));
  }
  return Filter(std::move(parts));
}

bool Filter::Takes(const Letter& letter) const {
  return letter.pipeline == parts_->pipeline &&
         (parts_->stage.empty() || letter.stage == parts_->stage) &&
         letter.record->timestamp_ms >= parts_->since_ms &&
         RE2::PartialMatch(re2::StringPiece(letter.error.data(), letter.error.size()),
                           parts_->reason);
}

std::string ReasonOf(std::string_view error) {
  std::string reason;
  for (size_t i = 0; i < error.size();) {
    const char c = error[i];
    const size_t quote = c == '"' || c == '`' ? error.find(c, i + 1) : std::string_view::npos;
    if (quote != std::string_view::npos) {
      reason += "…";
      i = quote + 1;
    } else if (absl::ascii_isdigit(c)) {
      reason += '#';
      while (i < error.size() && absl::ascii_isdigit(error[i])) ++i;
    } else {
      reason += c;
      ++i;
    }
  }
  return reason;
}

}  // namespace levada::cli
