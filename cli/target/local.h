#pragma once

#include <map>
#include <memory>
#include <string>

#include "cli/run/status.h"
#include "cli/target/registry.h"
#include "cli/target/target.h"
#include "core/kafka/admin.h"
#include "core/pipeline/plan.h"

// A pipeline that `levada run` runs on this machine: its workers are asked themselves, Kafka is
// asked for its topics.
//
// Threads: one.
namespace levada::cli {

class LocalTarget : public Target {
 public:
  explicit LocalTarget(RunRecord run) : run_(std::move(run)) {}

  std::string Where() const override;
  absl::StatusOr<PipelineView> View() override;
  absl::StatusOr<std::string> SetPaused(bool paused, const std::string& stage) override;
  absl::Status Logs(const LogOptions& options, const std::function<void(const LogLine&)>& each,
                    std::stop_token stop) override;
  absl::StatusOr<OnKafka> Kafka(const std::string& brokers) override;

 private:
  StatusClient* ClientOf(const std::string& stage);
  StageRow RowOf(const RunRecord::Stage& stage);
  absl::Status CheckStage(const std::string& stage) const;
  // Topics, as the plan wants them and as Kafka has them.
  absl::StatusOr<std::vector<TopicRow>> Topics();
  void ReadAgain();

  RunRecord run_;
  struct Connection {
    std::string address;
    std::unique_ptr<StatusClient> client;
  };
  std::map<std::string, Connection> connections_;  // by stage
  std::unique_ptr<kafka::Admin> admin_;
};

// The stage's name, or what is probably meant. kNotFound.
absl::Status NoSuchStage(const std::string& stage, const std::vector<std::string>& stages);

}  // namespace levada::cli
