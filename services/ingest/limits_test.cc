#include <gtest/gtest.h>

#include "core/kafka/producer.h"
#include "levada/v1/options.pb.h"
#include "levada/v1/pipeline.pb.h"
#include "services/ingest/grpc_endpoint.h"
#include "services/ingest/intake.h"

// What the manifest allows is what the gateway's parts can carry, so that nobody is refused for a
// size that `levada validate` called good.
namespace levada::ingest {
namespace {

template <typename Section>
double Most(const std::string& field) {
  return Section::descriptor()->FindFieldByName(field)->options().GetExtension(v1::field).max();
}

TEST(LimitsTest, TheLargestEventIsARecordOfKafkaAndARequestOfGrpc) {
  const double event = Most<v1::Ingest>("max_event_size");
  EXPECT_EQ(event, 15 << 20);
  EXPECT_LT(event, kafka::kMaxRecordBytes);
  EXPECT_LT(event, GrpcEndpoint::Options().max_request_bytes);
  EXPECT_LT(event, Most<v1::HttpSource>("max_request_size"));
}

TEST(LimitsTest, TheLargestRequestFitsTheQueueToKafka) {
  const Intake::Options intake;
  EXPECT_LE(Most<v1::HttpSource>("max_request_size"), intake.max_in_flight_bytes);
  EXPECT_LE(Most<v1::HttpSource>("max_batch"), intake.max_in_flight_events);
  EXPECT_LT(intake.max_in_flight_bytes, kafka::Producer::Options().queue_kbytes << 10);
}

}  // namespace
}  // namespace levada::ingest
