#pragma once

#include "core/pipeline/manifest.h"
#include "core/pipeline/problem.h"

// Everything that can be wrong with a pipeline although each of its values reads well: what is
// required and absent, names that nothing has, kinds that do not fit, cycles, expressions that do
// not parse or type-check, topics whose declared fields a stage cannot fill.
//
//   Problems problems = Check(document);
//
// Errors stop a pipeline from being run; warnings (a topic that nothing uses) do not. Ports that
// clash between stages are the runner's matter, since on a cluster they do not.
//
// Thread-safety: pure function.
namespace levada::pipeline {

Problems Check(const Document& document);

// For a pipeline that was not read from text: problems have paths, but no positions.
Problems Check(const v1::Pipeline& pipeline);

}  // namespace levada::pipeline
