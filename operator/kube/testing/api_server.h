#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/base/strings.h"
#include "operator/kube/client.h"

// For tests against a real API server, that of LEVADA_KUBECONFIG: a namespace of their own, and
// nothing left behind. Skipped where the variable is not set.
//
// Threads: any.
namespace levada::kube {

// Until it holds; false if it does not within `limit`.
inline bool Becomes(const std::function<bool()>& holds,
                    std::chrono::seconds limit = std::chrono::seconds(60)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < deadline) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

class ApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* file = std::getenv("LEVADA_KUBECONFIG");
    if (file == nullptr) GTEST_SKIP() << "LEVADA_KUBECONFIG is not set";
    auto config = LoadConfig({.kubeconfig = file});
    ASSERT_TRUE(config.ok()) << config.status();
    Connect(*config);
    static std::atomic<int> number = 0;
    space_ = base::StrCat("kube-test-", getpid(), "-", number++);
    ASSERT_TRUE(client_->Create(kNamespaces, {{"metadata", {{"name", space_}}}}).ok());
  }
  void TearDown() override {
    if (!client_) return;
    // No controller empties a namespace here, and none finishes it.
    const auto left = client_->List(kConfigMaps, {.name_space = space_, .metadata_only = true});
    if (left.ok()) {
      ForAll(left->size(),
             [&](size_t i) { client_->Delete(kConfigMaps, KeyOf((*left)[i])).IgnoreError(); });
    }
    client_->Delete(kNamespaces, {"", space_}).IgnoreError();
    Json gone = {{"metadata", {{"name", space_}}}, {"spec", {{"finalizers", Json::array()}}}};
    client_->Update(kNamespaces, gone, {.subresource = "finalize"}).IgnoreError();
  }

  void Connect(const Config& config) {
    config_ = config;
    auto transport = Transport::Create(config, {});
    ASSERT_TRUE(transport.ok()) << transport.status();
    transport_ = *std::move(transport);
    client_ = std::make_unique<Client>(transport_,
                                       Client::Options{.requests_per_second = 2000, .burst = 2000});
  }
  std::unique_ptr<Client> ConnectAs(const Config& config) {
    auto transport = Transport::Create(config, {});
    EXPECT_TRUE(transport.ok()) << transport.status();
    return std::make_unique<Client>(*std::move(transport), Client::Options{});
  }

  Json ConfigMap(const std::string& name, const Json& data = Json::object()) const {
    return {{"metadata", {{"name", name}, {"namespace", space_}}}, {"data", data}};
  }
  void CreateMany(size_t count, const std::string& prefix) {
    ForAll(count, [&](size_t i) {
      const auto made = client_->Create(kConfigMaps, ConfigMap(base::StrCat(prefix, i)));
      EXPECT_TRUE(made.ok()) << made.status();
    });
  }
  // Eight at a time.
  static void ForAll(size_t count, const std::function<void(size_t)>& each) {
    std::vector<std::jthread> threads;
    std::atomic<size_t> next = 0;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        for (size_t i = next++; i < count; i = next++) each(i);
      });
    }
  }

  Config config_;
  std::shared_ptr<Transport> transport_;
  std::unique_ptr<Client> client_;
  std::string space_;
};

}  // namespace levada::kube
