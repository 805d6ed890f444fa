#pragma once

// Whether the program was called as kubectl's plugin: `kubectl levada …` runs `kubectl-levada`, a
// link to it. Its help then says so, and pipelines are those of the cluster.
namespace levada::cli {

void SetPlugin(const char* program);  // argv[0]; before any command
bool IsPlugin();

}  // namespace levada::cli
