#include "core/http/server_message.h"

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <ctime>

#include "absl/strings/ascii.h"
#include "core/base/strings.h"
#include "core/json/write.h"

namespace levada::http {
namespace internal {
namespace {

// "Sun, 06 Nov 1994 08:49:37 GMT", made once a second.
std::string_view HttpDate() {
  thread_local std::time_t made_at = 0;
  thread_local char text[32];
  const std::time_t now = std::time(nullptr);
  if (now != made_at) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    made_at = now;
  }
  return text;
}

}  // namespace

std::string ResponseHead(const ServerResponse& response, bool keep_alive, int http_version) {
  const auto reason =
      boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(response.status));
  std::string head = base::StrCat("HTTP/1.1 ", response.status, " ",
                                  std::string_view(reason.data(), reason.size()),
                                  "\r\nDate: ", HttpDate(), "\r\n");
  if (response.status != 204) {
    base::StrAppend(&head, "Content-Type: ", response.content_type,
                    "\r\nContent-Length: ", response.body.size(), "\r\n");
  }
  for (const auto& [name, value] : response.headers)
    base::StrAppend(&head, name, ": ", value, "\r\n");
  if (!keep_alive) {
    head += "Connection: close\r\n";
  } else if (http_version == 10) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";
  return head;
}

void SplitTarget(std::string_view target, ServerRequest* request) {
  if (!target.empty() && target.front() != '/') {
    const size_t scheme = target.find("://");
    if (scheme != std::string_view::npos) {
      const size_t path = target.find('/', scheme + 3);
      target = path == std::string_view::npos ? "/" : target.substr(path);
    }
  }
  const size_t question = target.find('?');
  request->path = std::string(target.substr(0, question));
  if (question != std::string_view::npos) request->query = std::string(target.substr(question + 1));
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return absl::ascii_tolower(x) == absl::ascii_tolower(y);
  });
}

}  // namespace internal

std::string_view ServerRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (internal::EqualsIgnoreCase(key, name)) return value;
  }
  return {};
}

namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string DecodeParameter(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace

std::string ServerRequest::Parameter(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    const size_t equals = pair.find('=');
    if (DecodeParameter(pair.substr(0, equals)) == name) {
      return equals == std::string_view::npos ? "" : DecodeParameter(pair.substr(equals + 1));
    }
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
  }
  return "";
}

ServerResponse ServerResponse::Error(int status, std::string_view message) {
  ServerResponse response{.status = status};
  response.body = "{\"error\":";
  json::AppendString(message, &response.body);
  response.body += "}\n";
  return response;
}

}  // namespace levada::http
