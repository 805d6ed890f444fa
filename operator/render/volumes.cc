#include "operator/render/volumes.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>

#include "core/base/strings.h"
#include "core/base/units.h"
#include "core/pipeline/expand.h"
#include "core/pipeline/state_disk.h"
#include "operator/render/inputs.h"

namespace levada::render {
namespace {

using std::filesystem::path;

constexpr char kFilesFolder[] = "/etc/levada/files";
constexpr char kFetched[] = "fetched";
constexpr int kOwnerAndGroupRead = 0440;

// How many folders up a relative path leads at most: "../../a" 2, "a/../../b" 1.
int ClimbOf(const path& file) {
  int depth = 0;
  int lowest = 0;
  for (const path& part : file.relative_path()) {
    depth += part == ".." ? -1 : 1;
    lowest = std::min(lowest, depth);
  }
  return file.is_absolute() ? 0 : -lowest;
}

// In the largest unit that has a whole number of it: "10Gi".
std::string QuantityOf(int64_t bytes) {
  constexpr const char* kUnits[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};
  size_t unit = 0;
  for (; bytes > 0 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1024;
  return base::StrCat(bytes, kUnits[unit]);
}

class MountBuilder {
 public:
  explicit MountBuilder(const StageView& stage)
      : stage_(stage),
        files_(FilesOf(stage.world.plan, stage.planned)),
        files_of_fetch_(FilesOf(stage.world.plan, stage.planned, Reader::kFetch)),
        folder_(kFilesFolder) {
    int climb = 0;
    for (const v1::MountedFile& file : files_) climb = std::max(climb, ClimbOf(file.path()));
    for (const v1::MountedFile& file : files_of_fetch_) {
      climb = std::max(climb, ClimbOf(file.path()));
    }
    for (int i = 0; i < climb; ++i) folder_ /= "_";
  }

  Mounts Build() {
    const std::string name = base::StrCat(stage_.object_name, "-", stage_.planned.slice_hash);
    AddVolume("slice", "configMap", {{"name", name}});
    result_.slice = folder_ / "slice.yaml";
    MountAll(files_, SecretsOf(stage_.planned));
    if (stage_.stage.has_archiving()) Mount(Claim(ClaimOf(stage_)), kDataFolder);
    if (pipeline::KeepsState(stage_.stage.scoring())) {
      const int64_t bytes = pipeline::StateDiskBytes(stage_.stage.scoring().state());
      AddVolume("state", "emptyDir", {{"sizeLimit", QuantityOf(bytes)}});
      Mount("state", kStateFolder);
    }
    AddVolume("tmp", "emptyDir", {{"sizeLimit", "64Mi"}});
    Mount("tmp", "/tmp");
    if (!stage_.planned.slice.spec().files().empty()) BuildFetch();
    return std::move(result_);
  }

 private:
  // What the worker and levada-fetch both have, each its own of it.
  void MountAll(const std::vector<v1::MountedFile>& files,
                const std::vector<std::string>& secrets) {
    MountReadOnly("slice", result_.slice, "slice.yaml");
    for (const v1::MountedFile& file : files) MountFile(file);
    for (const std::string& secret : secrets) {
      MountReadOnly(SecretVolume(secret), base::StrCat(kSecretsFolder, "/", secret));
    }
  }

  void BuildFetch() {
    AddVolume(kFetched, "emptyDir", {{"sizeLimit", FetchedSize()}});
    into_ = &result_.fetch_mounts;
    MountAll(files_of_fetch_, SecretsOf(stage_.planned, Reader::kFetch));
    Mount(kFetched, kFetchedFolder);
  }

  // All that may be fetched, and a note beside each file.
  std::string FetchedSize() const {
    constexpr int64_t kMi = 1 << 20;
    int64_t mi = 0;
    for (const v1::MountedFile& file : stage_.world.plan.pipeline.spec().files()) {
      const bool here = std::any_of(files_.begin(), files_.end(), [&](const auto& each) {
        return each.has_s3() && each.path() == file.path();
      });
      if (here) mi += 1 + (base::ParseBytes(file.s3().max_size()).value_or(0) + kMi - 1) / kMi;
    }
    return base::StrCat(mi, "Mi");
  }

  void AddVolume(const std::string& name, const char* kind, Json source) {
    result_.volumes.push_back({{"name", name}, {kind, std::move(source)}});
  }

  Json& Mount(const std::string& volume, const std::string& at) {
    into_->push_back({{"name", volume}, {"mountPath", at}});
    return into_->back();
  }

  Json& MountReadOnly(const std::string& volume, const std::string& at,
                      const std::string& sub_path = "") {
    Json& mount = Mount(volume, at);
    mount["readOnly"] = true;
    if (!sub_path.empty()) mount["subPath"] = sub_path;
    return mount;
  }

  // A volume of one claim; a pod that names a claim twice may hang.
  std::string Claim(const std::string& claim) {
    const auto [found, is_new] = claims_.emplace(claim, base::StrCat("claim-", claims_.size()));
    if (is_new) AddVolume(found->second, "persistentVolumeClaim", {{"claimName", claim}});
    return found->second;
  }

  std::string Target(const v1::MountedFile& file) const {
    return (folder_ / file.path()).lexically_normal();
  }

  void MountFile(const v1::MountedFile& file) {
    if (!file.claim().empty()) return MountClaimed(file, KeyOf(file));
    if (!file.has_s3()) return void(MountReadOnly(FileVolume(file), Target(file), "file"));
    MountReadOnly(kFetched, Target(file),
                  pipeline::FetchedName(stage_.world.plan.pipeline, file.s3()));
  }

  // A volume of one file, which the worker and levada-fetch may both name.
  std::string FileVolume(const v1::MountedFile& file) {
    const auto [found, is_new] = volumes_.emplace(file.path(), "");
    if (!is_new) return found->second;
    const std::string name = found->second = base::StrCat("file-", volumes_.size() - 1);
    // With the key named, one that is missing keeps the pod from starting, and its events say so.
    const Json items = Json::array({{{"key", KeyOf(file)}, {"path", "file"}}});
    if (file.secret().empty()) {
      AddVolume(name, "configMap", {{"name", file.config_map()}, {"items", items}});
    } else {
      AddVolume(
          name, "secret",
          {{"secretName", file.secret()}, {"items", items}, {"defaultMode", kOwnerAndGroupRead}});
    }
    return name;
  }

  std::string SecretVolume(const std::string& secret) {
    const auto [found, is_new] = secrets_.emplace(secret, "");
    if (!is_new) return found->second;
    found->second = base::StrCat("secret-", secrets_.size() - 1);
    AddVolume(found->second, "secret",
              {{"secretName", secret}, {"defaultMode", kOwnerAndGroupRead}});
    return found->second;
  }

  // Where the stage reads what is appended to a file, its folder is mounted: a file that is mounted
  // alone stays the same one when it is rotated.
  void MountClaimed(const v1::MountedFile& file, const std::string& key) {
    const path target = Target(file);
    const path source = path(key).lexically_normal();
    if (MountsFolderOf(file, target, source)) {
      MountReadOnly(Claim(file.claim()), target.parent_path(), source.parent_path());
    } else {
      MountReadOnly(Claim(file.claim()), target, source);
    }
  }

  bool MountsFolderOf(const v1::MountedFile& file, const path& target, const path& source) const {
    const v1::FileSource& input = stage_.stage.ingest().file();
    if (!input.follow() || input.path() != file.path()) return false;
    if (target.filename() != source.filename() || target.parent_path() == "/") return false;
    const std::string folder = target.parent_path().string() + "/";
    const bool alone = std::none_of(files_.begin(), files_.end(), [&](const auto& other) {
      return other.path() != file.path() && Target(other).starts_with(folder);
    });
    return alone && !result_.slice.starts_with(folder);
  }

  const StageView& stage_;
  const std::vector<v1::MountedFile> files_;
  const std::vector<v1::MountedFile> files_of_fetch_;
  path folder_;
  // Names of volumes, by what is in them.
  std::map<std::string, std::string> claims_;
  std::map<std::string, std::string> volumes_;
  std::map<std::string, std::string> secrets_;
  Mounts result_;
  Json* into_ = &result_.mounts;
};

}  // namespace

Mounts MountsOf(const StageView& stage) { return MountBuilder(stage).Build(); }

}  // namespace levada::render
