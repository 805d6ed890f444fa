// The client while its API server is killed, started again and compacted.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>

#include "operator/kube/errors.h"
#include "operator/kube/informer.h"
#include "operator/kube/testing/api_server.h"

namespace levada::kube {
namespace {

using namespace std::chrono_literals;

// An API server of its own, which is killed and started again with what it had.
class RestartTest : public ApiTest {
 protected:
  void SetUp() override {
    if (std::getenv("LEVADA_KUBECONFIG") == nullptr) {
      GTEST_SKIP() << "LEVADA_KUBECONFIG is not set";
    }
    folder_ = base::StrCat(::testing::TempDir(), "/kube-api-", getpid());
    port_ = 20'000 + getpid() % 10'000 * 3;
    Server("start");
    auto config = LoadConfig({.kubeconfig = folder_ + "/admin.kubeconfig"});
    ASSERT_TRUE(config.ok()) << config.status();
    Connect(*config);
    space_ = "default";
  }
  void TearDown() override {
    if (folder_.empty()) return;
    client_.reset();  // nothing to tidy up
    Server("kill");
    std::filesystem::remove_all(folder_);
  }
  void Server(const std::string& what) {
    const std::string command =
        base::StrCat("tests/servers/kubernetes.sh ", what, " --dir ", folder_, " --port ", port_);
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }

  std::string folder_;
  int port_ = 0;
};

TEST_F(RestartTest, AWatchGoesOnAfterTheServerWasKilled) {
  std::mutex mutex;
  std::map<std::string, int> told;
  Informer informer(*client_,
                    {.resource = kConfigMaps, .name_space = space_, .longest_wait = 500ms});
  informer.AddHandler({.on_change = [&](const Json* before, const Json* after) {
    const std::lock_guard lock(mutex);
    ++told[base::StrCat(before == nullptr  ? "+"
                        : after == nullptr ? "-"
                                           : "",
                        NameOf(after != nullptr ? *after : *before))];
  }});
  informer.Start();
  ASSERT_TRUE(informer.WaitForSync(30s));
  ASSERT_TRUE(client_->Create(kConfigMaps, ConfigMap("before")).ok());
  ASSERT_TRUE(Becomes([&] { return informer.Contains({space_, "before"}); }));

  Server("kill");
  ASSERT_TRUE(Becomes([&] { return !informer.Health().ok(); }));
  EXPECT_TRUE(informer.Contains({space_, "before"}));
  Server("start");
  ASSERT_TRUE(Becomes([&] { return client_->Create(kConfigMaps, ConfigMap("after")).ok(); }));
  ASSERT_TRUE(Becomes([&] { return informer.Contains({space_, "after"}); }));
  EXPECT_TRUE(informer.Health().ok());
  const std::lock_guard lock(mutex);
  EXPECT_EQ(told["+before"], 1);
  EXPECT_EQ(told["+after"], 1);
}

TEST_F(RestartTest, AVersionThatWasCompactedAwayIsListedAnew) {
  const auto version = client_->List(kConfigMaps, {.name_space = space_}, [](const Json&) {});
  ASSERT_TRUE(version.ok()) << version.status();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(client_->Apply(kConfigMaps, ConfigMap("a", {{"k", std::to_string(i)}})).ok());
  }
  const std::string now = *client_->List(kConfigMaps, {.name_space = space_}, [](const Json&) {});
  const std::string compact =
      base::StrCat("curl -sf -o /dev/null http://127.0.0.1:", port_ + 1,
                   "/v3/kv/compaction -d '{\"revision\": ", now, ", \"physical\": true}'");
  ASSERT_EQ(std::system(compact.c_str()), 0);
  Server("kill");  // what the API server remembers itself is gone too
  Server("start");
  ASSERT_TRUE(Becomes([&] { return client_->Get(kNamespaces, {"", "default"}).ok(); }));
  const auto none = [](const WatchEvent&) { return true; };
  ASSERT_TRUE(Becomes([&] {
    return IsExpired(client_->Watch(
        kConfigMaps, {.name_space = space_, .resource_version = *version, .timeout = 2s}, none,
        {}));
  }));
}

}  // namespace
}  // namespace levada::kube
