#pragma once

#include <prometheus/registry.h>

#include <string>

#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/kafka/client.h"
#include "core/runtime/control.h"
#include "core/runtime/metrics.h"
#include "core/runtime/stage.h"

// What the tests of this service share: a stage with all that it is made from.
namespace levada::indexing {

class TestStage {
 public:
  TestStage() {
    pipeline.mutable_metadata()->set_name("test");
    pipeline.mutable_metadata()->set_namespace_("default");
    topic = pipeline.mutable_spec()->add_topics();
    topic->set_name("tx");
    stage = pipeline.mutable_spec()->add_stages();
    stage->set_name("search");
    indexing = stage->mutable_indexing();
    indexing->set_from("tx");
    indexing->set_via("search");
    indexing->set_index("transactions");
    indexing->mutable_bulk()->set_count(1000);
    indexing->mutable_bulk()->set_size("8Mi");
    indexing->mutable_bulk()->set_every("1s");
  }

  runtime::StageContext Context() {
    return {pipeline, *stage, secrets, kafka, metrics, registry, control};
  }

  v1::Pipeline pipeline;
  v1::Topic* topic;
  v1::Stage* stage;
  v1::Indexing* indexing;
  base::Secrets secrets;
  kafka::ClientConfig kafka;
  prometheus::Registry registry;
  runtime::StageMetrics metrics{registry, {}};
  runtime::Control control;
};

}  // namespace levada::indexing
