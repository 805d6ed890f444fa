#include "cli/fetch.h"

#include <iostream>

#include "core/files/fetch.h"

namespace levada::cli {

absl::Status FetchFiles(const FetchOptions& options, v1::Pipeline* pipeline) {
  const absl::Status status =
      files::FetchFiles(*pipeline, base::Secrets(options.secrets_dir),
                        {.folder = options.folder,
                         .files_dir = options.files_dir,
                         .tell = [](const std::string& text) { std::cerr << text << std::endl; },
                         .stopped = options.stopped});
  if (status.ok()) files::UseFetched(options.folder, pipeline);
  return status;
}

}  // namespace levada::cli
