#include "operator/kube/informer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <thread>

#include "core/base/strings.h"
#include "operator/kube/testing/fake_clock.h"
#include "operator/kube/testing/fault_transport.h"

namespace levada::kube {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

Json Object(const std::string& name, int version) {
  return {{"metadata",
           {{"name", name},
            {"namespace", "shop"},
            {"resourceVersion", std::to_string(version)},
            {"managedFields", {{{"manager", "x"}}}}}}};
}

std::string Event(const std::string& type, const Json& object) {
  return Json{{"type", type}, {"object", object}}.dump();
}

// Plays an API server whose lists and watches a test writes down. Each watch is the next of
// `watches`; when there are no more, a watch stays open until it is stopped.
class InformerTest : public ::testing::Test {
 protected:
  struct Watch {
    std::vector<std::string> lines;
    absl::Status end;  // not OK: how the connection ends
    int status = 200;
  };

  absl::StatusOr<http::Response> List(const http::Request& request) {
    const std::lock_guard lock(mutex_);
    asked_.push_back("list");
    if (list_failures_ > 0) {
      --list_failures_;
      return absl::UnavailableError("away");
    }
    (void)request;
    Json list = {{"metadata", {{"resourceVersion", "100"}}}, {"items", Json::array()}};
    for (const Json& object : listed_) list["items"].push_back(object);
    return http::Response{.status = 200, .headers = {}, .body = list.dump()};
  }

  absl::StatusOr<http::Response> Stream(const http::Request& request, const http::OnLine& on_line,
                                        const std::stop_token& stop) {
    Watch watch;
    {
      std::unique_lock lock(mutex_);
      const size_t at = request.path.find("resourceVersion=") + 16;
      asked_.push_back(
          base::StrCat("watch ", request.path.substr(at, request.path.find('&', at) - at)));
      if (watches_.empty()) {
        lock.unlock();
        while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
        return absl::CancelledError("stopped");
      }
      watch = watches_.front();
      watches_.pop_front();
    }
    for (const std::string& line : watch.lines) {
      if (!on_line(line)) break;
    }
    if (!watch.end.ok()) return watch.end;
    return http::Response{.status = watch.status, .headers = {}, .body = ""};
  }

  std::unique_ptr<Informer> Start() {
    informer_ = std::make_unique<Informer>(
        client_,
        Informer::Options{.resource = kConfigMaps, .first_wait = 1ms, .longest_wait = 5ms});
    informer_->AddHandler({.on_change =
                               [this](const Json* before, const Json* after) {
                                 const std::lock_guard lock(mutex_);
                                 told_.push_back(Describe(before, after));
                               },
                           .on_synced =
                               [this] {
                                 const std::lock_guard lock(mutex_);
                                 told_.push_back("synced");
                               }});
    informer_->Start();
    return std::move(informer_);
  }

  static std::string Describe(const Json* before, const Json* after) {
    if (before == nullptr) return base::StrCat("+", NameOf(*after));
    if (after == nullptr) return base::StrCat("-", NameOf(*before));
    return base::StrCat(NameOf(*after), " ", ResourceVersionOf(*before), "->",
                        ResourceVersionOf(*after));
  }

  // Until all that was written down has been asked for and the last watch is open.
  void Settle() {
    for (int i = 0; i < 10'000; ++i) {
      {
        const std::lock_guard lock(mutex_);
        if (watches_.empty() && open_watches() > 0) return;
      }
      std::this_thread::sleep_for(1ms);
    }
    FAIL() << "the informer does not settle";
  }
  // The last request is a watch that nobody has written down: it is the open one.
  int open_watches() const {
    return static_cast<int>(std::count_if(
               asked_.begin(), asked_.end(),
               [](const auto& one) { return one.starts_with("watch"); })) > written_down_
               ? 1
               : 0;
  }

  void Script(std::vector<Watch> watches) {
    const std::lock_guard lock(mutex_);
    written_down_ += static_cast<int>(watches.size());
    watches_.insert(watches_.end(), watches.begin(), watches.end());
  }

  std::vector<std::string> told() {
    const std::lock_guard lock(mutex_);
    return told_;
  }

