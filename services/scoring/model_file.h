#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// What an XGBoost model file says of itself, and whether it is whole. Read without the XGBoost
// library, which trusts the trees of a file: a child or a feature that is not there would have it
// read memory that is not its own, or go round for ever.
//
// The two formats have one structure, as far as it is read here:
//   { version: [1, 7, 4],
//     learner: {
//       learner_model_param: {base_score: "5E-1",    since 3.1 "[5E-1]"
//                             num_class: "0", num_feature: "5", num_target: "1"},
//       gradient_booster: {                            in a dart model, model is within gbtree
//         name: "gbtree",
//         model: {
//           tree_info: [0, …],                         the output that each tree adds to
//           trees: [{ left_children: [1, -1, -1], right_children: [2, -1, -1],
//                     split_indices: [4, 0, 0], tree_param: {num_nodes: "3"},
//                     split_type: [1, 0, 0],         1: by categories, which are listed together:
//                     categories_nodes: [0], categories_segments: [0], categories_sizes: [2],
//                     categories: [1, 7] }, …] } } } }
// JSON writes it as text. UBJSON writes it in binary; it too begins with a brace, behind which
// comes the type of a length and never a quote or white space.
//
// Thread-safety: pure functions.
namespace levada::scoring {

struct ModelFile {
  int64_t major = 0;
  std::string version;  // of the XGBoost that wrote it
  std::string booster;
  std::string base_score;
  int64_t features = 0;
  int64_t classes = 0;
  int64_t targets = 1;
  int64_t trees = 0;
  int64_t largest_feature = -1;  // that a split asks for
  int64_t largest_output = 0;    // that a tree adds to
};

// InvalidArgument, "is …" or "has …", for bytes that are no whole model. Takes no more memory than
// another `bytes` and a little, whatever they are.
absl::StatusOr<ModelFile> ReadModelFile(std::string_view bytes);

// Whether the library of version `library_major` reads the model rightly and it fits a step with
// that many inputs; else InvalidArgument with what to do about it.
absl::Status Accept(const ModelFile& model, int features, int library_major);

}  // namespace levada::scoring
