#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/pipeline/check.h"
#include "core/pipeline/manifest.h"

// For tests of manifests and of cases that are files. They run in the root of the repository.
namespace levada::pipeline {

inline std::string ReadTestFile(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  EXPECT_TRUE(file.good()) << "cannot read " << name;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The names of a folder's files, each a case, without their endings and in order.
inline std::vector<std::string> CasesIn(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// With LEVADA_UPDATE_GOLDENS=1 the tests write what they would compare with; review the diff.
inline bool UpdateGoldens() { return std::getenv("LEVADA_UPDATE_GOLDENS") != nullptr; }

inline void WriteTestFile(const std::string& name, const std::string& text) {
  std::ofstream(name, std::ios::binary) << text;
}

// Reads and checks a file: everything that `levada validate` would say.
inline Problems Validate(std::string_view text, std::string_view file = "test.yaml") {
  Manifests manifests = ReadManifests(text, file);
  for (const Document& document : manifests.documents) manifests.problems.Append(Check(document));
  manifests.problems.Sort();
  return manifests.problems;
}

// A manifest without problems, to be changed by tests.
inline constexpr char kGoodManifest[] = R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  connections:
    mail: {smtp: {host: mail.example.com, from: shop@example.com}}
    hook: {webhook: {url: "https://example.com/hook"}}
    search: {opensearch: {url: "https://search:9200"}}
  topics:
  - name: orders
    key: id
    fields:
    - {name: id, type: string, required: true}
    - {name: amount, type: double}
  - {name: scored, partitions: 3}
  stages:
  - {name: in, ingest: {http: {path: /orders}, to: orders}}
  - name: score
    scoring:
      from: orders
      steps:
      - filter: amount > 0
      - set:
        - {name: large, value: amount > 100}
      to: scored
  - name: alert
    notify:
      from: scored
      when: large == true
      email: {via: mail, to: [a@example.com], subject: "Order ${id}", body: "${amount}"}
  - {name: call, notify: {from: scored, webhook: {via: hook, subject: "Order"}}}
  - {name: find, indexing: {from: scored, via: search, index: orders}}
  - {name: keep, archiving: {from: scored, ndjson: {folder: orders}}}
)";

}  // namespace levada::pipeline
