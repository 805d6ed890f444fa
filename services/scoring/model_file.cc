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
// XGBoost's own: those that a float tells apart.
constexpr int64_t kMaxCategory = 1 << 24;
// The library keeps a bit for each category up to a split's largest: 256 MiB of them.
constexpr int64_t kMaxCategoryBits = int64_t{1} << 31;

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError(base::AbslView(message));
}

struct Tree {
  std::vector<int64_t> left;
  std::vector<int64_t> right;
  std::vector<int64_t> feature;
  std::string nodes;  // how many, as the file says
  // The nodes that split by categories, and for each the place of its categories in `categories`.
  std::vector<int64_t> category_nodes;
  std::vector<int64_t> segments;
  std::vector<int64_t> sizes;
  std::vector<int64_t> categories;
  // Of the other lists with a value a node.
  std::vector<size_t> lengths;
};

// Whether the splits by categories are of nodes that there are, in order, each with categories.
bool HasRightCategories(const Tree& tree, int64_t* bits) {
  const size_t count = tree.category_nodes.size();
  if (tree.segments.size() != count || tree.sizes.size() != count) return false;
  const auto total = static_cast<int64_t>(tree.categories.size());
  int64_t before = -1;
  for (size_t i = 0; i < count; ++i) {
    const int64_t node = tree.category_nodes[i];
    const int64_t begin = tree.segments[i];
    const int64_t size = tree.sizes[i];
    if (node <= before || node >= static_cast<int64_t>(tree.left.size())) return false;
    if (begin < 0 || begin > total || size <= 0 || size > total - begin) return false;
    before = node;
    int64_t largest = 0;
    for (int64_t at = begin; at < begin + size; ++at) {
      if (tree.categories[at] < 0 || tree.categories[at] >= kMaxCategory) return false;
      largest = std::max(largest, tree.categories[at]);
    }
    *bits += largest + 1;
  }
  return true;
}

// Whether every node is reached from the root at most once and by no index that is not there.
bool IsTree(const Tree& tree, int64_t* largest_feature) {
  const size_t size = tree.left.size();
  int64_t stated = 0;
  if (size == 0 || tree.right.size() != size || tree.feature.size() != size) return false;
  if (!absl::SimpleAtoi(tree.nodes, &stated) || stated != static_cast<int64_t>(size)) return false;
  for (const size_t length : tree.lengths) {
    if (length != size) return false;
  }
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
  bool boolean(bool) override {
    ++elements_;
    return Count();
  }
  bool number_integer(number_integer_t value) override { return Integer(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return Integer(static_cast<int64_t>(value));
  }
  bool number_float(number_float_t, const string_t&) override {
    ++elements_;
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
    if (!IsTree(tree_, &model_.largest_feature) || !HasRightCategories(tree_, &category_bits_)) {
      return Stop(base::StrCat("has a damaged tree, number ", model_.trees));
    }
    return category_bits_ <= kMaxCategoryBits || Stop("has more categories than memory can hold");
  }
  bool start_array(size_t) override {
    numbers_ = NumbersPlace();
    elements_ = 0;
    return Enter();
  }
  bool end_array() override {
    path_.pop_back();
    if (AtListByNode()) tree_.lengths.push_back(elements_);
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
    ++elements_;
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
    if (InModel({"trees", "", "categories_nodes"})) return &tree_.category_nodes;
    if (InModel({"trees", "", "categories_segments"})) return &tree_.segments;
    if (InModel({"trees", "", "categories_sizes"})) return &tree_.sizes;
    if (InModel({"trees", "", "categories"})) return &tree_.categories;
    return nullptr;
  }
  bool AtListByNode() const {
    for (const char* name : {"default_left", "loss_changes", "parents", "split_conditions",
                             "split_type", "sum_hessian"}) {
      if (InModel({"trees", "", name})) return true;
    }
    return false;
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
  size_t elements_ = 0;  // of the list of numbers under way
  int64_t category_bits_ = 0;
};

// `[5E-1]`, as XGBoost 3 writes it, or `5E-1`. False for several, one for each class or target.
bool IsNumber(std::string_view base_score) {
  if (base_score.starts_with('[') && base_score.ends_with(']')) {
    base_score = base_score.substr(1, base_score.size() - 2);
  }
  double number = 0;
  return absl::SimpleAtod(base::AbslView(base_score), &number) && std::isfinite(number);
}

// XGBoost writes NaN and Infinity, which JSON does not know, for what a split by categories has no
// number for. Nothing that is read here is among them: makes zeros of them, of the same length, so
// that errors name the right place. False where there are none.
bool WithoutNaN(std::string_view bytes, std::string* copy) {
  constexpr std::pair<std::string_view, std::string_view> kNumbers[] = {{"NaN", "0.0"},
                                                                        {"Infinity", "0.000000"}};
  if (bytes.find("NaN") == std::string_view::npos &&
      bytes.find("Infinity") == std::string_view::npos) {
    return false;
  }
  *copy = bytes;
  bool in_text = false;
  for (size_t at = 0; at < copy->size(); ++at) {
    const char c = (*copy)[at];
    if (c == '"') in_text = !in_text;
    if (in_text && c == '\\') ++at;
    if (in_text || (c != 'N' && c != 'I')) continue;
    for (const auto& [name, zero] : kNumbers) {
      if (bytes.substr(at).starts_with(name)) copy->replace(at, name.size(), zero);
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<ModelFile> ReadModelFile(std::string_view bytes) {
  const bool text = bytes.size() > 1 && bytes[0] == '{' &&
                    (bytes[1] == '"' || bytes[1] == '\n' || bytes[1] == ' ' || bytes[1] == '\r');
  std::string copy;
  if (text && WithoutNaN(bytes, &copy)) bytes = copy;
  Reader reader(bytes.size());
  const auto format =
      text ? nlohmann::json::input_format_t::json : nlohmann::json::input_format_t::ubjson;
  if (!nlohmann::json::sax_parse(bytes.begin(), bytes.end(), &reader, format)) {
    return Invalid(reader.problem());
  }
  return reader.Model();
}

absl::Status Accept(const ModelFile& model, int features, int library_major) {
  if (model.major > library_major) {
    return Invalid(base::StrCat("was written by XGBoost ", model.version,
                                "; this build reads files up to version ", library_major,
                                ".x and might misread it: save it with XGBoost ", library_major,
                                " (save_model, .json or .ubj)"));
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
  if (!IsNumber(model.base_score)) {
    return Invalid(base::StrCat("has base_score ", model.base_score, "; one number is expected"));
  }
  if (model.trees == 0) return Invalid("has no trees");
  if (model.largest_feature >= model.features) {
    return Invalid(base::StrCat("is damaged: a split asks for feature ", model.largest_feature,
                                " of ", model.features));
  }
  return absl::OkStatus();
}

}  // namespace levada::scoring
