#pragma once

#include <string>

#include "operator/kube/object.h"

// What keeps a pod from running, or has ended it, by its own status:
//
//   no node: 0/3 nodes are available: 3 Insufficient memory.
//   fetch: no object models/fraud.json in the bucket models
//   ImagePullBackOff: Back-off pulling image "levada:typo"
//   ended with exit code 137 (OOMKilled)
//
// Threads: pure functions.
namespace levada::controller {

// Of one that is to run for good, or has not begun yet. Empty: nothing, or not yet.
std::string TroubleOf(const kube::Json& pod);

// Of one that runs to its end: the last message of the container that has failed, or its exit code,
// or what keeps it from running. Empty: none of these.
std::string EndOf(const kube::Json& pod);

}  // namespace levada::controller
