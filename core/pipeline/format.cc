#include "core/pipeline/format.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "core/base/strings.h"
#include "core/base/units.h"

namespace levada::pipeline {
namespace {

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kAlnum =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

bool Only(std::string_view text, std::string_view letters, std::string_view more = "") {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return letters.find(c) != std::string_view::npos || more.find(c) != std::string_view::npos;
  });
}

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

bool HasSpace(std::string_view text) { return text.find_first_of(" \t\r\n") != text.npos; }

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= 63 && Only(text, kLower, "-") && text.front() != '-' &&
         text.back() != '-';
}

bool IsTopicName(std::string_view text) {
  return !text.empty() && text.size() <= 249 && Only(text, kAlnum, "._-") && text != "." &&
         text != ".." && text != "__consumer_offsets" && text != "__transaction_state";
}

bool IsHost(std::string_view text) {
  if (text.find(':') != text.npos) {
    in6_addr address;
    return inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
  }
  return !text.empty() && text.size() <= 253 && Only(text, kAlnum, ".-_") &&
         Only(text.substr(0, 1), kAlnum) && Only(text.substr(text.size() - 1), kAlnum);
}

bool IsPort(std::string_view text) {
  uint32_t port = 0;
  return text.size() <= 5 && Only(text, "0123456789") &&
         absl::SimpleAtoi(base::AbslView(text), &port) && port >= 1 && port <= 65535;
}

// host, host:port, [v6] or [v6]:port
bool IsAddress(std::string_view text, bool port_required) {
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == text.npos) return false;
    host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    has_port = rest.starts_with(':');
    if (has_port) port = rest.substr(1);
    if (!has_port && !rest.empty()) return false;
    if (host.find(':') == host.npos) return false;
  } else if (const size_t colon = text.find(':'); colon != text.npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
  }
  if (has_port ? !IsPort(port) : port_required) return false;
  return IsHost(host);
}

std::string UrlProblem(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return base::StrCat("expected an address that starts with http:// or https://, got ",
                        Quote(text));
  }
  if (HasSpace(text) || HasControl(text)) {
    return base::StrCat("expected an address without spaces, got ", Quote(text));
  }
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.find('@') != authority.npos) {
    return "expected an address without a user and password: name a secret with `secretRef`";
  }
  if (!IsAddress(authority, /*port_required=*/false)) {
    return base::StrCat("expected http(s)://host[:port][/path], got ", Quote(text));
  }
  return "";
}

std::string FolderProblem(std::string_view text) {
  const auto fail = [&](std::string_view expected) {
    return base::StrCat("expected ", expected, ", got ", Quote(text));
  };
  if (text.empty() || HasControl(text) || text.find('\\') != text.npos) return fail("a folder");
  if (text.starts_with('/')) return fail("a relative folder");
  for (const absl::string_view part : absl::StrSplit(base::AbslView(text), '/')) {
    if (part == "..") return fail("a folder without `..`");
    if (part.empty() || part == ".") return fail("a folder without empty or `.` parts");
  }
  return "";
}

bool IsIndexName(std::string_view text) {
  return !text.empty() && !HasControl(text) && !HasSpace(text) && text != "." && text != ".." &&
         text.find_first_of("\\/*?\"<>|,#:ABCDEFGHIJKLMNOPQRSTUVWXYZ") == text.npos &&
         text.find_first_of("-_+") != 0;
}

bool IsEmail(std::string_view text) {
  const size_t at = text.find('@');
  return at != text.npos && at > 0 && at <= 64 && text.find('@', at + 1) == text.npos &&
         !HasSpace(text) && !HasControl(text) && text.find_first_of("<>,;:\"()[]\\") == text.npos &&
         IsHost(text.substr(at + 1));
}

bool IsBrokers(std::string_view text) {
  for (const absl::string_view broker : absl::StrSplit(base::AbslView(text), ',')) {
    if (!IsAddress(base::View(absl::StripAsciiWhitespace(broker)), /*port_required=*/true)) {
      return false;
    }
  }
  return true;
}

bool IsPath(std::string_view text) {
  return text.starts_with('/') && !HasSpace(text) && !HasControl(text) &&
         text.find_first_of("?#") == text.npos;
}

bool IsField(std::string_view text) {
  return !text.empty() && !HasControl(text) && text.find('.') == text.npos;
}

