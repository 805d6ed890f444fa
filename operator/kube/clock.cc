#include "operator/kube/clock.h"

#include "core/base/time.h"

namespace levada::kube {
namespace {

class SystemClock : public Clock {
 public:
  Time Now() override { return std::chrono::steady_clock::now(); }
  int64_t WallMicros() override { return base::NowMicros(); }
  bool WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Time until,
                 const std::function<bool()>& done) override {
    return changed.wait_until(lock, until, done);
  }
};

}  // namespace

Clock& RealClock() {
  static SystemClock clock;
  return clock;
}

}  // namespace levada::kube
