// What comes in at the webhook: no bytes may crash it, and what it answers is an answer.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "operator/kube/object.h"
#include "operator/webhook/review.h"

namespace levada::webhook {
namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

void CheckReview(std::string_view body) {
  const auto answer = Review(body);
  if (!answer.ok()) return Check(!answer.status().message().empty());
  const kube::Json review = kube::Json::parse(answer->body);
  Check(!kube::TextAt(review, {"response", "uid"}).empty());
  Check(review["response"]["allowed"] == answer->allowed);
  Check(answer->allowed == answer->problems.empty());
}

// The object of a review that is otherwise as it should be.
void CheckObject(std::string_view object) {
  std::string body =
      R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1",)"
      R"("kind":{"group":"levada.dev","version":"v1alpha1","kind":"Pipeline"},)"
      R"("operation":"UPDATE","object":)";
  body.append(object).append(",\"oldObject\":{}}}");
  CheckReview(body);
}

}  // namespace
}  // namespace levada::webhook

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  levada::webhook::CheckReview(text);
  levada::webhook::CheckObject(text);
  return 0;
}
