#pragma once

#include <string>

#include "operator/render/world.h"

// Where a worker finds its files. All of them are mounted one by one: a change of the slice or of a
// file rolls the stage, and nothing changes below a running worker.
//
//   /etc/levada/files/slice.yaml       the slice; relative files of the manifest are beside it
//   /etc/levada/files/models/fraud.json
//   /etc/levada/secrets/<name>/<key>   secrets of connections and server certificates
//   /var/lib/levada                    the volume of an archiving stage
//   /var/lib/levada-state              on the node, as long as the pod: files of state, up to
//                                      `state.disk`
//   /tmp                               in memory or on the node's disk, bounded
//
// Files of buckets are fetched into a volume of the pod by an init container, which sees the slice,
// the keys of buckets and, as a whole, /var/lib/levada-fetched.
//
// A manifest that runs locally may name a file outside of its folder (`../../models/fraud.json`).
// The slice then is as many folders deeper, /etc/levada/files/_/_/slice.yaml, and the file in
// /etc/levada/files/models/fraud.json.
//
// Threads: pure functions.
namespace levada::render {

inline constexpr char kSecretsFolder[] = "/etc/levada/secrets";
inline constexpr char kDataFolder[] = "/var/lib/levada";
inline constexpr char kStateFolder[] = "/var/lib/levada-state";
inline constexpr char kFetchedFolder[] = "/var/lib/levada-fetched";

struct Mounts {
  std::string slice;  // its path
  Json volumes = Json::array();
  Json mounts = Json::array();
  Json fetch_mounts = Json::array();  // of the init container; empty: nothing is to be fetched
};

Mounts MountsOf(const StageView& stage);

}  // namespace levada::render
