#include "core/expr/compare.h"
#include "core/expr/containers.h"
#include "core/expr/node.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

struct ArgsNode : Node {
  Nodes args;
};

// && and ||: the deciding value wins wherever it stands, also against errors.
template <bool deciding>
Value RunLogic(const Node* self, Activation& activation) {
  Value problem;
  for (const Node* arg : static_cast<const ArgsNode*>(self)->args) {
    const Value value = Run(arg, activation);
    if (value.is(Kind::kBool)) {
      if (value.boolean() == deciding) return value;
    } else if (problem.is(Kind::kNone)) {
      problem = value.ok() ? NoOverload(deciding ? "||" : "&&", &value, 1, activation) : value;
    }
  }
  return problem.is(Kind::kNone) ? Value::Bool(!deciding) : problem;
}

struct UnaryNode : Node {
  const Node* arg;
};

Value RunNot(const Node* self, Activation& activation) {
  const Value value = Run(static_cast<const UnaryNode*>(self)->arg, activation);
  if (value.is(Kind::kBool)) return Value::Bool(!value.boolean());
  return value.ok() ? NoOverload("!_", &value, 1, activation) : value;
}

Value RunNegate(const Node* self, Activation& activation) {
  return Negate(Run(static_cast<const UnaryNode*>(self)->arg, activation), activation);
}

struct ConditionalNode : Node {
  const Node* condition;
  const Node* yes;
  const Node* no;
};

Value RunConditional(const Node* self, Activation& activation) {
  const auto* node = static_cast<const ConditionalNode*>(self);
  const Value value = Run(node->condition, activation);
  if (value.is(Kind::kBool)) return Run(value.boolean() ? node->yes : node->no, activation);
  return value.ok() ? NoOverload("_?_:_", &value, 1, activation) : value;
}

struct BinaryNode : Node {
  const Node* left;
  const Node* right;
};

// What is compared without counting it as steps.
constexpr size_t kShortText = 4096;

template <bool negated>
Value RunEqual(const Node* self, Activation& activation) {
  const auto* node = static_cast<const BinaryNode*>(self);
  const Value a = Run(node->left, activation);
  if (!a.ok()) return a;
  const Value b = Run(node->right, activation);
  if (!b.ok()) return b;
  if (a.is(Kind::kString) && b.is(Kind::kString) && a.text().size() <= kShortText) {
    return Value::Bool((a.text() == b.text()) != negated);
  }
  const Value equal = Equal(a, b, activation);
  return equal.ok() ? Value::Bool(equal.boolean() != negated) : equal;
}

// The right side is a constant text.
struct TextNode : Node {
  const Node* left;
  Value text;
};

template <bool negated>
Value RunEqualText(const Node* self, Activation& activation) {
  const auto* node = static_cast<const TextNode*>(self);
  const Value a = Run(node->left, activation);
  if (!a.ok()) return a;
  return Value::Bool((a.is(Kind::kString) && a.text() == node->text.text()) != negated);
}

