#pragma once

#include <string>
#include <string_view>

#include "core/http/server.h"

// Inside of the server: what stands around the bodies.
namespace levada::http::internal {

// Status line and headers with the empty line behind them. `http_version`: 10 or 11, the request's.
std::string ResponseHead(const ServerResponse& response, bool keep_alive, int http_version);

// Splits a request target (origin or absolute form) into the request's path and query.
void SplitTarget(std::string_view target, ServerRequest* request);

// ASCII only, as header names are.
bool EqualsIgnoreCase(std::string_view a, std::string_view b);

}  // namespace levada::http::internal