  std::mutex mutex_;
  std::vector<Json> listed_;
  int list_failures_ = 0;
  std::deque<Watch> watches_;
  int written_down_ = 0;
  std::vector<std::string> asked_;
  std::vector<std::string> told_;
  Client client_{std::make_shared<FunctionTransport>(
                     [this](const auto& request) { return List(request); },
                     [this](const auto& request, const auto& on_line, const auto& stop) {
                       return Stream(request, on_line, stop);
                     }),
                 {}};
  std::unique_ptr<Informer> informer_;
};

TEST_F(InformerTest, ListsThenFollowsEachChange) {
  listed_ = {Object("a", 1), Object("b", 2)};
  Script({{.lines = {Event("ADDED", Object("c", 101)), Event("MODIFIED", Object("a", 102)),
                     Event("DELETED", Object("b", 103)),
                     Event("BOOKMARK", {{"metadata", {{"resourceVersion", "110"}}}})},
           .end = {}}});
  const auto informer = Start();
  ASSERT_TRUE(informer->WaitForSync(10s));
  Settle();
  EXPECT_THAT(told(), ElementsAre("+a", "+b", "synced", "+c", "a 1->102", "-b"));
  // It goes on from the bookmark.
  EXPECT_THAT(asked_, ElementsAre("list", "watch 100", "watch 110"));
  EXPECT_THAT(informer->Keys(),
              UnorderedElementsAre(ObjectKey{"shop", "a"}, ObjectKey{"shop", "c"}));
  EXPECT_FALSE(informer->Get({"shop", "a"})->at("metadata").contains("managedFields"));
  EXPECT_TRUE(informer->Health().ok());
}

TEST_F(InformerTest, ABrokenWatchIsTakenUpWhereItWas) {
  Script({{.lines = {Event("ADDED", Object("a", 101))}, .end = absl::UnavailableError("reset")},
          {.lines = {}, .end = absl::UnavailableError("refused")},
          {.lines = {}, .end = absl::DeadlineExceededError("nothing came")},
          {.lines = {Event("ADDED", Object("b", 105))}, .end = {}}});
  const auto informer = Start();
  Settle();
  EXPECT_THAT(asked_,
              ElementsAre("list", "watch 100", "watch 101", "watch 101", "watch 101", "watch 105"));
  EXPECT_THAT(told(), ElementsAre("synced", "+a", "+b"));
}

TEST_F(InformerTest, AnExpiredVersionListsAgainAndTellsTheDifference) {
  listed_ = {Object("a", 1), Object("b", 2), Object("c", 3)};
  const Json gone = {{"kind", "Status"}, {"code", 410}, {"reason", "Expired"}};
  const auto informer = [&] {
    auto started = Start();
    EXPECT_TRUE(started->WaitForSync(10s));
    return started;
  }();
  informer->Stop();
  {
    const std::lock_guard lock(mutex_);
    told_.clear();
    asked_.clear();
    written_down_ = 0;
    listed_ = {Object("a", 1), Object("b", 50), Object("d", 60)};
  }
  Script({{.lines = {Event("ERROR", gone)}, .end = {}}, {.lines = {}, .end = {}, .status = 410}});
  informer->Start();
  Settle();
  EXPECT_THAT(told(), ElementsAre("b 2->50", "+d", "-c"));
  EXPECT_THAT(asked_, ElementsAre("list", "watch 100", "list", "watch 100", "list", "watch 100"));
}

TEST_F(InformerTest, AServerThatIsAwayAtTheStartIsWaitedFor) {
  listed_ = {Object("a", 1)};
  list_failures_ = 3;
  const auto informer = Start();
  EXPECT_TRUE(informer->WaitForSync(10s));
  Settle();
  EXPECT_THAT(told(), ElementsAre("+a", "synced"));
}

TEST_F(InformerTest, WhileItCannotFollowItsHealthSaysWhyAndTheCopyStays) {
  listed_ = {Object("a", 1)};
  const auto informer = Start();
  ASSERT_TRUE(informer->WaitForSync(10s));
  informer->Stop();
  {
    const std::lock_guard lock(mutex_);
    list_failures_ = 1'000'000;
  }
  informer->Start();
  for (int i = 0; i < 10'000 && informer->Health().ok(); ++i) std::this_thread::sleep_for(1ms);
  EXPECT_THAT(std::string(informer->Health().message()),
              AllOf(HasSubstr("list configmaps"), HasSubstr("away")));
  EXPECT_TRUE(informer->HasSynced());
  EXPECT_TRUE(informer->Contains({"shop", "a"}));
}

TEST_F(InformerTest, AWatchThatEndsAtOnceIsNotAskedForInALoop) {
  std::vector<Watch> watches(5);
  Script(watches);
  const auto informer = Start();
  Settle();
  // Each waited a little, and none listed again.
  EXPECT_EQ(std::count(asked_.begin(), asked_.end(), "list"), 1);
}

TEST_F(InformerTest, NoHandlerIsCalledAfterStop) {
  const auto informer = Start();
  ASSERT_TRUE(informer->WaitForSync(10s));
  informer->Stop();
  informer->Stop();
  const size_t count = told().size();
  Script({{.lines = {Event("ADDED", Object("x", 200))}, .end = {}}});
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(told().size(), count);
}

}  // namespace
}  // namespace levada::kube
