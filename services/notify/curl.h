#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>
#include <vector>

// libcurl's handles as owners. Only for .cc files.
namespace levada::notify {

struct CurlFree {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlHandle = std::unique_ptr<CURL, CurlFree>;
using CurlList = std::unique_ptr<curl_slist, CurlFree>;

inline CurlHandle MakeCurl() {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  return CurlHandle(once == CURLE_OK ? curl_easy_init() : nullptr);
}

inline CurlList MakeCurlList(const std::vector<std::string>& lines) {
  curl_slist* list = nullptr;
  for (const std::string& line : lines) list = curl_slist_append(list, line.c_str());
  return CurlList(list);
}

}  // namespace levada::notify
