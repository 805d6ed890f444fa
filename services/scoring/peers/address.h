#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// How the workers of a stage tell each other where their detectors answer: by the client id of the
// consumer with which each is a member of the stage's group, so that Kafka's own description of the
// group says who has a partition and where he is. There is no other registry.
//
//   client id = "levada-detector/" [IP address] ":" port        the port of gRPC
//
//   ClientId("10.0.0.7", 9091)            levada-detector/10.0.0.7:9091
//   ClientId("fd00::7", 9091)             levada-detector/[fd00::7]:9091
//   ClientId("", 9091)                    levada-detector/:9091       at the address that Kafka
//   sees
//
//   ParseAddress("levada-detector/:9091", "/10.0.0.7")    ipv4:10.0.0.7:9091, a target of gRPC
//
// Whoever may join the group may claim any address, so the right to do that (Kafka's ACL: READ of
// the group) is the right to be asked about events. With a certificate the one who is called must
// have one for the same name as well (certificate.h).
//
// Threads: pure functions.
namespace levada::scoring::peers {

std::string ClientId(std::string_view ip, uint16_t port);

// InvalidArgument for anything else than the above: members may be of other programs or versions.
// `host`: the member's as Kafka describes it ("/10.0.0.7", "worker-1/10.0.0.7").
absl::StatusOr<std::string> ParseAddress(std::string_view client_id, std::string_view host);

// Metadata of a call that one worker made for another: it is not passed on again.
inline constexpr char kForwarded[] = "levada-forwarded";

}  // namespace levada::scoring::peers
