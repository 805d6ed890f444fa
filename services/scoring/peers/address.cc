#include "services/scoring/peers/address.h"

#include "absl/strings/numbers.h"
#include "core/base/address.h"
#include "core/base/strings.h"

namespace levada::scoring::peers {
namespace {

constexpr char kPrefix[] = "levada-detector/";
constexpr size_t kMaxPortDigits = 5;

// Digits only: SimpleAtoi would take signs and blanks.
int ParsePort(std::string_view text) {
  int port = 0;
  if (text.empty() || text.size() > kMaxPortDigits ||
      text.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &port)) {
    return 0;
  }
  return port <= 65535 ? port : 0;
}

// Of an IPv6 address; an IPv4 address stands without.
bool TakeBrackets(std::string* ip) {
  const bool v6 = ip->find(':') != std::string::npos;
  if (!v6) return true;
  if (ip->size() < 2 || ip->front() != '[' || ip->back() != ']') return false;
  *ip = ip->substr(1, ip->size() - 2);
  return true;
}

}  // namespace

std::string ClientId(std::string_view ip, uint16_t port) {
  return base::StrCat(kPrefix, ip.empty() ? "" : base::HostPort(ip, port),
                      ip.empty() ? base::StrCat(":", port) : "");
}

absl::StatusOr<std::string> ParseAddress(std::string_view client_id, std::string_view host) {
  const auto wrong = [] {
    return absl::InvalidArgumentError("its client id does not say where its detector answers");
  };
  if (!client_id.starts_with(kPrefix)) return wrong();
  client_id.remove_prefix(sizeof kPrefix - 1);
  const size_t colon = client_id.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  const int port = ParsePort(client_id.substr(colon + 1));
  if (port == 0) return wrong();
  std::string ip(client_id.substr(0, colon));
  if (ip.empty()) {
    ip = std::string(host.substr(host.rfind('/') + 1));  // whole where there is none
  } else if (!TakeBrackets(&ip)) {
    return wrong();
  }
  if (!base::CheckIpAddress(ip).empty()) return wrong();
  const bool v6 = ip.find(':') != std::string::npos;
  return base::StrCat(v6 ? "ipv6:" : "ipv4:", base::HostPort(ip, port));
}

}  // namespace levada::scoring::peers