// Parts of lower-case letters, digits and `-`, with dots between them.
bool IsObjectName(std::string_view text) {
  if (text.size() > 253) return false;
  for (const absl::string_view part : absl::StrSplit(base::AbslView(text), '.')) {
    const std::string_view name = base::View(part);
    if (name.empty() || !Only(name, kLower, "-") || name.front() == '-' || name.back() == '-') {
      return false;
    }
  }
  return true;
}

// The part of a label behind its prefix, and its value.
bool IsLabelWord(std::string_view text) {
  return !text.empty() && text.size() <= 63 && Only(text, kAlnum, "-_.") &&
         Only(text.substr(0, 1), kAlnum) && Only(text.substr(text.size() - 1), kAlnum);
}

bool IsLabelKey(std::string_view text) {
  const size_t slash = text.find('/');
  return slash == text.npos
             ? IsLabelWord(text)
             : IsObjectName(text.substr(0, slash)) && IsLabelWord(text.substr(slash + 1));
}

// A number that is not negative, with a unit of Kubernetes.
bool IsQuantity(std::string_view text) {
  static constexpr std::array<std::string_view, 14> kUnits = {
      "", "n", "u", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"};
  static constexpr std::string_view kDigits = "0123456789";
  const size_t unit = std::min(text.find_first_not_of("0123456789."), text.size());
  if (std::find(kUnits.begin(), kUnits.end(), text.substr(unit)) == kUnits.end()) return false;
  const std::string_view number = text.substr(0, unit);
  const size_t dot = number.find('.');
  const std::string_view whole = number.substr(0, dot);
  if (whole.empty() || !Only(whole, kDigits)) return false;
  return dot == number.npos || (dot + 1 < number.size() && Only(number.substr(dot + 1), kDigits));
}

bool IsEnvName(std::string_view text) {
  return Only(text, kAlnum, "_") && (text.front() < '0' || text.front() > '9');
}

bool IsSetting(std::string_view text) {
  return Only(text, kLower, "._-") && text.front() >= 'a' && text.front() <= 'z';
}

bool IsImage(std::string_view text) {
  return Only(text, kAlnum, "._-/:@+") && Only(text.substr(0, 1), kAlnum);
}

std::string DurationProblem(const v1::FieldRules& rules, std::string_view text) {
  const auto duration = base::ParseDuration(text);
  if (!duration.ok()) {
    return base::StrCat("expected a duration such as 500ms, 30s, 1h30m or 7d, got ", Quote(text));
  }
  return RangeProblem(rules, std::chrono::duration<double>(*duration).count(), Quote(text));
}

std::string BytesProblem(const v1::FieldRules& rules, std::string_view text) {
  const auto bytes = base::ParseBytes(text);
  if (!bytes.ok()) {
    return base::StrCat("expected a size such as 512, 64Ki, 128Mi or 1Gi, got ", Quote(text));
  }
  return RangeProblem(rules, static_cast<double>(*bytes), Quote(text));
}

bool Matches(v1::Format format, std::string_view text) {
  switch (format) {
    case v1::NAME:
      return IsName(text);
    case v1::TOPIC_NAME:
      return IsTopicName(text);
    case v1::FIELD:
      return IsField(text);
    case v1::FILE:
      return !text.empty() && !HasControl(text);
    case v1::PATH:
      return IsPath(text);
    case v1::INDEX_NAME:
      return IsIndexName(text);
    case v1::EMAIL:
      return IsEmail(text);
    case v1::HOST:
      return IsHost(text);
    case v1::BROKERS:
      return IsBrokers(text);
    case v1::QUANTITY:
      return IsQuantity(text);
    case v1::OBJECT_NAME:
      return IsObjectName(text);
    case v1::LABEL_KEY:
      return IsLabelKey(text);
    case v1::LABEL_VALUE:
      return text.empty() || IsLabelWord(text);
    case v1::ENV_NAME:
      return IsEnvName(text);
    case v1::IMAGE:
      return IsImage(text);
    case v1::SETTING:
      return IsSetting(text);
    case v1::SHA256:
      return text.size() == 64 && Only(text, "0123456789abcdefABCDEF");
    case v1::PLAIN:
      return true;
    default:
      return !text.empty();
  }
}

}  // namespace

std::string FormatBound(const v1::FieldRules& rules, double bound) {
  if (rules.format() == v1::DURATION) {
    return base::FormatDuration(std::chrono::milliseconds(std::llround(bound * 1000)));
  }
  if (rules.format() == v1::BYTES) return base::FormatBytes(std::llround(bound));
  return absl::StrFormat("%.15g", bound);
}

