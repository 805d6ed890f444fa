#include "core/pipeline/crdgen/crd.h"
#include "core/pipeline/docgen/generate.h"

// Writes manifests/crd/pipelines.levada.dev.yaml.
int main(int argc, char** argv) {
  return levada::pipeline::GenerateFile(argc, argv, levada::pipeline::Crd);
}
