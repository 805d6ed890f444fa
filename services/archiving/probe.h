#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace prometheus {
class Counter;
template <typename T>
class Family;
class Gauge;
class Registry;
}  // namespace prometheus

// What an archiving stage counts beside what every stage counts (docs/metrics.md). Threads: any.
namespace levada::archiving {

class Probe {
 public:
  Probe(prometheus::Registry& registry, const std::map<std::string, std::string>& labels);

  // A commit, and which limit brought it about: size, count, time or handover.
  void Committed(std::string_view reason, uint64_t files, uint64_t rows, uint64_t bytes);
  // Another worker had taken the number of a commit: it was tried with the next one.
  void Conflict();
  void OpenFiles(size_t files, size_t buffered_bytes);

 private:
  prometheus::Family<prometheus::Counter>& commits_;
  prometheus::Counter& files_;
  prometheus::Counter& rows_;
  prometheus::Counter& bytes_;
  prometheus::Counter& conflicts_;
  prometheus::Gauge& open_files_;
  prometheus::Gauge& buffered_bytes_;
};

}  // namespace levada::archiving
