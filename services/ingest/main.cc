#include "core/runtime/stage.h"
#include "services/ingest/source.h"

int main(int argc, char** argv) {
  return levada::runtime::Main(argc, argv,
                               {.name = "ingest", .source = levada::ingest::MakeSource});
}
