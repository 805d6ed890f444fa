#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// An AdmissionReview of a Pipeline (admission.k8s.io/v1) and its answer.
//
//   absl::StatusOr<Answer> answer = Review(request.body);
//   if (!answer.ok()) return Error(400, answer.status().message());
//   response.body = answer->body;
//
// Refused is what `levada validate` refuses, with every problem and its path, and what only the
// change shows: a topic that would lose partitions, a volume that would become another. Warnings
// say what is odd and goes through. A change that leaves `spec` as it is, and any change of a
// pipeline that is being deleted, goes through unseen: labels are set on an invalid pipeline too,
// and its finalizers come off.
//
// What this lets through by mistake harms nobody: the operator checks by itself.
//
// Threads: pure function.
namespace levada::webhook {

// Arrays and objects in one another, of a whole review.
inline constexpr int kMaxDepth = 512;

struct Answer {
  std::string body;  // the AdmissionReview to send back
  bool allowed = true;
  std::string pipeline;  // "namespace/name"
  std::string problems;  // why it is refused
};

// kInvalidArgument: no AdmissionReview of a Pipeline, of which nothing is said.
absl::StatusOr<Answer> Review(std::string_view body);

}  // namespace levada::webhook
