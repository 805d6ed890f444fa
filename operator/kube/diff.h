#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "operator/kube/object.h"

// What writing an object would change, so that nothing is written when nothing changes.
//
//   wanted["metadata"]["annotations"]["levada.dev/fingerprint"] = Fingerprint(wanted);
//   if (!WouldChange(*live, wanted)) return;               // no API call
//   LogInfo("deployment changes", {{"what", Differences(*live, wanted, 1)[0]}});
//
// `wanted` names only the fields its author cares for, as in a server-side apply; others (defaults,
// status, what other managers own) are not compared. A field that is no longer wanted cannot be
// seen this way: keep Fingerprint(wanted) in an annotation, which then differs.
//
// Compared as the API server stores them: lists of objects are matched by their key (name, type,
// containerPort, mountPath, uid) where all elements have one, and may have further elements of
// other managers; other lists by place; quantities under
// limits, requests, capacity, storage and sizeLimit by value ("1000m" is "1"); null, {} and [] as
// absent; numbers by value.
//
// Threads: pure functions.
namespace levada::kube {

bool WouldChange(const Json& live, const Json& wanted);

// At most `limit` lines: "spec.replicas: 2 -> 3", "data.slice.yaml: changes", "spec.paused: added".
// Long and secret values (data, stringData) are not written out.
std::vector<std::string> Differences(const Json& live, const Json& wanted, size_t limit = 10);

// 16 hexadecimal digits that depend on the content of the tree, not on the order of its members;
// the same in every version.
std::string Fingerprint(const Json& object);

// Whether two texts are the same amount: "1000m" and "1", "1Gi" and "1024Mi". False if either is
// no quantity.
bool SameQuantity(std::string_view a, std::string_view b);

}  // namespace levada::kube
