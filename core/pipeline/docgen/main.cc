#include "core/pipeline/docgen/generate.h"
#include "core/pipeline/docgen/reference.h"

// Writes docs/reference/pipeline.md.
int main(int argc, char** argv) {
  return levada::pipeline::GenerateFile(argc, argv, levada::pipeline::ReferencePage);
}
