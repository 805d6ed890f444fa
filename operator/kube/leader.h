#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "operator/kube/client.h"

// One of several processes acts at a time: it holds a Lease and renews it.
//
//   auto elector = Elector::Create(transport, {.lease = {"levada", "levada-operator"},
//                                              .identity = pod_name});
//   Client client(transport, {.time_to_write = [&] { return (*elector)->TimeToWrite(); }});
//   (*elector)->Start({.on_started = [&] { controllers.Start(); },
//                      .on_stopped = [&] { controllers.Stop(); }});
//
// The times are client-go's: others wait for `lease_duration` since they last saw the Lease change,
// by their own clock (clocks of different machines are never compared); the holder renews every
// `retry_period` and gives up when it has not succeeded for `renew_deadline`. Both spans of the
// holder count from before the request that renewed, so that it always stops first: IsLeader is
// false from the renew deadline on, even if the elector's thread is held up, and TimeToWrite, which
// bounds a write, ends before the Lease can be taken.
//
// Threads: any. The callbacks come from the elector's thread; the one that holds it up holds up the
// renewals.
namespace levada::kube {

class Elector {
 public:
  struct Options {
    ObjectKey lease;
    std::string identity;  // unique: the name of the pod
    std::chrono::milliseconds lease_duration{15'000};
    std::chrono::milliseconds renew_deadline{10'000};
    std::chrono::milliseconds retry_period{2'000};
    bool release_on_stop = true;  // the next one need not wait
    Clock* clock = &RealClock();
    Probe* probe = &NoProbe();
  };

  struct Callbacks {
    std::function<void()> on_started;
    std::function<void()> on_stopped;  // lost or given back; it may be elected again
    std::function<void(const std::string& identity)> on_new_leader;
  };

  // Times that do not fit (retry < renew < lease), or a Lease or identity without a name, are
  // kInvalidArgument.
  static absl::StatusOr<std::unique_ptr<Elector>> Create(std::shared_ptr<Transport> transport,
                                                         Options options);
  ~Elector();  // stops

  void Start(Callbacks callbacks);
  // Ends the election: on_stopped first, then the Lease is given back. Not from a callback.
  void Stop();

  bool IsLeader() const;
  // How long a write that begins now may take: zero for who is not the leader.
  std::chrono::milliseconds TimeToWrite() const;
  // As last seen; empty: nobody.
  std::string Leader() const;

 private:
  class Loop;
  explicit Elector(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace levada::kube
