#include "services/scoring/model_file.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "absl/strings/numbers.h"
#include "core/base/strings.h"

namespace levada::scoring {
namespace {

constexpr size_t kMaxDepth = 16;

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError(base::AbslView(message));
}

struct Tree {
  std::vector<int64_t> left;
  std::vector<int64_t> right;
  std::vector<int64_t> feature;
  std::string nodes;  // how many, as the file says
};

// Whether every node is reached from the root at most once and by no index that is not there.
bool IsTree(const Tree& tree, int64_t* largest_feature) {
  const size_t size = tree.left.size();
  int64_t stated = 0;
  if (size == 0 || tree.right.size() != size || tree.feature.size() != size) return false;
  if (!absl::SimpleAtoi(tree.nodes, &stated) || stated != static_cast<int64_t>(size)) return false;
  std::vector<bool> seen(size);
  std::vector<int64_t> open = {0};
  while (!open.empty()) {
    const int64_t node = open.back();
    open.pop_back();
    if (node < 0 || node >= stated || seen[node]) return false;
    seen[node] = true;
    if (tree.left[node] == -1 && tree.right[node] == -1) continue;
    if (tree.feature[node] < 0) return false;
    *largest_feature = std::max(*largest_feature, tree.feature[node]);
    open.push_back(tree.left[node]);
    open.push_back(tree.right[node]);
  }
  return true;
}

// Takes a file's values as the parser comes to them; false stops it.
class Reader : public nlohmann::json::json_sax_t {
 public:
  explicit Reader(size_t most_values) : values_left_(most_values) {}

  const std::string& problem() const { return problem_; }

  // Of a file that was read to its end.
  absl::StatusOr<ModelFile> Model() {
    if (version_.size() != 3) return Invalid("is no XGBoost model: it has no `version`");
    if (!absl::SimpleAtoi(features_, &model_.features) ||
        !absl::SimpleAtoi(classes_, &model_.classes) ||
        !absl::SimpleAtoi(targets_, &model_.targets)) {
      return Invalid("is no XGBoost model: its `learner_model_param` is not complete");
    }
    model_.major = version_[0];
    model_.version = base::StrCat(version_[0], ".", version_[1], ".", version_[2]);
    return model_;
  }

