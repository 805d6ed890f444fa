// What is kept and what comes late, on a real API server: volumes, and Prometheus' operator.

#include "operator/controller/testing/controller_test.h"

namespace levada::controller {
namespace {

TEST_F(ControllerKubeTest, AVolumeStaysWhenItsStageGoes) {
  Json sample = Sample();
  sample["spec"]["deletionPolicy"] = "Delete";
  Apply(sample);
  StartController();
  ASSERT_TRUE(Eventually([&] { return Settled(); })) << Live().dump(1);
  ASSERT_EQ(List(kube::kPersistentVolumeClaims).size(), 1u);
  EXPECT_EQ(kube::ControllerUidOf(List(kube::kPersistentVolumeClaims)[0]), kube::UidOf(Live()));
  sample["spec"].erase("tests");  // which name the stage
  Json& stages = sample["spec"]["stages"];
  stages.erase(std::remove_if(stages.begin(), stages.end(),
                              [](const Json& stage) { return stage.contains("archiving"); }),
               stages.end());
  Apply(sample);
  EXPECT_TRUE(Eventually([&] { return List(kube::kDeployments).size() == kStages - 1; }));
  // It would go with the pipeline now, and may no longer: its owner is taken off.
  sample["spec"]["deletionPolicy"] = "Retain";
  Apply(sample);
  EXPECT_TRUE(Eventually([&] {
    const auto volumes = List(kube::kPersistentVolumeClaims);
    return volumes.size() == 1 && kube::ControllerUidOf(volumes[0]).empty();
  }));
}

TEST_F(ControllerKubeTest, AVolumeOfAnotherPipelineIsNotTakenOver) {
  Json theirs = {
      {"metadata",
       {{"name", "fraud-prevention-lake"},
        {"namespace", name_space_},
        {"labels",
         {{"app.kubernetes.io/managed-by", "levada"},
          {"levada.dev/pipeline", "fraud"},
          {"levada.dev/stage", "prevention-lake"}}}}},
      {"spec",
       {{"accessModes", {"ReadWriteOnce"}}, {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}};
  ASSERT_TRUE(user_->Create(kube::kPersistentVolumeClaims, theirs).ok());
  Apply(Sample());
  StartController();
  EXPECT_TRUE(Eventually([&] { return ConditionOf("StagesReady", "reason") == "WriteFailed"; }))
      << Live().dump(1);
  EXPECT_NE(ConditionOf("StagesReady", "message")
                .find("PersistentVolumeClaim fraud-prevention-lake is there already"),
            std::string::npos);
  const auto live = user_->Get(kube::kPersistentVolumeClaims, kube::KeyOf(theirs));
  EXPECT_EQ(kube::LabelOf(*live, "levada.dev/pipeline"), "fraud");
}

// The real API server, and Prometheus' operator beside it or not.
class WithMonitoring {
 public:
  explicit WithMonitoring(std::shared_ptr<kube::Transport> server) : server_(std::move(server)) {}

  std::shared_ptr<kube::Transport> transport() {
    return std::make_shared<kube::FunctionTransport>(
        [this](const http::Request& request) -> absl::StatusOr<http::Response> {
          return Is(request) ? Answer(request) : server_->Send(request);
        },
        [this](const http::Request& request, const http::OnLine& on_line,
               std::stop_token stop) -> absl::StatusOr<http::Response> {
          if (!Is(request)) return server_->Stream(request, seconds(100), on_line, stop);
          while (there && !stop.stop_requested()) std::this_thread::sleep_for(milliseconds(10));
          return http::Response{.status = 404, .headers = {}, .body = "{}"};
        });
  }
  size_t written() const { return written_; }

  std::atomic<bool> there{false};

 private:
  static bool Is(const http::Request& request) {
    return request.path.starts_with("/apis/monitoring.coreos.com/v1");
  }
  http::Response Answer(const http::Request& request) {
    const std::string path = request.path.substr(0, request.path.find('?'));
    Json body = {{"kind", "Status"}, {"code", 404}, {"reason", "NotFound"}};
    if (!there) return {.status = 404, .headers = {}, .body = body.dump()};
    if (request.method == "PATCH") {
      body = Json::parse(request.body);
      body["metadata"]["resourceVersion"] = std::to_string(++written_);
    } else if (path.ends_with("/v1")) {
      body = {{"resources", {{{"name", "podmonitors"}}, {{"name", "prometheusrules"}}}}};
    } else if (path.ends_with("/podmonitors") || path.ends_with("/prometheusrules")) {
      body = {{"metadata", {{"resourceVersion", "1"}}}, {"items", Json::array()}};
    } else {
      return {.status = 404, .headers = {}, .body = body.dump()};
    }
    return {.status = 200, .headers = {}, .body = body.dump()};
  }

  const std::shared_ptr<kube::Transport> server_;
  std::atomic<size_t> written_{0};
};

TEST_F(ControllerKubeTest, PrometheusOperatorMayComeAndGo) {
  WithMonitoring monitoring(real_);
  client_ = std::make_unique<kube::Client>(monitoring.transport(), kube::Client::Options{});
  Json sample = Sample();
  Apply(sample);
  controller_ = std::make_unique<PipelineController>(
      *client_, kafka_, metrics_,
      PipelineController::Options{
          .name_space = name_space_, .identity = "test", .discover = milliseconds(200)});
  controller_->Start();
  ASSERT_TRUE(Eventually([&] { return Settled(); })) << Live().dump(1);
  EXPECT_EQ(monitoring.written(), 0u);
  monitoring.there = true;
  EXPECT_TRUE(Eventually([&] { return monitoring.written() >= 2; })) << "a monitor, and its rules";
  monitoring.there = false;
  std::this_thread::sleep_for(seconds(1));
  sample["spec"]["restartNonce"] = 7;
  Apply(sample);
  EXPECT_TRUE(Eventually([&] { return Settled(); })) << Live().dump(1);
  EXPECT_TRUE(Eventually([&] { return controller_->Health().ok(); })) << controller_->Health();
  controller_.reset();
}

}  // namespace
}  // namespace levada::controller
