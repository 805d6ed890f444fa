#include "operator/webhook/review.h"

#include "core/base/strings.h"
#include "operator/controller/check.h"
#include "operator/kube/object.h"
#include "operator/webhook/transition.h"

namespace levada::webhook {
namespace {

using kube::Json;
using pipeline::Problem;
using pipeline::Severity;

constexpr char kApiVersion[] = "admission.k8s.io/v1";
// The API server cuts warnings of more than 256 characters, and of all together 4096.
constexpr size_t kMaxWarnings = 16;
constexpr size_t kMaxWarningBytes = 250;
// What a person reads in a terminal at most.
constexpr size_t kMaxCauses = 100;

// Nothing that calls itself sees more than that.
bool IsTooDeep(std::string_view json) {
  int depth = 0;
  bool text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (text) {
      i += c == '\\';
      text = c != '"';
    } else if (c == '"') {
      text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

struct Request {
  std::string uid;
  std::string kind;
  std::string group;
  std::string subresource;
  std::string operation;
  kube::ObjectKey key;
  Json object;
  Json old_object;
};

absl::StatusOr<Request> Parse(std::string_view body) {
  if (IsTooDeep(body)) return absl::InvalidArgumentError("nested too deeply");
  Json review = Json::parse(body, nullptr, false);
  if (review.is_discarded()) return absl::InvalidArgumentError("not JSON");
  if (kube::TextAt(review, {"apiVersion"}) != kApiVersion ||
      kube::TextAt(review, {"kind"}) != "AdmissionReview") {
    return absl::InvalidArgumentError(base::StrCat("expected an AdmissionReview ", kApiVersion));
  }
  Request request;
  request.uid = kube::TextAt(review, {"request", "uid"});
  request.group = kube::TextAt(review, {"request", "kind", "group"});
  request.kind = kube::TextAt(review, {"request", "kind", "kind"});
  request.subresource = kube::TextAt(review, {"request", "subResource"});
  request.operation = kube::TextAt(review, {"request", "operation"});
  request.key = {kube::TextAt(review, {"request", "namespace"}),
                 kube::TextAt(review, {"request", "name"})};
  if (request.uid.empty()) return absl::InvalidArgumentError("a review without `request.uid`");
  if (request.group != "levada.dev" || request.kind != "Pipeline") {
    return absl::InvalidArgumentError("expected a review of a Pipeline");
  }
  Json& parts = review["request"];
  if (parts.contains("object")) request.object = std::move(parts["object"]);
  if (parts.contains("oldObject")) request.old_object = std::move(parts["oldObject"]);
  return request;
}

// Whether anything is changed that a check looks at.
bool IsOfConcern(const Request& request) {
  if (!request.subresource.empty() || !request.object.is_object()) return false;
  if (request.operation == "CREATE") return true;
  if (request.operation != "UPDATE" || kube::IsBeingDeleted(request.object)) return false;
  const Json* before = kube::Find(request.old_object, {"spec"});
  const Json* after = kube::Find(request.object, {"spec"});
  return before == nullptr || after == nullptr || *before != *after;
}

std::string ToText(const Problem& problem) {
  return problem.hint.empty() ? problem.message
                              : base::StrCat(problem.message, " (", problem.hint, ")");
}

// Not in the middle of a character.
std::string Cut(std::string text) {
  if (text.size() <= kMaxWarningBytes) return text;
  size_t end = kMaxWarningBytes - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

Json WarningsOf(const pipeline::Problems& problems) {
  Json warnings = Json::array();
  for (const Problem& problem : problems.all()) {
    if (problem.severity != Severity::kWarning || warnings.size() == kMaxWarnings) continue;
    warnings.push_back(
        Cut(base::StrCat(problem.path, problem.path.empty() ? "" : ": ", ToText(problem))));
  }
  return warnings;
}

// A Status as the API server gives one for what its schema refuses, so that kubectl shows it alike.
Json RefusalOf(const pipeline::Problems& problems, const std::string& name, std::string* text) {
  Json causes = Json::array();
  size_t errors = 0;
  for (const Problem& problem : problems.all()) {
    if (problem.severity != Severity::kError || ++errors > kMaxCauses) continue;
    causes.push_back(
        {{"reason", "FieldValueInvalid"}, {"field", problem.path}, {"message", ToText(problem)}});
    base::StrAppend(text, text->empty() ? "" : "\n", problem.path, problem.path.empty() ? "" : ": ",
                    ToText(problem));
  }
  if (errors > kMaxCauses) base::StrAppend(text, "\nand ", errors - kMaxCauses, " more");
  return {{"status", "Failure"},
          {"code", 422},
          {"reason", "Invalid"},
          {"message", *text},
          {"details",
           {{"group", "levada.dev"}, {"kind", "Pipeline"}, {"name", name}, {"causes", causes}}}};
}

}  // namespace

absl::StatusOr<Answer> Review(std::string_view body) {
  const absl::StatusOr<Request> request = Parse(body);
  if (!request.ok()) return request.status();
  Answer answer;
  Json response = {{"uid", request->uid}, {"allowed", true}};
  if (IsOfConcern(*request)) {
    v1::Pipeline manifest;
    pipeline::Problems problems = controller::ProblemsOf(request->object, &manifest);
    if (!problems.HasErrors() && request->operation == "UPDATE") {
      problems.Append(ProblemsOfChange(request->old_object, request->object, manifest));
    }
    answer.pipeline = kube::KeyOf(request->object).ToText();
    answer.allowed = !problems.HasErrors();
    if (!answer.allowed) {
      response["allowed"] = false;
      response["status"] = RefusalOf(problems, kube::NameOf(request->object), &answer.problems);
    }
    if (Json warnings = WarningsOf(problems); !warnings.empty()) response["warnings"] = warnings;
  }
  const Json review = {
      {"apiVersion", kApiVersion}, {"kind", "AdmissionReview"}, {"response", std::move(response)}};
  answer.body = review.dump(-1, ' ', false, Json::error_handler_t::replace);
  return answer;
}

}  // namespace levada::webhook
