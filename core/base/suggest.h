#pragma once

#include <span>
#include <string>
#include <string_view>

// Which name was probably meant, for errors about a name that does not exist.
//
//   StrCat("unknown field ", name, DidYouMean(name, known))
//       -> unknown field "partitons"; did you mean "partitions"?
//
// Thread-safety: pure functions.
namespace levada::base {

// Fewest insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
int EditDistance(std::string_view a, std::string_view b);

// The candidate nearest to `name`, upper and lower case being the same; of several the first.
// Empty where none is near: at most a third of the name may differ.
std::string_view Nearest(std::string_view name, std::span<const std::string> candidates);
std::string_view Nearest(std::string_view name, std::span<const std::string_view> candidates);

// `; did you mean "NEAREST"?`, or nothing.
std::string DidYouMean(std::string_view name, std::span<const std::string> candidates);
std::string DidYouMean(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace levada::base
