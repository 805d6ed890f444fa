#include "operator/kube/resource.h"

#include "core/base/strings.h"

namespace levada::kube {

std::string Resource::ApiVersion() const {
  return group.empty() ? std::string(version) : base::StrCat(group, "/", version);
}

std::string Resource::Path(const ObjectKey& key, std::string_view subresource) const {
  std::string path = base::StrCat(group.empty() ? "/api/" : "/apis/", ApiVersion());
  if (namespaced && !key.name_space.empty()) {
    base::StrAppend(&path, "/namespaces/", key.name_space);
  }
  base::StrAppend(&path, "/", plural);
  if (!key.name.empty()) base::StrAppend(&path, "/", key.name);
  if (!subresource.empty()) base::StrAppend(&path, "/", subresource);
  return path;
}

}  // namespace levada::kube
