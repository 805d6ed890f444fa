#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

// absl::StrCat and StrAppend for std::string_view. Debian builds Abseil with its own string_view,
// to which the standard one does not convert; elsewhere the two are one type.
//
//   StrCat("topic ", topic, ": ", lag, " records behind")    // topic: std::string_view
//   View(status.message())                                   // as std::string_view
//
// Thread-safety: pure functions.
namespace levada::base {

namespace internal {

template <typename Part>
decltype(auto) ToAbsl(const Part& part) {
  if constexpr (std::is_convertible_v<const Part&, std::string_view>) {
    const std::string_view text(part);
    return absl::string_view(text.data(), text.size());
  } else {
    return (part);
  }
}

}  // namespace internal

template <typename... Parts>
std::string StrCat(const Parts&... parts) {
  return absl::StrCat(internal::ToAbsl(parts)...);
}

template <typename... Parts>
void StrAppend(std::string* out, const Parts&... parts) {
  absl::StrAppend(out, internal::ToAbsl(parts)...);
}

inline std::string_view View(absl::string_view text) { return {text.data(), text.size()}; }
inline absl::string_view AbslView(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace levada::base
