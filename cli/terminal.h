#pragma once

#include <chrono>
#include <functional>
#include <string>

// What is shown again and again: --watch, top.
//
// Threads: one.
namespace levada::cli {

// Characters of a line of standard output; 0: no terminal.
int TerminalWidth();

// Shows `text(width)` every `interval`: on a terminal in the place of the one before, else behind
// it; `times` times, 0: until Ctrl-C. False from `text` ends it.
void ShowAgain(std::chrono::milliseconds interval, int times,
               const std::function<bool(int width, std::string* text)>& text);

}  // namespace levada::cli
