#pragma once

#include <cstdint>
#include <string_view>

#include "core/expr/type.h"

// The fields of `meta`.
namespace levada::expr {

enum class MetaName : uint8_t { kKey, kTopic, kPartition, kOffset, kTimestamp, kHeaders };

struct MetaField {
  std::string_view name;
  MetaName which;
  Type type;
};

inline constexpr MetaField kMetaFields[] = {
    {"key", MetaName::kKey, {Kind::kString}},
    {"topic", MetaName::kTopic, {Kind::kString}},
    {"partition", MetaName::kPartition, {Kind::kInt}},
    {"offset", MetaName::kOffset, {Kind::kInt}},
    {"timestamp", MetaName::kTimestamp, {Kind::kTimestamp}},
    {"headers", MetaName::kHeaders, {Kind::kMap, Kind::kString, Kind::kString}},
};

}  // namespace levada::expr
