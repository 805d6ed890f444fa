#include "operator/render/volumes.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/base/strings.h"
#include "operator/render/inputs.h"

namespace levada::render {
namespace {

using std::filesystem::path;

constexpr char kFilesFolder[] = "/etc/levada/files";
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

class MountBuilder {
 public:
  explicit MountBuilder(const StageView& stage)
      : stage_(stage), files_(FilesOf(stage.world.plan, stage.planned)), folder_(kFilesFolder) {
    int climb = 0;
    for (const v1::MountedFile& file : files_) climb = std::max(climb, ClimbOf(file.path()));
    for (int i = 0; i < climb; ++i) folder_ /= "_";
  }

  Mounts Build() {
    MountSlice();
    for (size_t i = 0; i < files_.size(); ++i) MountFile(files_[i], i);
    MountSecrets();
    if (stage_.stage.has_archiving()) Mount(Claim(ClaimOf(stage_)), kDataFolder);
    AddVolume("tmp", "emptyDir", {{"sizeLimit", "64Mi"}});
    Mount("tmp", "/tmp");
    return std::move(result_);
  }

 private:
  void AddVolume(const std::string& name, const char* kind, Json source) {
    result_.volumes.push_back({{"name", name}, {kind, std::move(source)}});
  }

  Json& Mount(const std::string& volume, const std::string& at) {
    result_.mounts.push_back({{"name", volume}, {"mountPath", at}});
    return result_.mounts.back();
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

  void MountSlice() {
    const std::string name = base::StrCat(stage_.object_name, "-", stage_.planned.slice_hash);
    AddVolume("slice", "configMap", {{"name", name}});
    result_.slice = folder_ / "slice.yaml";
    MountReadOnly("slice", result_.slice, "slice.yaml");
  }

  std::string Target(const v1::MountedFile& file) const {
    return (folder_ / file.path()).lexically_normal();
  }

  void MountFile(const v1::MountedFile& file, size_t i) {
    const std::string key = KeyOf(file);
    if (!file.claim().empty()) return MountClaimed(file, key);
    const std::string name = base::StrCat("file-", i);
    // With the key named, one that is missing keeps the pod from starting, and its events say so.
    const Json items = Json::array({{{"key", key}, {"path", "file"}}});
    if (file.secret().empty()) {
      AddVolume(name, "configMap", {{"name", file.config_map()}, {"items", items}});
    } else {
      AddVolume(
          name, "secret",
          {{"secretName", file.secret()}, {"items", items}, {"defaultMode", kOwnerAndGroupRead}});
    }
    MountReadOnly(name, Target(file), "file");
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

  void MountSecrets() {
    const std::vector<std::string> secrets = SecretsOf(stage_.planned);
    for (size_t i = 0; i < secrets.size(); ++i) {
      const std::string name = base::StrCat("secret-", i);
      AddVolume(name, "secret", {{"secretName", secrets[i]}, {"defaultMode", kOwnerAndGroupRead}});
      MountReadOnly(name, base::StrCat(kSecretsFolder, "/", secrets[i]));
    }
  }

  const StageView& stage_;
  const std::vector<v1::MountedFile> files_;
  path folder_;
  std::map<std::string, std::string> claims_;
  Mounts result_;
};

}  // namespace

Mounts MountsOf(const StageView& stage) { return MountBuilder(stage).Build(); }

}  // namespace levada::render
