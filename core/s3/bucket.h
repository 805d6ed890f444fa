#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/s3/signature.h"

// Objects of a bucket, read in parts.
//
//   auto bucket = s3::Bucket::Open({.endpoint = "https://minio:9000", .bucket = "models", …});
//   auto part = (*bucket)->Read("fraud.json", {.length = 8 << 20});
//   // the next: {.offset = 8 << 20, .length = 8 << 20, .if_match = part->etag}
//
// Errors say what the server said. kNotFound: no such object or bucket; kPermissionDenied: keys or
// rights; kAborted: the object is another one by now (if_match); kUnavailable: it may work later;
// kInvalidArgument: the region, the endpoint or the bucket is another.
//
// Threads: any; each call blocks until its answer.
namespace levada::s3 {

class Bucket {
 public:
  struct Options {
    std::string endpoint;  // http(s)://host[:port]; empty: Amazon's of the region
    std::string region = "us-east-1";
    bool path_style = true;  // the bucket in the path, not in the host name
    std::string ca_file;     // PEM; empty: the system's
    std::string bucket;
    Credentials credentials;
    std::chrono::milliseconds timeout{30'000};  // of a request
  };

  struct Range {
    int64_t offset = 0;
    int64_t length = 8 << 20;
    std::string if_match;       // an etag: kAborted for an object with another
    std::string if_none_match;  // an etag: a part that is `unchanged` for an object with that
  };

  struct Part {
    std::string bytes;       // fewer than asked for at the end of the object
    int64_t size_bytes = 0;  // of the object
    std::string etag;
    bool unchanged = false;
  };

  static absl::StatusOr<std::unique_ptr<Bucket>> Open(const Options& options);
  virtual ~Bucket() = default;

  virtual absl::StatusOr<Part> Read(const std::string& key, const Range& range) = 0;
};

}  // namespace levada::s3