  bool null() override { return Count(); }
  bool boolean(bool) override { return Count(); }
  bool number_integer(number_integer_t value) override { return Integer(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return Integer(static_cast<int64_t>(value));
  }
  bool number_float(number_float_t, const string_t&) override {
    return numbers_ == nullptr ? Count() : Stop("has a fraction where a whole number is expected");
  }
  bool string(string_t& text) override {
    if (std::string* place = TextPlace()) *place = text;
    return Count();
  }
  bool binary(binary_t&) override { return Count(); }

  bool start_object(size_t) override {
    if (AtTree()) tree_ = Tree();
    return Enter();
  }
  bool key(string_t& name) override {
    path_.back() = name;
    return Count();
  }
  bool end_object() override {
    path_.pop_back();
    if (!AtTree()) return true;
    ++model_.trees;
    return IsTree(tree_, &model_.largest_feature) ||
           Stop(base::StrCat("has a damaged tree, number ", model_.trees));
  }
  bool start_array(size_t) override {
    numbers_ = NumbersPlace();
    return Enter();
  }
  bool end_array() override {
    path_.pop_back();
    numbers_ = nullptr;
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    return Stop(
        base::StrCat("is neither a JSON nor a UBJ model, or it is cut off: at byte ", position));
  }

 private:
  bool Stop(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return false;
  }

  // A value takes a byte or more of the file, but for repeated ones of UBJSON that no model has.
  bool Count() { return values_left_-- > 0 || Stop("has more values than bytes"); }

  bool Enter() {
    path_.emplace_back();
    return path_.size() <= kMaxDepth ? Count() : Stop("is nested deeper than a model is");
  }

  bool Integer(int64_t value) {
    if (numbers_ != nullptr) numbers_->push_back(value);
    if (numbers_ == &outputs_) {
      if (value < 0) return Stop("has a tree that adds to no output");
      model_.largest_output = std::max(model_.largest_output, value);
      outputs_.clear();
    }
    return Count();
  }

  // Whether the keys down to here, without those of arrays, are `keys` below the booster's model.
  bool InModel(std::initializer_list<std::string_view> keys) const {
    constexpr std::string_view kPlain[] = {"learner", "gradient_booster", "model"};
    constexpr std::string_view kDart[] = {"learner", "gradient_booster", "gbtree", "model"};
    const auto below = [&](std::span<const std::string_view> base) {
      return path_.size() == base.size() + keys.size() &&
             std::equal(base.begin(), base.end(), path_.begin()) &&
             std::equal(keys.begin(), keys.end(), path_.begin() + base.size());
    };
    return below(kPlain) || below(kDart);
  }
  bool AtTree() const { return InModel({"trees", ""}); }

  std::vector<int64_t>* NumbersPlace() {
    if (path_.size() == 1 && path_[0] == "version") return &version_;
    if (InModel({"tree_info"})) return &outputs_;
    if (InModel({"trees", "", "left_children"})) return &tree_.left;
    if (InModel({"trees", "", "right_children"})) return &tree_.right;
    if (InModel({"trees", "", "split_indices"})) return &tree_.feature;
    return nullptr;
  }

  std::string* TextPlace() {
    if (InModel({"trees", "", "tree_param", "num_nodes"})) return &tree_.nodes;
    if (path_.size() != 3 || path_[0] != "learner") return nullptr;
    if (path_[1] == "gradient_booster" && path_[2] == "name") return &model_.booster;
    if (path_[1] != "learner_model_param") return nullptr;
    if (path_[2] == "base_score") return &model_.base_score;
    if (path_[2] == "num_feature") return &features_;
    if (path_[2] == "num_class") return &classes_;
    if (path_[2] == "num_target") return &targets_;
    return nullptr;
  }

  ModelFile model_;
  std::string features_;  // these three as written
  std::string classes_ = "0";
  std::string targets_ = "1";
  std::string problem_;
  std::vector<std::string> path_;  // the key under way of each object, "" for an array
  size_t values_left_;
  std::vector<int64_t>* numbers_ = nullptr;  // where the numbers of the array under way go
  std::vector<int64_t> version_;
  std::vector<int64_t> outputs_;
  Tree tree_;
};

}  // namespace

absl::StatusOr<ModelFile> ReadModelFile(std::string_view bytes) {
  const bool text = bytes.size() > 1 && bytes[0] == '{' &&
                    (bytes[1] == '"' || bytes[1] == '\n' || bytes[1] == ' ' || bytes[1] == '\r');
  Reader reader(bytes.size());
  const auto format =
      text ? nlohmann::json::input_format_t::json : nlohmann::json::input_format_t::ubjson;
  if (!nlohmann::json::sax_parse(bytes.begin(), bytes.end(), &reader, format)) {
    return Invalid(reader.problem());
  }
  return reader.Model();
}

absl::Status Accept(const ModelFile& model, int features, int library_major) {
  const std::string remedy =
      base::StrCat("save it with XGBoost ", library_major, ".7 (save_model, .json or .ubj)");
  if (model.major > library_major) {
    return Invalid(base::StrCat("was written by XGBoost ", model.version,
                                "; this build reads files ", "up to version ", library_major,
                                ".x and would misread it: ", remedy));
  }
  double base_score = 0;
  if (!absl::SimpleAtod(model.base_score, &base_score) || !std::isfinite(base_score)) {
    return Invalid(base::StrCat("has base_score ", model.base_score,
                                ", which this build would misread: ", remedy));
  }
  if (model.booster != "gbtree" && model.booster != "dart") {
    return Invalid(base::StrCat("has the booster '", model.booster,
                                "'; only trees (gbtree, dart) can be scored in batches"));
  }
  if (model.features != features) {
    return Invalid(
        base::StrCat("has ", model.features, " features; the step gives it ", features, " inputs"));
  }
  if (model.classes > 1) {
    return Invalid(base::StrCat("predicts ", model.classes, " classes; one output is expected"));
  }
  if (model.targets > 1 || model.largest_output > 0) {
    return Invalid("predicts several targets; one output is expected");
  }
  if (model.trees == 0) return Invalid("has no trees");
  if (model.largest_feature >= model.features) {
    return Invalid(base::StrCat("is damaged: a split asks for feature ", model.largest_feature,
                                " of ", model.features));
  }
  return absl::OkStatus();
}

}  // namespace levada::scoring
