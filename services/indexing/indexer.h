#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/runtime/stage.h"
#include "services/indexing/document.h"
#include "services/indexing/opensearch.h"
#include "services/indexing/probe.h"

// The sink of an indexing stage: collects documents into the body of a bulk request and sends it
// when it is full or old enough.
//
// Flush sends the documents in order, in requests within the limits of `bulk`. Those that the
// server has taken are gone; those that it could not take now stay, with everything behind them of
// the same id, and Flush is kUnavailable until they are through. Those that it refuses for good are
// handed back. A request that is too large, or is refused as a whole, is halved until the one
// document is found that is to blame.
//
// Not thread-safe.
namespace levada::indexing {

class Indexer : public runtime::Sink {
 public:
  // `topic` and `stage` outlive the indexer.
  Indexer(const runtime::StageContext& context, const v1::Topic& topic,
          std::unique_ptr<OpenSearch> opensearch);

  absl::Status Assign(std::vector<runtime::Assignment>* partitions) override;
  absl::Status Add(const Batch& batch, std::vector<DeadLetter>* dead_letters) override;
  bool Full() const override;
  std::chrono::steady_clock::time_point FlushAt() const override;
  absl::Status Flush(std::vector<Rejected>* rejected) override;
  void Discard() override;
  absl::Status Pipe(const Batch& batch, std::string* ndjson,
                    std::vector<DeadLetter>* dead_letters) override;

 private:
  struct Pending {
    size_t begin = 0;  // in lines_
    size_t size = 0;
    uint64_t id_hash = 0;
    uint32_t batch = 0;
    uint32_t record = 0;
  };

  absl::Status SendAll();
  // How many of the pending documents the next request takes, at most `most`.
  size_t NextRequest(size_t most) const;
  std::string_view LinesOf(size_t count);
  // Applies the answer to the first `count` documents: takes away those that are done.
  absl::Status Settle(size_t count, const std::vector<BulkItem>& items);
  void Reject(const Pending& pending, std::string reason);
  void Forget();

  const runtime::StageContext& context_;
  const v1::Topic& topic_;
  const v1::Bulk& limits_;
  const int64_t max_bytes_;
  const std::chrono::milliseconds max_age_;
  DocumentWriter writer_;
  std::unique_ptr<OpenSearch> opensearch_;
  Probe probe_;
  std::map<int32_t, int64_t> epochs_;
  bool template_is_there_ = false;

  std::string lines_;  // of all pending documents
  std::vector<Pending> pending_;
  std::vector<Batch> batches_;  // keep the records that may be handed back
  std::vector<Rejected> rejected_;
  bool flushed_ = false;  // batches_ are only kept for what was handed back
  std::chrono::steady_clock::time_point first_added_;
  std::string request_;  // lines that do not stand together in lines_
};

// Of the stage in `context`. InvalidArgument: the manifest or its secret cannot be used.
absl::StatusOr<std::unique_ptr<runtime::Sink>> MakeIndexer(const runtime::StageContext& context);

}  // namespace levada::indexing
