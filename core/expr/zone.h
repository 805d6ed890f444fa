#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace levada::expr {

// A time zone: "UTC", "+02:00", "-02:30", "02:00", or a name in the system's tz database
// ("Europe/Berlin"; the directory is TZDIR or /usr/share/zoneinfo). False where there is no such
// zone. A zone is loaded once; a wrong name, which may come from an event, costs no memory.
//
// Thread-safety: may be called by several threads.
bool FindZone(std::string_view name, absl::TimeZone* zone);
std::string NoSuchZone(std::string_view name);  // as a message

}  // namespace levada::expr
