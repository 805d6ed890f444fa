#include "services/indexing/indexer.h"

#include <unordered_set>

#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/base/units.h"
#include "services/indexing/index_template.h"

namespace levada::indexing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kRequestTimeout{60};
// More is never sent: OpenSearch answers a request that is above a tenth of its heap with 429 each
// time, as if it were only busy, and the document would block its partition for ever.
constexpr size_t kMaxDocumentBytes = 16 << 20;
constexpr size_t kKeepBytes = 16 << 20;  // of an emptied buffer

OpenSearch::Connect ConnectTo(const runtime::StageContext& context,
                              const v1::OpenSearchConnection& connection) {
  return [&context, &connection]() -> absl::StatusOr<std::unique_ptr<http::Client>> {
    http::Client::Options options{.base_url = connection.url(), .timeout = kRequestTimeout};
    if (!connection.tls().ca_file().empty()) {
      options.ca_file = context.FilePath(connection.tls().ca_file());
    }
    if (!connection.secret_ref().empty()) {
      auto user = context.secrets.Get(connection.secret_ref(), "username");
      if (!user.ok()) return user.status();
      auto password = context.secrets.Get(connection.secret_ref(), "password");
      if (!password.ok()) return password.status();
      options.user = *user;
      options.password = *password;
    }
    return http::Client::Create(options);
  };
}

}  // namespace

Indexer::Indexer(const runtime::StageContext& context, const v1::Topic& topic,
                 std::unique_ptr<OpenSearch> opensearch)
    : context_(context),
      topic_(topic),
      limits_(context.stage.indexing().bulk()),
      max_bytes_(base::ParseBytes(limits_.size()).value_or(8 << 20)),
      max_age_(base::ParseDuration(limits_.every()).value_or(std::chrono::seconds(1))),
      writer_(topic, context.stage.indexing()),
      opensearch_(std::move(opensearch)),
      probe_(context.registry, context.Labels()) {}

absl::Status Indexer::Assign(std::vector<runtime::Assignment>* partitions) {
  for (const runtime::Assignment& assignment : *partitions) {
    epochs_[assignment.partition] = assignment.epoch;
  }
  return absl::OkStatus();
}

absl::Status Indexer::Add(const Batch& batch, std::vector<DeadLetter>* dead_letters) {
  if (flushed_) Forget();
  if (batch.empty()) return absl::OkStatus();
  if (batches_.empty()) first_added_ = Clock::now();
  Document document;
  std::string error;
  for (size_t i = 0; i < batch.size(); ++i) {
    const size_t begin = lines_.size();
    if (!writer_.Append(batch[i], epochs_[batch[i].partition], &lines_, &document, &error)) {
      dead_letters->push_back({static_cast<int32_t>(i), error});
      continue;
    }
    if (const size_t bytes = lines_.size() - begin; bytes > kMaxDocumentBytes) {
      lines_.resize(begin);
      dead_letters->push_back(
          {static_cast<int32_t>(i), base::StrCat("the document has ", bytes, " bytes; at most ",
                                                 kMaxDocumentBytes, " are sent to OpenSearch")});
      continue;
    }
    pending_.push_back({begin, lines_.size() - begin, document.id_hash,
                        static_cast<uint32_t>(batches_.size()), static_cast<uint32_t>(i)});
  }
  batches_.push_back(batch);
  return absl::OkStatus();
}

bool Indexer::Full() const {
  return pending_.size() >= limits_.count() || static_cast<int64_t>(lines_.size()) >= max_bytes_;
}

Clock::time_point Indexer::FlushAt() const {
  return batches_.empty() || flushed_ ? Clock::time_point::max() : first_added_ + max_age_;
}

absl::Status Indexer::Flush(std::vector<Rejected>* rejected) {
  if (flushed_) Forget();
  if (!template_is_there_) {
    const absl::Status put =
        opensearch_->PutTemplate(TemplateName(context_.pipeline, context_.stage),
                                 IndexTemplate(context_.pipeline, context_.stage, topic_),
                                 IndexPattern(context_.stage.indexing()), Mappings(topic_));
    if (!put.ok()) return put;
    template_is_there_ = true;
  }
  const absl::Status sent = SendAll();
  if (!sent.ok()) return sent;
  rejected->insert(rejected->end(), rejected_.begin(), rejected_.end());
  flushed_ = true;
  return absl::OkStatus();
}

