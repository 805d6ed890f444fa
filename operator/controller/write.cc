#include "operator/controller/write.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_join.h"
#include "core/base/strings.h"
#include "operator/kube/diff.h"
#include "operator/kube/errors.h"
#include "operator/render/names.h"
#include "operator/render/render.h"

namespace levada::controller {
namespace {

using kube::Json;

// Of what was written last. A field that is no longer wanted differs in nothing else.
constexpr std::string_view kFingerprint = "levada.dev/fingerprint";
constexpr size_t kShownDifferences = 3;
constexpr size_t kShownObjects = 4;
// With this version, applying makes an object that is not there and is refused (a conflict) where
// one is: etcd's first revision is older than any object.
constexpr char kOlderThanAll[] = "1";

const kube::Resource* ResourceOf(const Json& object) {
  for (const kube::Resource* resource : render::Kinds()) {
    if (resource->kind == kube::TextAt(object, {"kind"})) return resource;
  }
  return nullptr;
}

// "Deployment fraud-detect"
std::string NameOf(const Json& object) {
  return base::StrCat(kube::TextAt(object, {"kind"}), " ", kube::NameOf(object));
}

class Writer {
 public:
  Writer(kube::Client& client, const Json& pipeline, const std::vector<Owned>& owned)
      : client_(client), uid_(kube::UidOf(pipeline)), owned_(owned) {}

  void Apply(Json wanted) {
    // Nothing can be made there any more.
    if (kube::IsNamespaceTerminating(written_.status)) return;
    const kube::Resource* resource = ResourceOf(wanted);
    if (resource == nullptr) {
      return Fail(absl::InternalError(base::StrCat("no resource for ", NameOf(wanted))));
    }
    wanted["metadata"]["annotations"][kFingerprint] = kube::Fingerprint(wanted);
    if (const Json* live = Known(*resource, wanted)) {
      return Update(*resource, *live, std::move(wanted));
    }
    // The copy has only what bears our label: something else of that name may be there.
    wanted["metadata"]["resourceVersion"] = kOlderThanAll;
    absl::StatusOr<Json> made = client_.Apply(*resource, wanted, {.force = true});
    if (made.ok()) return Applied(*resource, *std::move(made), "created");
    if (!kube::IsConflict(made.status())) return Fail(made.status());
    const absl::StatusOr<Json> live = client_.Get(*resource, kube::KeyOf(wanted));
    // Gone again: that is found by the next look.
    if (!live.ok()) return Fail(absl::IsNotFound(live.status()) ? made.status() : live.status());
    Update(*resource, *live, std::move(wanted));
  }

  void Delete(const Json& object) {
    const kube::Resource* resource = ResourceOf(object);
    if (resource == nullptr || kube::IsBeingDeleted(object)) return;
    const absl::Status deleted =
        client_.Delete(*resource, kube::KeyOf(object),
                       {.uid = kube::UidOf(object),
                        .resource_version = kube::ResourceVersionOf(object),
                        .propagation = kube::DeleteOptions::Propagation::kBackground});
    if (absl::IsNotFound(deleted)) return;
    if (!deleted.ok()) return Fail(deleted);
    Note(object, "deleted");
  }

  // It no longer goes with the pipeline.
  void Release(const Json& object) {
    const kube::Resource* resource = ResourceOf(object);
    if (resource == nullptr || kube::IsBeingDeleted(object)) return;
    const Json patch = {
        {"metadata",
         {{"ownerReferences", nullptr}, {"resourceVersion", kube::ResourceVersionOf(object)}}}};
    const absl::Status released =
        client_.Patch(*resource, kube::KeyOf(object), kube::PatchType::kMerge, patch).status();
    if (absl::IsNotFound(released)) return;
    if (!released.ok()) return Fail(released);
    Note(object, "no longer goes with the pipeline");
  }

  Written Result() && {
    if (failures_ == 0) written_.status = conflict_;
    if (failures_ > 1) {
      written_.status = absl::Status(
          written_.status.code(),
          base::StrCat(base::View(written_.status.message()), "; and ", failures_ - 1, " more"));
    }
    return std::move(written_);
  }

 private:
  // As the copy has it.
  const Json* Known(const kube::Resource& resource, const Json& wanted) const {
    for (const Owned& owned : owned_) {
      if (*owned.resource == resource && kube::NameOf(owned.object) == kube::NameOf(wanted)) {
        return &owned.object;
      }
    }
    return nullptr;
  }

  void Update(const kube::Resource& resource, const Json& live, Json wanted) {
    wanted["metadata"].erase("resourceVersion");
    if (absl::Status ours = IsOurs(live, wanted); !ours.ok()) return Fail(std::move(ours));
    // Its pods cannot be changed, and what is wanted of them is in its name. If somebody else has
    // added to them as it was made, it stays so.
    if (resource == kube::kJobs) return;
    const std::vector<std::string> differences = kube::Differences(live, wanted, kShownDifferences);
    if (differences.empty()) return;
    // A change from an old view is refused: that of a leader which was frozen in the middle of it.
    wanted["metadata"]["resourceVersion"] = kube::ResourceVersionOf(live);
    absl::StatusOr<Json> applied = client_.Apply(resource, wanted, {.force = true});
    if (!applied.ok()) return Fail(applied.status());
    Applied(resource, *std::move(applied), absl::StrJoin(differences, ", "));
  }

