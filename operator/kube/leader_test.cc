#include "operator/kube/leader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "operator/kube/testing/fake_clock.h"
#include "operator/kube/testing/fault_transport.h"
#include "operator/kube/testing/memory_server.h"

namespace levada::kube {
namespace {

using namespace std::chrono_literals;

constexpr char kPath[] = "/apis/coordination.k8s.io/v1/namespaces/levada/leases/op";

// Until it holds, for at most ten seconds.
bool Becomes(const std::function<bool()>& holds) {
  for (int i = 0; i < 10'000; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

class LeaderTest : public ::testing::Test {
 protected:
  struct Candidate {
    std::shared_ptr<FaultTransport> transport;
    std::atomic<int> started = 0;
    std::atomic<int> stopped = 0;
    std::unique_ptr<Elector> elector;
  };

  std::unique_ptr<Candidate> Join(const std::string& name, Clock* clock = nullptr) {
    auto candidate = std::make_unique<Candidate>();
    candidate->transport = std::make_shared<FaultTransport>(server_);
    auto elector = Elector::Create(
        candidate->transport,
        {.lease = {"levada", "op"}, .identity = name, .clock = clock == nullptr ? &clock_ : clock});
    EXPECT_TRUE(elector.ok()) << elector.status();
    candidate->elector = *std::move(elector);
    candidate->elector->Start({.on_started = [c = candidate.get()] { ++c->started; },
                               .on_stopped = [c = candidate.get()] { ++c->stopped; }});
    return candidate;
  }

  // Moves the clock in small steps, so that every thread does what is due at each.
  void Pass(Clock::Duration span, FakeClock* clock = nullptr) {
    for (Clock::Duration passed{}; passed < span; passed += 250ms) {
      (clock == nullptr ? clock_ : *clock).Advance(250ms);
      std::this_thread::sleep_for(4ms);
    }
  }
  bool PassUntil(const std::function<bool()>& holds) {
    for (int i = 0; i < 400; ++i) {
      if (holds()) return true;
      Pass(250ms);
    }
    return false;
  }

  std::string Holder() {
    const auto objects = server_->objects();
    const auto at = objects.find(kPath);
    if (at == objects.end()) return {};
    return TextAt(at->second, {"spec", "holderIdentity"});
  }

  FakeClock clock_;
  std::shared_ptr<MemoryServer> server_ = std::make_shared<MemoryServer>();
};

TEST_F(LeaderTest, OneLeadsAndTheOtherTakesOverWhenItIsGivenBack) {
  auto one = Join("one");
  ASSERT_TRUE(Becomes([&] { return one->elector->IsLeader(); }));
  auto two = Join("two");
  Pass(60s);
  EXPECT_TRUE(one->elector->IsLeader());
  EXPECT_FALSE(two->elector->IsLeader());
  EXPECT_EQ(two->elector->Leader(), "one");
  EXPECT_GT(one->elector->TimeToWrite(), 10s);
  EXPECT_EQ(two->elector->TimeToWrite(), 0s);

  one->elector->Stop();
  EXPECT_EQ(one->stopped, 1);
  EXPECT_EQ(Holder(), "");
  ASSERT_TRUE(PassUntil([&] { return two->elector->IsLeader(); }));
  const Json lease = server_->objects()[kPath];
  EXPECT_EQ(lease["spec"]["leaseTransitions"], 1);
  EXPECT_EQ(lease["spec"]["leaseDurationSeconds"], 15);
}

TEST_F(LeaderTest, ALeaderThatIsCutOffStopsBeforeAnotherBegins) {
  auto one = Join("one");
  ASSERT_TRUE(Becomes([&] { return one->elector->IsLeader(); }));
  auto two = Join("two");
  Pass(10s);
  one->transport->FailFrom(1);
  bool both = false;
  ASSERT_TRUE(PassUntil([&] {
    both = both || (one->elector->TimeToWrite() > 0ms && two->elector->IsLeader());
    return two->elector->IsLeader();
  }));
  EXPECT_FALSE(both);
  EXPECT_EQ(one->stopped, 1);
  EXPECT_EQ(two->started, 1);

  // Back again, it waits for its turn.
  one->transport->Reset();
  Pass(30s);
  EXPECT_FALSE(one->elector->IsLeader());
  EXPECT_TRUE(two->elector->IsLeader());
}

TEST_F(LeaderTest, AShortOutageChangesNothing) {
  auto one = Join("one");
  ASSERT_TRUE(Becomes([&] { return one->elector->IsLeader(); }));
  Pass(5s);
  server_->SetAway(true);
  Pass(6s);
  server_->SetAway(false);
  Pass(20s);
  EXPECT_TRUE(one->elector->IsLeader());
  EXPECT_EQ(one->stopped, 0);
}

TEST_F(LeaderTest, WhetherItLeadsIsToldByTheClockEvenIfTheElectorHangs) {
  // A clock of its own: its thread never sees the time pass.
  class Frozen : public FakeClock {
   public:
    bool WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Time,
                   const std::function<bool()>& done) override {
      changed.wait(lock, done);
      return true;
    }
  } frozen;
  auto one = Join("one", &frozen);
  ASSERT_TRUE(Becomes([&] { return one->elector->IsLeader(); }));
  frozen.Advance(9'999ms);
  EXPECT_TRUE(one->elector->IsLeader());
  EXPECT_EQ(one->elector->TimeToWrite(), 5'001ms);
  frozen.Advance(1ms);
  EXPECT_FALSE(one->elector->IsLeader());
  EXPECT_EQ(one->elector->TimeToWrite(), 0ms);
}

TEST_F(LeaderTest, ClocksOfOthersDoNotMatter) {
  // A lease whose renewTime lies a day ahead is taken after its duration, and not before.
  Client client(server_, {});
  ASSERT_TRUE(client
                  .Create(kLeases, {{"metadata", {{"name", "op"}, {"namespace", "levada"}}},
                                    {"spec",
                                     {{"holderIdentity", "gone"},
                                      {"leaseDurationSeconds", 15},
                                      {"renewTime", "2099-01-01T00:00:00.000000Z"}}}})
                  .ok());
  auto one = Join("one");
  ASSERT_TRUE(Becomes([&] { return one->elector->Leader() == "gone"; }));
  Pass(14s);
  EXPECT_FALSE(one->elector->IsLeader());
  EXPECT_TRUE(PassUntil([&] { return one->elector->IsLeader(); }));
}

TEST_F(LeaderTest, ALostAnswerDoesNotLoseTheLease) {
  auto one = Join("one");
  ASSERT_TRUE(Becomes([&] { return one->elector->IsLeader(); }));
  for (int i = 0; i < 5; ++i) {
    one->transport->Reset();
    one->transport->FailCall(1, Fault::kAnswerLost);
    Pass(4s);
  }
  EXPECT_TRUE(one->elector->IsLeader());
  EXPECT_EQ(one->stopped, 0);
}

TEST_F(LeaderTest, ADeletedLeaseIsMadeAgain) {
  auto one = Join("one");
  ASSERT_TRUE(Becomes([&] { return one->elector->IsLeader(); }));
  server_->Erase(kPath);
  ASSERT_TRUE(PassUntil([&] { return Holder() == "one"; }));
  EXPECT_EQ(one->stopped, 0);
}

TEST_F(LeaderTest, TimesThatDoNotFitAreRefused) {
  const auto create = [&](Elector::Options options) {
    options.lease = {"levada", "op"};
    options.identity.assign(1, 'x');
    return Elector::Create(server_, std::move(options)).status().code();
  };
  EXPECT_EQ(create({.lease_duration = 10s, .renew_deadline = 10s}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(create({.renew_deadline = 2s, .retry_period = 2s}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Elector::Create(server_, {.lease = {"levada", "op"}}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace levada::kube