absl::Status Indexer::SendAll() {
  size_t most = limits_.count();
  while (!pending_.empty()) {
    const size_t count = NextRequest(most);
    const std::string_view lines = LinesOf(count);
    const auto began = Clock::now();
    auto items = opensearch_->Bulk(lines, count);
    if (items.ok()) {
      probe_.Bulk(Clock::now() - began, lines.size());
      most = limits_.count();
      const absl::Status settled = Settle(count, *items);
      if (!settled.ok()) return settled;
      continue;
    }
    probe_.BulkFailed();
    const bool is_about_content =
        absl::IsOutOfRange(items.status()) || absl::IsInvalidArgument(items.status());
    if (!is_about_content) return items.status();
    most = count / 2;
    if (count > 1) continue;
    probe_.Refused(1);
    Reject(pending_.front(), std::string(items.status().message()));
    pending_.erase(pending_.begin());
    most = limits_.count();
  }
  return absl::OkStatus();
}

size_t Indexer::NextRequest(size_t most) const {
  size_t count = 0;
  int64_t bytes = 0;
  for (const Pending& pending : pending_) {
    bytes += static_cast<int64_t>(pending.size);
    if (count > 0 && (count >= most || bytes > max_bytes_)) break;
    ++count;
  }
  return count;
}

std::string_view Indexer::LinesOf(size_t count) {
  const Pending& first = pending_.front();
  const Pending& last = pending_[count - 1];
  size_t bytes = 0;
  for (size_t i = 0; i < count; ++i) bytes += pending_[i].size;
  if (first.begin + bytes == last.begin + last.size) {
    return std::string_view(lines_).substr(first.begin, bytes);
  }
  request_.clear();
  for (size_t i = 0; i < count; ++i) request_.append(lines_, pending_[i].begin, pending_[i].size);
  return request_;
}

absl::Status Indexer::Settle(size_t count, const std::vector<BulkItem>& items) {
  std::vector<Pending> again;
  std::unordered_set<uint64_t> waiting_ids;
  std::string reason;
  uint64_t written = 0, stale = 0, refused = 0;
  for (size_t i = 0; i < count; ++i) {
    const ItemOutcome outcome = items.empty() ? ItemOutcome::kWritten : items[i].outcome;
    if (outcome == ItemOutcome::kRetry) {
      waiting_ids.insert(pending_[i].id_hash);
      reason = items[i].reason;
    }
    if (outcome == ItemOutcome::kRefused) {
      ++refused;
      Reject(pending_[i], items[i].reason);
    } else if (waiting_ids.contains(pending_[i].id_hash)) {
      // Also what was written behind a document that was not: repeated in order it is right in
      // the end, whatever the server still remembers of deleted versions.
      again.push_back(pending_[i]);
    } else {
      ++(outcome == ItemOutcome::kStale ? stale : written);
    }
  }
  probe_.Written(written);
  probe_.Stale(stale);
  probe_.Refused(refused);
  probe_.Retried(again.size());
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(count));
  pending_.insert(pending_.begin(), again.begin(), again.end());
  if (again.empty()) return absl::OkStatus();
  return absl::UnavailableError(
      base::StrCat("OpenSearch cannot take ", again.size(), " documents now: ", reason));
}

void Indexer::Reject(const Pending& pending, std::string reason) {
  const Batch& batch = batches_[pending.batch];
  Rejected rejected{.record = batch[pending.record],
                    .error = base::StrCat("OpenSearch refused it: ", reason)};
  batch.ReadHeaders(rejected.record, &rejected.headers);
  rejected_.push_back(std::move(rejected));
}

void Indexer::Forget() {
  lines_.clear();
  if (lines_.capacity() > kKeepBytes) lines_.shrink_to_fit();
  pending_.clear();
  batches_.clear();
  rejected_.clear();
  flushed_ = false;
}

void Indexer::Discard() { Forget(); }

absl::Status Indexer::Pipe(const Batch& batch, std::string* ndjson,
                           std::vector<DeadLetter>* dead_letters) {
  Document document;
  std::string error;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!writer_.Append(batch[i], 0, ndjson, &document, &error)) {
      dead_letters->push_back({static_cast<int32_t>(i), error});
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<runtime::Sink>> MakeIndexer(const runtime::StageContext& context) {
  const v1::Indexing& indexing = context.stage.indexing();
  const v1::Topic* topic = context.FindTopic(indexing.from());
  const v1::Connection* connection = context.FindConnection(indexing.via());
  if (topic == nullptr || connection == nullptr) {
    return absl::InvalidArgumentError(
        base::StrCat("stage ", context.stage.name(), ": its topic or connection is not declared"));
  }
  const OpenSearch::Connect connect = ConnectTo(context, connection->opensearch());
  if (!context.pipe) {
    // So that an address, a secret or a CA file that cannot be used is told at once.
    auto usable = connect();
    if (!usable.ok()) return absl::InvalidArgumentError(usable.status().message());
  }
  return std::make_unique<Indexer>(context, *topic, std::make_unique<OpenSearch>(connect));
}

}  // namespace levada::indexing
