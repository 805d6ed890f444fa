#include "core/s3/bucket.h"

#include "absl/strings/numbers.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/http/client.h"

namespace levada::s3 {
namespace {

constexpr size_t kMaxResponseBytes = 64 << 20;
constexpr size_t kLongestText = 300;

struct Address {
  std::string scheme;  // "https://"
  std::string host;    // with its port
  std::string path;    // of the bucket: "", "/models"
};

Address AddressOf(const Bucket::Options& options) {
  std::string endpoint = options.endpoint;
  if (endpoint.empty()) endpoint = base::StrCat("https://s3.", options.region, ".amazonaws.com");
  const size_t begin = endpoint.find("://") + 3;
  const size_t slash = std::min(endpoint.find('/', begin), endpoint.size());
  Address address{.scheme = endpoint.substr(0, begin),
                  .host = endpoint.substr(begin, slash - begin),
                  .path = endpoint.substr(slash)};
  while (address.path.ends_with('/')) address.path.pop_back();
  if (options.path_style) {
    base::StrAppend(&address.path, "/", options.bucket);
  } else {
    address.host = base::StrCat(options.bucket, ".", address.host);
  }
  return address;
}

// What stands in an element of an error's XML, which has neither attributes nor nesting.
std::string TextOf(std::string_view xml, std::string_view element) {
  const std::string open = base::StrCat("<", element, ">");
  const size_t begin = xml.find(open);
  if (begin == xml.npos) return "";
  const size_t end = xml.find('<', begin + open.size());
  return std::string(xml.substr(begin + open.size(), end - begin - open.size()))
      .substr(0, kLongestText);
}

absl::Status ErrorOf(const http::Response& response) {
  const std::string code = TextOf(response.body, "Code");
  const std::string said = TextOf(response.body, "Message");
  std::string text = base::StrCat("answered ", response.status);
  if (!code.empty()) base::StrAppend(&text, " ", code);
  if (!said.empty()) base::StrAppend(&text, ": ", said);
  switch (response.status) {
    case 401:
    case 403:
      return absl::PermissionDeniedError(text);
    case 404:
      return absl::NotFoundError(text);
    case 408:
    case 429:
      return absl::UnavailableError(text);
    case 412:
      return absl::AbortedError(text);
    default:
      break;
  }
  if (response.status >= 500) return absl::UnavailableError(text);
  if (response.status / 100 == 3) {
    base::StrAppend(&text, "; the bucket is in another region or has another endpoint");
  }
  return absl::InvalidArgumentError(text);
}

// The size of the object: "bytes 0-99/1234".
absl::StatusOr<int64_t> SizeOf(const http::Response& response) {
  const std::string_view range = response.Header("content-range");
  const size_t slash = range.find('/');
  int64_t size = 0;
  if (slash == range.npos || !absl::SimpleAtoi(base::AbslView(range.substr(slash + 1)), &size)) {
    return absl::UnavailableError("the answer does not tell the object's size");
  }
  return size;
}

class HttpBucket : public Bucket {
 public:
  HttpBucket(Options options, std::unique_ptr<http::Client> client)
      : options_(std::move(options)), address_(AddressOf(options_)), client_(std::move(client)) {}

  absl::StatusOr<Part> Read(const std::string& key, const Range& range) override {
    const absl::StatusOr<http::Response> response = client_->Send(RequestFor(key, range));
    if (!response.ok()) return response.status();
    Part part{.etag = std::string(response->Header("etag"))};
    switch (response->status) {
      case 200:  // a server that knows no ranges
        if (range.offset != 0) return absl::UnavailableError("the server answers with no ranges");
        part.size_bytes = static_cast<int64_t>(response->body.size());
        break;
      case 206: {
        const auto size = SizeOf(*response);
        if (!size.ok()) return size.status();
        part.size_bytes = *size;
        break;
      }
      case 304:
        part.unchanged = true;
        return part;
      case 416:  // nothing there: of an empty object no range can be had
        if (range.offset != 0) return ErrorOf(*response);
        return part;
      default:
        return ErrorOf(*response);
    }
    part.bytes = response->body;
    return part;
  }

 private:
  http::Request RequestFor(const std::string& key, const Range& range) const {
    UnsignedRequest request{.host = address_.host,
                            .path = EncodePath(base::StrCat(address_.path, "/", key)),
                            .region = options_.region,
                            .time_micros = base::NowMicros()};
    request.headers.emplace_back(
        "range", base::StrCat("bytes=", range.offset, "-", range.offset + range.length - 1));
    if (!range.if_match.empty()) request.headers.emplace_back("if-match", range.if_match);
    if (!range.if_none_match.empty()) {
      request.headers.emplace_back("if-none-match", range.if_none_match);
    }
    http::Request wanted{.path = request.path, .headers = request.headers};
    if (!options_.credentials.access_key_id.empty()) {
      wanted.headers = Sign(request, options_.credentials);
      // The client sends the same one; given one, it would also look for its port in certificates.
      std::erase_if(wanted.headers, [](const auto& header) { return header.first == "host"; });
    }
    return wanted;
  }

  const Options options_;
  const Address address_;
  const std::unique_ptr<http::Client> client_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Bucket>> Bucket::Open(const Options& options) {
  const Address address = AddressOf(options);
  http::Client::Options http;
  http.base_url = base::StrCat(address.scheme, address.host);
  http.timeout = options.timeout;
  http.ca_file = options.ca_file;
  http.max_response_bytes = kMaxResponseBytes;
  auto client = http::Client::Create(http);
  if (!client.ok()) return client.status();
  return std::make_unique<HttpBucket>(options, *std::move(client));
}

}  // namespace levada::s3
