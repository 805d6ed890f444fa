#include "operator/kube/probe.h"

namespace levada::kube {

Probe& NoProbe() {
  static Probe probe;
  return probe;
}

}  // namespace levada::kube
