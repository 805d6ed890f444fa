#include "services/scoring/detector.h"

namespace levada::scoring {

absl::StatusOr<Detector::Answer> Detector::Detect(std::string event) {
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::string> values;
  values.push_back(std::move(event));
  const Batch batch = Batch::FromValues("", std::move(values));
  Answer answer;
  std::lock_guard lock(mutex_);
  output_.Clear();
  if (absl::Status status = chain_->Process(batch, &output_); !status.ok()) return status;
  if (!output_.dead_letters().empty()) {
    return absl::InvalidArgumentError(output_.dead_letters().front().error);
  }
  for (const OutputRecord& record : output_.records()) {
    answer.kept = true;
    answer.topics.push_back(chain_->output_topics()[record.topic]);
    if (answer.event.empty()) answer.event = output_.Value(record);
  }
  answer.micros = std::chrono::duration_cast<std::chrono::microseconds>(
                      std::chrono::steady_clock::now() - began)
                      .count();
  return answer;
}

}  // namespace levada::scoring
