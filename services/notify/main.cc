#include "core/runtime/stage.h"
#include "services/notify/notifier.h"

int main(int argc, char** argv) {
  return levada::runtime::Main(argc, argv,
                               {.name = "notify", .sink = levada::notify::MakeNotifier});
}
