#include "core/pipeline/docgen/generate.h"
#include "core/pipeline/docgen/reference.h"

// Writes docs/reference/operator-settings.md.
int main(int argc, char** argv) {
  return levada::pipeline::GenerateFile(argc, argv, levada::pipeline::SettingsPage);
}
