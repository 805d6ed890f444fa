// Whole pipelines and what they come to: the samples, and testdata/*.yaml for what the samples do
// not have. LEVADA_UPDATE_GOLDENS=1 writes the files anew.

#include <gmock/gmock.h>

#include <filesystem>

#include "core/base/strings.h"
#include "core/pipeline/testing.h"
#include "operator/render/testing.h"

namespace levada::render {
namespace {

using kube::Json;

constexpr char kFolder[] = "operator/render/testdata";

std::vector<std::string> Manifests() {
  std::vector<std::string> manifests;
  for (const char* folder : {"manifests/samples", kFolder}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string file = entry.path().string();
      if (file.ends_with(".yaml") && !file.ends_with(".objects.yaml") &&
          entry.path().filename() != "kustomization.yaml") {
        manifests.push_back(file);
      }
    }
  }
  std::sort(manifests.begin(), manifests.end());
  return manifests;
}

bool IsDashboard(const Json& object) { return !kube::LabelOf(object, "grafana_dashboard").empty(); }

void ExpectGolden(const std::string& file, const std::string& text) {
  if (pipeline::UpdateGoldens()) return pipeline::WriteTestFile(file, text);
  EXPECT_EQ(text, pipeline::ReadTestFile(file));
}

class GoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, ComesToTheseObjects) {
  const Scene scene = Scene::OfFile(GetParam());
  const std::string stem = std::filesystem::path(GetParam()).stem();
  std::string text;
  for (const Json& object : scene.Objects()) {
    if (!IsDashboard(object)) {
      text += ToYaml(object);
      continue;
    }
    const Json dashboard = Json::parse(object["data"].begin()->get<std::string>());
    ExpectGolden(base::StrCat(kFolder, "/", stem, ".dashboard.json"), dashboard.dump(1) + "\n");
  }
  ExpectGolden(base::StrCat(kFolder, "/", stem, ".objects.yaml"), text);
}

TEST_P(GoldenTest, IsTheSameEachTime) {
  const Scene scene = Scene::OfFile(GetParam());
  EXPECT_EQ(Json(scene.Objects()).dump(), Json(scene.Objects()).dump());
  EXPECT_EQ(Json(Scene::OfFile(GetParam()).Objects()).dump(), Json(scene.Objects()).dump());
}

TEST_P(GoldenTest, EveryObjectIsOfAKnownKindAndHasAnOwnNameAndOwner) {
  const Scene scene = Scene::OfFile(GetParam());
  std::set<std::string> kinds;
  for (const kube::Resource* resource : Kinds()) kinds.emplace(resource->kind);
  std::set<std::pair<std::string, std::string>> names;
  for (const Json& object : scene.Objects()) {
    const std::string kind = object["kind"];
    EXPECT_THAT(kinds, testing::Contains(kind));
    EXPECT_TRUE(names.insert({kind, kube::NameOf(object)}).second) << object.dump(1);
    EXPECT_EQ(kube::NamespaceOf(object), "shop");
    EXPECT_EQ(kube::LabelOf(object, "app.kubernetes.io/managed-by"), "levada");
    EXPECT_EQ(kube::LabelOf(object, "levada.dev/pipeline"), kube::NameOf(scene.live));
    if (kind != "PersistentVolumeClaim") {
      EXPECT_EQ(kube::ControllerUidOf(object), kube::UidOf(scene.live)) << kind;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Manifests, GoldenTest, testing::ValuesIn(Manifests()),
                         [](const auto& info) {
                           std::string name = std::filesystem::path(info.param).stem();
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace levada::render