  void Applied(const kube::Resource& resource, Json applied, const std::string& what) {
    Note(applied, what);
    if (resource == kube::kDeployments) written_.deployments.push_back(std::move(applied));
  }

  absl::Status IsOurs(const Json& live, const Json& wanted) const {
    const std::string controller = kube::ControllerUidOf(live);
    // Volumes that outlive their pipeline have no owner, and are found again by their labels.
    const auto same = [&](std::string_view label) {
      return kube::LabelOf(live, label) == kube::LabelOf(wanted, label);
    };
    const bool free = controller.empty() && same("app.kubernetes.io/managed-by") &&
                      same(render::kPipelineLabel) && same(render::kStageLabel);
    if (controller == uid_ || free) return absl::OkStatus();
    return absl::FailedPreconditionError(
        base::StrCat(NameOf(live),
                     " is there already and is not this pipeline's: rename the pipeline or the "
                     "stage, or delete that object"));
  }

  void Note(const Json& object, const std::string& what) {
    written_.changes.push_back({NameOf(object), what});
  }

  void Fail(absl::Status status) {
    if (kube::IsConflict(status)) {
      conflict_ = std::move(status);
      return;
    }
    if (failures_++ == 0) written_.status = std::move(status);
  }

  kube::Client& client_;
  const std::string uid_;
  const std::vector<Owned>& owned_;
  Written written_;
  absl::Status conflict_;
  size_t failures_ = 0;
};

// "ServiceAccount a, Service b and 23 more: created"
std::string DescribeAlike(const std::vector<std::string>& objects, const std::string& what) {
  const size_t shown = std::min(objects.size(), kShownObjects);
  std::string text = absl::StrJoin(objects.begin(), objects.begin() + shown, ", ");
  if (shown < objects.size()) {
    base::StrAppend(&text, " and ", objects.size() - shown, " more");
  }
  return base::StrCat(text, ": ", what);
}

int64_t ReplicasOf(const Json& deployment) { return kube::IntAt(deployment, {"spec", "replicas"}); }

}  // namespace

void Scale(kube::Client& client, const std::map<std::string, Json>& deployments,
           const std::map<std::string, int>& replicas, Written* written) {
  const bool paused = std::none_of(deployments.begin(), deployments.end(),
                                   [](const auto& each) { return ReplicasOf(each.second) > 0; });
  if (paused) return;
  for (const auto& [stage, wanted] : replicas) {
    const auto live = deployments.find(stage);
    if (live == deployments.end() || ReplicasOf(live->second) == wanted) continue;
    const Json patch = {{"metadata", {{"resourceVersion", kube::ResourceVersionOf(live->second)}}},
                        {"spec", {{"replicas", wanted}}}};
    absl::StatusOr<Json> scaled =
        client.Patch(kube::kDeployments, kube::KeyOf(live->second), kube::PatchType::kMerge, patch);
    if (!scaled.ok()) {
      written->status.Update(scaled.status());
      continue;
    }
    written->changes.push_back(
        {NameOf(live->second),
         base::StrCat("spec.replicas: ", ReplicasOf(live->second), " -> ", wanted)});
    written->deployments.push_back(*std::move(scaled));
  }
}

std::string Describe(const std::vector<Change>& changes) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::string>> alike;  // by what became of them
  for (const Change& change : changes) {
    std::vector<std::string>& objects = alike[change.what];
    if (objects.empty()) order.push_back(change.what);
    objects.push_back(change.object);
  }
  std::vector<std::string> texts;
  for (const std::string& what : order) texts.push_back(DescribeAlike(alike[what], what));
  return absl::StrJoin(texts, "; ");
}

Written Write(kube::Client& client, const Json& pipeline, const pipeline::Plan& plan,
              std::vector<Json> wanted, const std::vector<Owned>& owned) {
  std::vector<Json> live;
  for (const Owned& object : owned) {
    if (kube::ControllerUidOf(object.object) == kube::UidOf(pipeline) ||
        *object.resource == kube::kReplicaSets) {
      live.push_back(object.object);
    }
  }
  const std::vector<Json> leftovers = render::Leftovers(wanted, live);
  const std::vector<Json> released = render::Released(plan, wanted, live);
  Writer writer(client, pipeline, owned);
  for (Json& object : wanted) writer.Apply(std::move(object));
  for (const Json& object : leftovers) writer.Delete(object);
  for (const Json& object : released) writer.Release(object);
  return std::move(writer).Result();
}

}  // namespace levada::controller
