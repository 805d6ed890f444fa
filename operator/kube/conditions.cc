#include "operator/kube/conditions.h"

namespace levada::kube {
namespace {

Json* FindMutable(Json* conditions, std::string_view type) {
  return const_cast<Json*>(FindCondition(*conditions, type));
}

}  // namespace

bool SetCondition(Json* conditions, const Condition& condition, int64_t now_micros) {
  if (!conditions->is_array()) *conditions = Json::array();
  Json* live = FindMutable(conditions, condition.type);
  const bool transition = live == nullptr || TextAt(*live, {"status"}) != condition.status;
  Json wanted = {{"type", condition.type},
                 {"status", condition.status},
                 {"reason", condition.reason},
                 {"message", condition.message},
                 {"lastTransitionTime",
                  transition ? ToTime(now_micros) : TextAt(*live, {"lastTransitionTime"})}};
  if (condition.observed_generation > 0) {
    wanted["observedGeneration"] = condition.observed_generation;
  }
  if (live == nullptr) {
    conditions->push_back(std::move(wanted));
    return true;
  }
  if (*live == wanted) return false;
  *live = std::move(wanted);
  return true;
}

bool RemoveCondition(Json* conditions, std::string_view type) {
  if (!conditions->is_array()) return false;
  for (auto it = conditions->begin(); it != conditions->end(); ++it) {
    if (TextAt(*it, {"type"}) == type) {
      conditions->erase(it);
      return true;
    }
  }
  return false;
}

const Json* FindCondition(const Json& conditions, std::string_view type) {
  if (!conditions.is_array()) return nullptr;
  for (const Json& condition : conditions) {
    if (TextAt(condition, {"type"}) == type) return &condition;
  }
  return nullptr;
}

bool IsTrue(const Json& conditions, std::string_view type) {
  const Json* condition = FindCondition(conditions, type);
  return condition != nullptr && TextAt(*condition, {"status"}) == "True";
}

}  // namespace levada::kube
