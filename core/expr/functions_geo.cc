// Places on the earth, in degrees of WGS 84.
#include <cmath>
#include <numbers>

#include "core/expr/functions.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

using Style = Function::Style;

// The mean radius of the earth by the IUGG: within 0.5 % of the ellipsoid everywhere.
constexpr double kEarthRadius = 6'371'008.8;

bool OnEarth(double latitude, double longitude) {
  return std::fabs(latitude) <= 90 && std::fabs(longitude) <= 180;  // false for a NaN
}

// Haversine, which keeps its digits for places that are near each other.
Value Distance(const Value* args, size_t, Activation&) {
  if (!OnEarth(args[0].real(), args[1].real()) || !OnEarth(args[2].real(), args[3].real())) {
    return Value::Error("geo.distance: a latitude is -90 to 90, a longitude -180 to 180");
  }
  constexpr double kRadians = std::numbers::pi / 180;
  const double from = args[0].real() * kRadians, to = args[2].real() * kRadians;
  const double north = std::sin((to - from) / 2);
  const double east = std::sin((args[3].real() - args[1].real()) * kRadians / 2);
  const double h = north * north + std::cos(from) * std::cos(to) * east * east;
  return Value::Double(2 * kEarthRadius * std::asin(std::sqrt(std::min(1.0, h))));
}

constexpr Kind D = Kind::kDouble;

constexpr Function kFunctions[] = {
    {"geo.distance",
     Style::kGlobal,
     {D},
     {D, D, D, D},
     4,
     Distance,
     "metres on the great circle (haversine) between latitude, longitude and latitude, longitude"},
};

}  // namespace

std::span<const Function> GeoFunctions() { return kFunctions; }

}  // namespace levada::expr