std::string RangeProblem(const v1::FieldRules& rules, double value, std::string_view got) {
  const bool below = rules.has_min() && value < rules.min();
  const bool above = rules.has_max() && value > rules.max();
  if (!below && !above) return "";
  if (rules.has_min() && rules.has_max()) {
    return base::StrCat("expected ", FormatBound(rules, rules.min()), " to ",
                        FormatBound(rules, rules.max()), ", got ", got);
  }
  return below ? base::StrCat("expected at least ", FormatBound(rules, rules.min()), ", got ", got)
               : base::StrCat("expected at most ", FormatBound(rules, rules.max()), ", got ", got);
}

std::string_view FormatName(v1::Format format) {
  switch (format) {
    case v1::DURATION:
      return "a duration: 500ms, 30s, 1h30m, 7d";
    case v1::BYTES:
      return "a size: 512, 64Ki, 128Mi, 1Gi";
    case v1::EXPRESSION:
      return "an expression";
    case v1::TEMPLATE:
      return "text with ${expressions}";
    case v1::NAME:
      return "a name of lower-case letters, digits and `-`, at most 63 characters";
    case v1::TOPIC_NAME:
      return "a Kafka topic name of letters, digits, `.`, `_` and `-`, at most 249 characters";
    case v1::TOPIC:
      return "the name of a topic in `spec.topics`";
    case v1::CONNECTION:
      return "the name of a connection in `spec.connections`";
    case v1::FIELD:
      return "a top-level field of the event, without dots";
    case v1::URL:
      return "an address: http(s)://host[:port][/path]";
    case v1::FILE:
      return "a file name";
    case v1::PATH:
      return "a path that starts with `/`, without spaces, `?` or `#`";
    case v1::FOLDER:
      return "a relative folder without `..`";
    case v1::INDEX_NAME:
      return "an index name: lower case, none of \\ / * ? \" < > | , # : or spaces, and no - _ + "
             "at the start";
    case v1::EMAIL:
      return "a mail address: name@host";
    case v1::HOST:
      return "a host name or address, without a port";
    case v1::BROKERS:
      return "host:port, several separated by commas";
    case v1::QUANTITY:
      return "a quantity: 500m, 2, 512Mi, 1Gi";
    case v1::OBJECT_NAME:
      return "the name of a Kubernetes object: lower-case letters, digits, `-` and `.`";
    case v1::LABEL_KEY:
      return "the key of a label: letters, digits, `-`, `_` and `.`, with a prefix and `/` before "
             "it or not";
    case v1::LABEL_VALUE:
      return "the value of a label: at most 63 letters, digits, `-`, `_` and `.`";
    case v1::ENV_NAME:
      return "a name of letters, digits and `_`";
    case v1::IMAGE:
      return "an image: registry/name:tag";
    case v1::SETTING:
      return "a setting of a Kafka topic, such as `min.insync.replicas`";
    case v1::TIME:
      return "a time: 2026-11-02T08:00:00Z";
    case v1::SHA256:
      return "a SHA-256: 64 hexadecimal digits";
    default:
      return "text";
  }
}

std::string Quote(std::string_view text) {
  static constexpr size_t kLongest = 60;
  std::string out = "`";
  for (size_t i = 0; i < text.size(); ++i) {
    const bool character = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (i >= kLongest && character) return base::StrCat(out, "…`");
    if (text[i] == '\n') {
      out += "\\n";
    } else if (absl::ascii_iscntrl(static_cast<unsigned char>(text[i]))) {
      out += absl::StrFormat("\\x%02x", static_cast<unsigned char>(text[i]));
    } else {
      out.push_back(text[i]);
    }
  }
  out.push_back('`');
  return out;
}

std::string FormatProblem(const v1::FieldRules& rules, v1::Format format, std::string_view text) {
  if (text.empty() && format != v1::PLAIN && format != v1::LABEL_VALUE) {
    return base::StrCat("expected ", FormatName(format), ", got empty text");
  }
  switch (format) {
    case v1::DURATION:
      return DurationProblem(rules, text);
    case v1::BYTES:
      return BytesProblem(rules, text);
    case v1::URL:
      return UrlProblem(text);
    case v1::FOLDER:
      return FolderProblem(text);
    default:
      break;
  }
  if (Matches(format, text)) return "";
  return base::StrCat("expected ", FormatName(format), ", got ", Quote(text));
}

}  // namespace levada::pipeline
