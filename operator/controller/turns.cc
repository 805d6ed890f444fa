#include "operator/controller/turns.h"

#include <algorithm>

namespace levada::controller {

using kube::ObjectKey;

std::optional<size_t> Turns::Take(const ObjectKey& pipeline, const std::string& job,
                                  int64_t now_micros, const Ended& ended) {
  if (!running_.contains(pipeline) && Full(now_micros)) {
    std::erase_if(running_, [&](const auto& each) { return ended(each.first, each.second); });
    if (Full(now_micros)) {
      const auto [mine, is_new] = waiting_.emplace(pipeline, drawn_);
      if (is_new) ++drawn_;
      return static_cast<size_t>(std::count_if(
          waiting_.begin(), waiting_.end(),
          [&, number = mine->second](const auto& each) { return each.second < number; }));
    }
  }
  Begin(pipeline, job, now_micros);
  return std::nullopt;
}

void Turns::Begin(const ObjectKey& pipeline, const std::string& job, int64_t now_micros) {
  waiting_.erase(pipeline);
  Turn& turn = running_[pipeline];
  if (turn.job != job) turn = {job, now_micros};
}

bool Turns::Full(int64_t now_micros) const {
  return static_cast<size_t>(std::count_if(running_.begin(), running_.end(), [&](const auto& each) {
           return each.second.since_micros + kLongestMicros > now_micros;
         })) >= kMost;
}

void Turns::Done(const ObjectKey& pipeline) {
  running_.erase(pipeline);
  waiting_.erase(pipeline);
}

}  // namespace levada::controller
