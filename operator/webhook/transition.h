#pragma once

#include "core/pipeline/problem.h"
#include "levada/v1/pipeline.pb.h"
#include "operator/kube/object.h"

namespace levada::webhook {

// What is wrong with the change from one Pipeline to another, which neither shows by itself. The
// CRD's transition rules see only what both spell out; here the defaults count too. `manifest` is
// `after`, which has no errors. Of a `before` that is invalid nothing is said.
//
// Threads: pure function.
pipeline::Problems ProblemsOfChange(const kube::Json& before, const kube::Json& after,
                                    const v1::Pipeline& manifest);

}  // namespace levada::webhook
