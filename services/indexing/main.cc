#include "core/runtime/stage.h"
#include "services/indexing/indexer.h"

// levada-indexing: a topic into a search index.
int main(int argc, char** argv) {
  return levada::runtime::Main(argc, argv,
                               {.name = "indexing", .sink = levada::indexing::MakeIndexer});
}
