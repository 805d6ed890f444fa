#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

namespace prometheus {
class Registry;
}

// What a notify stage counts beside the common metrics; docs/guide/notify.md lists them.
//
// Threads: any.
namespace levada::notify {

class Probe {
 public:
  Probe(prometheus::Registry& registry, const std::map<std::string, std::string>& labels);
  ~Probe();

  void Sent(size_t events, bool repeat);
  void Failed();
  void AnswerLost();
  void Took(std::chrono::duration<double> send);
  void Throttled(std::chrono::duration<double> span);
  void Waiting(size_t events, size_t groups);

 private:
  struct Metrics;
  std::unique_ptr<Metrics> metrics_;
};

}  // namespace levada::notify