enum class Order { kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

template <Order order, typename Result>
bool Holds(Result result) {
  if (order == Order::kLess) return result < 0;
  if (order == Order::kLessOrEqual) return result <= 0;
  if (order == Order::kGreater) return result > 0;
  return result >= 0;
}

constexpr std::string_view OrderSymbol(Order order) {
  constexpr std::string_view kSymbols[] = {"_<_", "_<=_", "_>_", "_>=_"};
  return kSymbols[static_cast<int>(order)];
}

template <Order order>
Value CompareAny(Value a, Value b, Activation& activation) {
  if (!a.ok()) return a;
  if (!b.ok()) return b;
  if (!Ordered(a.kind(), b.kind())) {
    const Value args[] = {a, b};
    return NoOverload(OrderSymbol(order), args, 2, activation);
  }
  return Value::Bool(Holds<order>(Compare(a, b)));
}

template <Order order>
Value RunCompare(const Node* self, Activation& activation) {
  const auto* node = static_cast<const BinaryNode*>(self);
  const Value a = Run(node->left, activation);
  const Value b = Run(node->right, activation);
  if (a.is(Kind::kDouble) && b.is(Kind::kDouble)) {
    return Value::Bool(Holds<order>(a.real() <=> b.real()));
  }
  return CompareAny<order>(a, b, activation);
}

// The right side is a constant number.
struct NumberNode : Node {
  const Node* left;
  Value number;
  double real;  // the same as a double
};

template <Order order>
Value RunCompareNumber(const Node* self, Activation& activation) {
  const auto* node = static_cast<const NumberNode*>(self);
  const Value a = Run(node->left, activation);
  if (a.is(Kind::kDouble)) return Value::Bool(Holds<order>(a.real() <=> node->real));
  return CompareAny<order>(a, node->number, activation);
}

struct ArithmeticNode : Node {
  const Node* left;
  const Node* right;
  bool widen;
};

template <Arithmetic op>
Value RunArithmetic(const Node* self, Activation& activation) {
  const auto* node = static_cast<const ArithmeticNode*>(self);
  const Value a = Run(node->left, activation);
  const Value b = Run(node->right, activation);
  return Calculate<op>(a, b, node->widen, activation);
}

Value RunIn(const Node* self, Activation& activation) {
  const auto* node = static_cast<const BinaryNode*>(self);
  const Value needle = Run(node->left, activation);
  if (!needle.ok()) return needle;
  const Value range = Run(node->right, activation);
  if (!range.ok()) return range;
  const bool container = range.is(Kind::kList) || range.is(Kind::kMap);
  if (container && range.store() == Value::Store::kJson &&
      !activation.TakeStepsForBytes(range.json().size())) {
    return Exhausted();
  }
  if (range.is(Kind::kMap)) {
    return Value::Bool(!EntryAt(range, needle, &activation.arena()).is(Kind::kNone));
  }
  if (!range.is(Kind::kList)) {
    const Value args[] = {needle, range};
    return NoOverload("@in", args, 2, activation);
  }
  Value result = Value::Bool(false);
  ForEachItem(range, &activation.arena(), [&](int64_t, Value item) {
    result = Equal(needle, item, activation);
    return result.ok() && !result.boolean();
  });
  return result;
}

struct InSetNode : Node {
  const Node* needle;
  const absl::flat_hash_set<absl::string_view>* set;
};

Value RunInSet(const Node* self, Activation& activation) {
  const auto* node = static_cast<const InSetNode*>(self);
  const Value needle = Run(node->needle, activation);
  if (!needle.ok()) return needle;
  return Value::Bool(needle.is(Kind::kString) &&
                     node->set->contains(base::AbslView(needle.text())));
}

template <Order order>
Node* NewCompare(base::Arena& arena, Node* left, Node* right) {
  const Value* constant = ConstantOf(right);
  if (constant == nullptr || !constant->is_number()) {
    return arena.New<BinaryNode>(Node{RunCompare<order>}, left, right);
  }
  const double real = constant->is(Kind::kDouble) ? constant->real()
                      : constant->is(Kind::kInt)
                          ? static_cast<double>(constant->integer())
                          : static_cast<double>(constant->unsigned_integer());
  return arena.New<NumberNode>(Node{RunCompareNumber<order>}, left, *constant, real);
}

}  // namespace

Node* MakeAnd(base::Arena& arena, Nodes args) {
  return arena.New<ArgsNode>(Node{RunLogic<false>}, args);
}
Node* MakeOr(base::Arena& arena, Nodes args) {
  return arena.New<ArgsNode>(Node{RunLogic<true>}, args);
}
Node* MakeNot(base::Arena& arena, Node* arg) { return arena.New<UnaryNode>(Node{RunNot}, arg); }
Node* MakeNegate(base::Arena& arena, Node* arg) {
  return arena.New<UnaryNode>(Node{RunNegate}, arg);
}
Node* MakeConditional(base::Arena& arena, Node* condition, Node* yes, Node* no) {
  return arena.New<ConditionalNode>(Node{RunConditional}, condition, yes, no);
}

Node* MakeEqual(base::Arena& arena, Node* left, Node* right, bool negated) {
  const Value* text = ConstantOf(right);
  Node* other = left;
  if (text == nullptr || !text->is(Kind::kString)) {
    text = ConstantOf(left);
    other = right;
  }
  if (text != nullptr && text->is(Kind::kString)) {
    return arena.New<TextNode>(Node{negated ? RunEqualText<true> : RunEqualText<false>}, other,
                               *text);
  }
  return arena.New<BinaryNode>(Node{negated ? RunEqual<true> : RunEqual<false>}, left, right);
}

Node* MakeCompare(base::Arena& arena, std::string_view symbol, Node* left, Node* right) {
  if (symbol == "_<_") return NewCompare<Order::kLess>(arena, left, right);
  if (symbol == "_<=_") return NewCompare<Order::kLessOrEqual>(arena, left, right);
  if (symbol == "_>_") return NewCompare<Order::kGreater>(arena, left, right);
  return NewCompare<Order::kGreaterOrEqual>(arena, left, right);
}

Node* MakeArithmetic(base::Arena& arena, char symbol, Node* left, Node* right, bool widen) {
  decltype(Node::run) run = RunArithmetic<Arithmetic::kModulo>;
  if (symbol == '+') run = RunArithmetic<Arithmetic::kAdd>;
  if (symbol == '-') run = RunArithmetic<Arithmetic::kSubtract>;
  if (symbol == '*') run = RunArithmetic<Arithmetic::kMultiply>;
  if (symbol == '/') run = RunArithmetic<Arithmetic::kDivide>;
  return arena.New<ArithmeticNode>(Node{run}, left, right, widen);
}

Node* MakeIn(base::Arena& arena, Node* needle, Node* range) {
  return arena.New<BinaryNode>(Node{RunIn}, needle, range);
}
Node* MakeInSet(base::Arena& arena, Node* needle,
                const absl::flat_hash_set<absl::string_view>* set) {
  return arena.New<InSetNode>(Node{RunInSet}, needle, set);
}

}  // namespace levada::expr
