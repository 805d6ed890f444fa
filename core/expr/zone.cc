#include "core/expr/zone.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "absl/strings/ascii.h"
#include "core/base/strings.h"

namespace levada::expr {
namespace {

constexpr size_t kMaxNameBytes = 64;

// "02:00", "+02:00", "-02:30"
bool ParseOffset(std::string_view text, int* seconds) {
  const bool west = text.starts_with('-');
  if (west || text.starts_with('+')) text.remove_prefix(1);
  if (text.size() != 5 || text[2] != ':') return false;
  for (const size_t i : {0, 1, 3, 4}) {
    if (!absl::ascii_isdigit(text[i])) return false;
  }
  const int hours = (text[0] - '0') * 10 + text[1] - '0';
  const int minutes = (text[3] - '0') * 10 + text[4] - '0';
  if (hours > 23 || minutes > 59) return false;
  *seconds = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
  return true;
}

// Abseil remembers every name that it is asked for, wrong ones too, and would open any file. So it
// gets to see only names of files in the directory of the tz database.
bool IsInDatabase(std::string_view name) {
  const bool plain =
      !name.empty() && name.size() <= kMaxNameBytes && name[0] != '/' &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_isalnum(c) || c == '/' || c == '_' || c == '-' || c == '+';
      });
  if (!plain) return false;
  const char* directory = std::getenv("TZDIR");
  if (directory == nullptr) directory = "/usr/share/zoneinfo";
  struct stat file;
  return stat(base::StrCat(directory, "/", name).c_str(), &file) == 0 && S_ISREG(file.st_mode);
}

}  // namespace

bool FindZone(std::string_view name, absl::TimeZone* zone) {
  if (name == "UTC") {
    *zone = absl::UTCTimeZone();
    return true;
  }
  // An expression mostly asks for the same zone again, and Abseil's lookup takes a lock.
  struct Last {
    std::string name;
    absl::TimeZone zone;
  };
  thread_local Last last;
  if (!name.empty() && name == last.name) {
    *zone = last.zone;
    return true;
  }
  if (int seconds = 0; ParseOffset(name, &seconds)) {
    *zone = absl::FixedTimeZone(seconds);
  } else if (!IsInDatabase(name) || !absl::LoadTimeZone(base::AbslView(name), zone)) {
    return false;
  }
  last.name = name;
  last.zone = *zone;
  return true;
}

std::string NoSuchZone(std::string_view name) {
  return base::StrCat("no such time zone: '", name.substr(0, kMaxNameBytes), "'");
}

}  // namespace levada::expr
