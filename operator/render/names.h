#pragma once

#include <string>
#include <string_view>

#include "levada/v1/cluster.pb.h"
#include "operator/kube/object.h"

// Names, labels and annotations of what the operator makes. Selectors are made of them, and those
// never change: what stands here stays.
//
//   ObjectName("fraud-prevention", "detect")      // "fraud-prevention-detect"
//   SharedName("fraud-prevention")                // "fraud-prevention-levada"
//
// Two pipelines of a namespace can come to the same name ("a-b" with "c", "a" with "b-c"). Whoever
// writes an object looks first whether somebody else controls it.
//
// Threads: pure functions.
namespace levada::render {

inline constexpr std::string_view kManagedBy = "levada";  // app.kubernetes.io/managed-by
inline constexpr std::string_view kPipelineLabel = "levada.dev/pipeline";
inline constexpr std::string_view kStageLabel = "levada.dev/stage";
// On a stage's ConfigMap, its Deployment and its pods: the hash of the slice that is in it.
inline constexpr std::string_view kSliceHash = "levada.dev/slice-hash";
// On pods: a hash of the Secrets and ConfigMaps that they use, so that a change rolls them.
inline constexpr std::string_view kInputsHash = "levada.dev/inputs-hash";
inline constexpr std::string_view kRestartNonce = "levada.dev/restart-nonce";

// `<pipeline>-<stage>`, at most 63 characters: what is longer is cut and ends in a hash of all of
// it. It is a name for Services too, which must begin with a letter.
std::string ObjectName(std::string_view pipeline, std::string_view stage);
// Of what a pipeline has once: `<pipeline>-levada`.
std::string SharedName(std::string_view pipeline);

// The certificates of the installation's Kafka, as the manifest would name their file, and the
// ConfigMap that holds them: another one when they change.
inline constexpr std::string_view kSharedKafkaCa = "levada.dev/kafka-ca.pem";
std::string SharedKafkaCaName(std::string_view pipeline, std::string_view ca);
// Whether an entry of `spec.files` is that ConfigMap, which the operator makes itself.
bool IsSharedKafkaCa(std::string_view pipeline, const v1::MountedFile& file);

// What selects a stage's pods; of a pipeline's where `stage` is empty.
kube::Json SelectorLabels(std::string_view pipeline, std::string_view stage = "");
// The selector's and those that people and dashboards expect. `service`: "levada-scoring".
kube::Json Labels(std::string_view pipeline, std::string_view stage = "",
                  std::string_view service = "levada");

// 16 hexadecimal digits of SHA-256.
std::string ShortHash(std::string_view text);

}  // namespace levada::render
