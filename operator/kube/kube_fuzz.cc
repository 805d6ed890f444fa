// What reads bytes from outside: kubeconfigs, lines of a watch, answers that are errors. None may
// crash, and what was read must hold together. The first byte chooses.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/lines.h"
#include "operator/kube/config.h"
#include "operator/kube/diff.h"
#include "operator/kube/errors.h"
#include "operator/kube/object_store.h"
#include "operator/kube/watch_event.h"

namespace levada::kube {
namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

void CheckKubeconfig(std::string_view text) {
  // As one file, and cut into two that are merged.
  const auto whole = ParseKubeconfigs({{"/a/config", std::string(text)}}, "");
  if (whole.ok()) {
    Check(!whole->server.empty() && !whole->context.empty() && !whole->name_space.empty());
    Check((whole->certificate_file + whole->certificate_pem).empty() ==
          (whole->key_file + whole->key_pem).empty());
  }
  const size_t half = text.size() / 2;
  ParseKubeconfigs({{"/a/config", std::string(text.substr(0, half))},
                    {"/b/config", std::string(text.substr(half))}},
                   "")
      .status()
      .IgnoreError();
}

void CheckObject(const Json& object) {
  Check(!WouldChange(object, object));
  Check(Fingerprint(object) == Fingerprint(Json(object)));
  ObjectStore store("app");
  Check(store.Put(object).changed);
  Check(store.size() == 1);
  Check(store.Erase(KeyOf(object)).has_value());
  Check(store.size() == 0 && store.bytes() == 0);
}

void CheckWatch(std::string_view text, size_t piece) {
  std::vector<std::string> lines;
  const http::OnLine keep = [&](std::string_view line) {
    Check(!line.empty() && line.find('\n') == std::string_view::npos);
    lines.emplace_back(line);
    return true;
  };
  http::LineSplitter splitter(text.size());
  for (size_t at = 0; at < text.size(); at += piece) {
    Check(splitter.Add(text.substr(at, piece), keep) == http::LineSplitter::Result::kMore);
  }
  splitter.End(keep);
  for (const std::string& line : lines) {
    const auto event = ParseWatchLine(line, "fuzz");
    if (event.ok()) CheckObject(event->object);
  }
}

void CheckError(std::string_view body, int status) {
  const absl::Status error =
      ErrorOf({.status = status, .headers = {}, .body = std::string(body)}, "fuzz");
  Check(!error.ok());
  Check(ApiErrorOf(error)->code == status);
}

}  // namespace
}  // namespace levada::kube

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      levada::kube::CheckKubeconfig(text);
      break;
    case 1:
      levada::kube::CheckWatch(text, 1 + data[0] / 3);
      break;
    default:
      levada::kube::CheckError(text, 400 + data[0] % 200);
  }
  return 0;
}
