#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>
#include <thread>

namespace levada::cli {

int TerminalWidth() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

void ShowAgain(std::chrono::milliseconds interval, int times,
               const std::function<bool(int width, std::string* text)>& text) {
  for (int shown = 0;; ++shown) {
    const int width = TerminalWidth();
    std::string now;
    if (!text(width, &now)) return;
    // Home, then each line with what was there behind it cleared, then the rest of the screen.
    if (width > 0) {
      std::string drawn = shown == 0 ? "\033[2J\033[H" : "\033[H";
      for (const char c : now) {
        if (c == '\n') drawn += "\033[K";
        drawn += c;
      }
      now = drawn + "\033[J";
    }
    std::cout << now << std::flush;
    if (times > 0 && shown + 1 >= times) return;
    std::this_thread::sleep_for(interval);
    if (!std::cout) return;  // whoever read it has gone
  }
}

}  // namespace levada::cli
