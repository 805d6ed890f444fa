#include "operator/controller/write.h"

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
    const absl::StatusOr<Json> live = Live(*resource, wanted);
    if (!live.ok() && !absl::IsNotFound(live.status())) return Fail(live.status());
    if (live.ok()) {
      if (absl::Status ours = IsOurs(*live, wanted); !ours.ok()) return Fail(std::move(ours));
      if (!kube::WouldChange(*live, wanted)) return;
      // A change from an old view is refused: that of a leader which was frozen in the middle of
      // it.
      wanted["metadata"]["resourceVersion"] = kube::ResourceVersionOf(*live);
    }
    absl::StatusOr<Json> applied = client_.Apply(*resource, wanted, {.force = true});
    if (!applied.ok()) return Fail(applied.status());
    if (*resource == kube::kDeployments) written_.deployments.push_back(*std::move(applied));
    Note(wanted, live.ok()
                     ? absl::StrJoin(kube::Differences(*live, wanted, kShownDifferences), ", ")
                     : "created");
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
  // The object as the copy has it, else, since the copy has only what bears our label, as the
  // server has it.
  absl::StatusOr<Json> Live(const kube::Resource& resource, const Json& wanted) {
    for (const Owned& owned : owned_) {
      if (*owned.resource == resource && kube::NameOf(owned.object) == kube::NameOf(wanted)) {
        return owned.object;
      }
    }
    return client_.Get(resource, kube::KeyOf(wanted));
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
    written_.changes.push_back(base::StrCat(NameOf(object), ": ", what));
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

}  // namespace

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
