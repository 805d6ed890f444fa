#include "core/runtime/stage.h"
#include "services/scoring/scoring.h"

int main(int argc, char** argv) {
  return levada::runtime::Main(argc, argv,
                               {.name = "scoring", .processor = levada::scoring::MakeScoring});
}
