#include "core/runtime/stage.h"
#include "services/archiving/archiver.h"

// levada-archiving: a topic into Parquet or NDJSON files.
int main(int argc, char** argv) {
  return levada::runtime::Main(argc, argv,
                               {.name = "archiving", .sink = levada::archiving::MakeArchiver});
}
