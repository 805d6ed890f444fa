// Rows "timestamp,value" with a header from standard input, the same with score and grade to
// standard output: a detector of core/anomaly by itself. Settings as name=value; driven by
// bench_nab.py.
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include "core/anomaly/detector.h"
#include "core/base/strings.h"
#include "core/base/time.h"

namespace levada {
namespace {

const std::map<std::string, anomaly::Kind> kKinds = {{"combined", anomaly::Kind::kCombined},
                                                     {"forest", anomaly::Kind::kForest},
                                                     {"digest", anomaly::Kind::kDigest},
                                                     {"seasonal", anomaly::Kind::kSeasonal}};

const std::map<std::string, uint8_t> kViews = {
    {"value", 1}, {"size", 2}, {"activity", 4}, {"season", 8}};

bool Set(const std::string& name, const std::string& value, anomaly::Settings* settings) {
  const std::map<std::string, int*> numbers = {
      {"shingle", &settings->shingle}, {"trees", &settings->trees},
      {"samples", &settings->samples}, {"window", &settings->window},
      {"memory", &settings->memory},   {"centroids", &settings->centroids},
      {"quiet", &settings->quiet},     {"warm_up", &settings->warm_up}};
  if (const auto number = numbers.find(name); number != numbers.end()) {
    *number->second = std::atoi(value.c_str());
  } else if (name == "kind" && kKinds.count(value) > 0) {
    settings->kind = kKinds.at(value);
  } else if (name == "seed") {
    settings->seed = std::strtoull(value.c_str(), nullptr, 10);
  } else if (name == "season_hours") {
    settings->season = std::chrono::hours(std::atoi(value.c_str()));
  } else if (name == "views") {
    settings->views = 0;
    for (const auto& [view, bit] : kViews) {
      if (value.find(view) != std::string::npos) settings->views |= bit;
    }
  } else if (name == "threshold") {
    settings->threshold = std::atof(value.c_str());
  } else {
    return false;
  }
  return true;
}

int Run(int argc, char** argv) {
  anomaly::Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    if (equals == std::string::npos ||
        !Set(argument.substr(0, equals), argument.substr(equals + 1), &settings)) {
      std::cerr << "unknown setting " << argument << '\n';
      return 2;
    }
  }
  auto detector = anomaly::Detector::Make(settings);
  if (!detector.ok()) {
    std::cerr << detector.status() << '\n';
    return 2;
  }
  std::ios::sync_with_stdio(false);
  std::string line;
  std::getline(std::cin, line);
  std::cout << line << ",score,grade\n";
  std::cout.precision(10);
  while (std::getline(std::cin, line)) {
    const size_t comma = line.find(',');
    std::string time = line.substr(0, comma) + "Z";
    time[10] = 'T';
    const auto micros = base::ParseTimestamp(time);
    if (!micros.ok()) {
      std::cerr << line << ": " << micros.status() << '\n';
      return 1;
    }
    const double value = std::atof(line.c_str() + comma + 1);
    const anomaly::Result& result = detector->Update({&value, 1}, *micros / 1000);
    std::cout << line << ',' << result.score << ',' << result.grade << '\n';
  }
  std::cerr << "bytes " << detector->ByteSize() << '\n';
  return 0;
}

}  // namespace
}  // namespace levada

int main(int argc, char** argv) { return levada::Run(argc, argv); }
