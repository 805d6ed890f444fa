#pragma once

#include <string_view>

// Names of the Kafka headers that Levada writes.
namespace levada {

// On dead letters, beside the original's own headers:
inline constexpr std::string_view kErrorHeader = "levada-error";          // one sentence
inline constexpr std::string_view kStageHeader = "levada-stage";          // pipeline/stage
inline constexpr std::string_view kTopicHeader = "levada-topic";          // where it came from
inline constexpr std::string_view kPartitionHeader = "levada-partition";  // decimal
inline constexpr std::string_view kOffsetHeader = "levada-offset";        // decimal
inline constexpr std::string_view kTimestampHeader = "levada-timestamp";  // of the original, ms
// Only where the original was too large for a dead letter and was cut: its full size in bytes.
inline constexpr std::string_view kTruncatedHeader = "levada-truncated-from";

// On records of the dead-letter topic that are no dead letters, but say which of the same partition
// `levada dlq replay` has sent again: their offsets, "17-45,47" (cli/dlq/letters.h).
inline constexpr std::string_view kReplayedHeader = "levada-replayed";

// On records of a topic that the pipeline re-keys a stage's events into: the partition that they
// come from, and how far its time had come (services/scoring/state/sources.h). A record without a
// value says only that.
inline constexpr std::string_view kSourceHeader = "levada-source";

}  // namespace levada
