#include "operator/controller/pod_trouble.h"

#include "core/base/strings.h"

namespace levada::controller {
namespace {

using kube::Json;

const Json& ListAt(const Json& pod, std::string_view list) {
  static const Json kEmpty = Json::array();
  const Json* found = kube::Find(pod, {"status", list});
  return found != nullptr && found->is_array() ? *found : kEmpty;
}

std::string LastLine(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

std::string Waiting(const Json& container) {
  const std::string reason = kube::TextAt(container, {"state", "waiting", "reason"});
  if (reason.empty() || reason == "ContainerCreating" || reason == "PodInitializing") return "";
  return base::StrCat(reason, ": ", kube::TextAt(container, {"state", "waiting", "message"}));
}

std::string Ended(const Json& terminated) {
  const std::string said = kube::TextAt(terminated, {"message"});
  return base::StrCat("ended with exit code ", kube::IntAt(terminated, {"exitCode"}), " (",
                      kube::TextAt(terminated, {"reason"}), ")", said.empty() ? "" : ": ", said);
}

// Of a container that runs before the others, such as the one that fetches files.
std::string TroubleOfInit(const Json& container) {
  const Json* ended = kube::Find(container, {"state", "terminated"});
  if (ended == nullptr) ended = kube::Find(container, {"lastState", "terminated"});
  if (ended == nullptr) return Waiting(container);
  if (kube::IntAt(*ended, {"exitCode"}) == 0) return "";
  const std::string said = LastLine(kube::TextAt(*ended, {"message"}));
  return base::StrCat(kube::TextAt(container, {"name"}), ": ",
                      said.empty() ? kube::TextAt(*ended, {"reason"}) : said);
}

}  // namespace

std::string TroubleOf(const Json& pod) {
  for (const Json& condition : ListAt(pod, "conditions")) {
    if (kube::TextAt(condition, {"type"}) == "PodScheduled" &&
        kube::TextAt(condition, {"status"}) == "False") {
      return base::StrCat("no node: ", kube::TextAt(condition, {"message"}));
    }
  }
  for (const Json& container : ListAt(pod, "initContainerStatuses")) {
    if (const std::string trouble = TroubleOfInit(container); !trouble.empty()) return trouble;
  }
  for (const Json& container : ListAt(pod, "containerStatuses")) {
    const std::string reason = kube::TextAt(container, {"state", "waiting", "reason"});
    const Json* ended = kube::Find(container, {"lastState", "terminated"});
    if (ended != nullptr && (reason.empty() || reason == "CrashLoopBackOff")) return Ended(*ended);
    if (const std::string waiting = Waiting(container); !waiting.empty()) return waiting;
  }
  return "";
}

std::string EndOf(const Json& pod) {
  for (const Json& container : ListAt(pod, "containerStatuses")) {
    const Json* ended = kube::Find(container, {"state", "terminated"});
    if (ended == nullptr || kube::IntAt(*ended, {"exitCode"}) == 0) continue;
    std::string said = kube::TextAt(*ended, {"message"});
    while (said.ends_with('\n')) said.pop_back();
    return said.empty() ? Ended(*ended) : said;
  }
  return TroubleOf(pod);
}

}  // namespace levada::controller
