#pragma once

#include <span>
#include <string_view>

// The commands of `levada`; each in the file of its name. `args` are those behind the command's
// name. They return the exit code: 0, 1 for a failure, 2 for wrong flags or a wrong manifest.
namespace levada::cli {

int RunValidate(std::span<const std::string_view> args);
int RunPlan(std::span<const std::string_view> args);
int RunTest(std::span<const std::string_view> args);
int RunRun(std::span<const std::string_view> args);
int RunStatus(std::span<const std::string_view> args);
int RunTop(std::span<const std::string_view> args);
int RunPause(std::span<const std::string_view> args);
int RunResume(std::span<const std::string_view> args);
int RunLogs(std::span<const std::string_view> args);
int RunDlq(std::span<const std::string_view> args);
int RunPipe(std::span<const std::string_view> args);
int RunCompletion(std::span<const std::string_view> args);

}  // namespace levada::cli
