// Comparisons of whole numbers that the declared bounds of data decide: data are checked against them at load. So a
// density's question whether y lies in its support is answered where y is declared `int<lower=0, upper=1>`, and an
// index that is kept inside of an array by `min` and `max` is itself where it is declared so.
//
// And comparisons of real numbers that never hold: a scale is the exponential of its coordinate, so its prior need not
// ask whether it is negative. NaN compares like a number outside: nothing holds of it but `ne`.
#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <map>
#include <optional>
#include <set>
#include <string>

namespace vmodel::passes {

namespace {

/// Bounds of data that are numbers, and those that are other data, by the names of parameters.
struct DataBounds {
  std::map<std::string, ir::Range> numbers;
  std::map<std::string, std::string> lower, upper;
};

/// The parameter that an output of a kernel is stored from everywhere, as a number; empty: there is none.
std::string stored_parameter(const Function& kernel, const std::string& output) {
  const ir::Definitions definitions(kernel.body);
  std::map<ValueId, std::string> names;
  ValueId memory;
  for (const ir::Parameter& parameter : kernel.parameters) {
    names[parameter.value] = parameter.name;
    if (parameter.name == output)
      memory = parameter.value;
  }
  std::string found;
  int stores = 0;
  ir::for_each_op(kernel.body, [&](const Op& op) {
    if (op.opcode != Opcode::store_ || op.operands[0] != memory)
      return;
    ++stores;
    const Op* value = definitions.as(op.operands.back(), Opcode::to_real_);
    const auto name = value ? names.find(value->operands[0]) : names.end();
    found = name == names.end() ? "" : name->second;
  });
  return stores == 1 ? found : "";
}

DataBounds bounds_of(const Module& module) {
  static const std::string prefix = "data_bounds.";
  DataBounds bounds;
  bounds.numbers = ir::data_ranges(module);
  for (const Function& kernel : module.functions)
    if (kernel.name.starts_with(prefix)) {
      const std::string name = "data." + kernel.name.substr(prefix.size());
      bounds.lower[name] = stored_parameter(kernel, "lower");
      bounds.upper[name] = stored_parameter(kernel, "upper");
    }
  return bounds;
}

class BoundedData {
public:
  BoundedData(const Function& function, const DataBounds& bounds)
      : from_(function), bounds_(bounds), definitions_(function.body), ranges_(ir::ranges(function, bounds.numbers)) {
    for (const ir::Parameter& parameter : function.parameters)
      names_[parameter.value] = parameter.name;
  }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (op.opcode == Opcode::logical_or_ && covers(op)) {
        r.set(op.results[0], r.builder().boolean(true));
        return true;
      }
      if (op.operands.size() != 2 || op.results.size() != 1)
        return false;
      const ValueId x = resolve(op.operands[0]), y = resolve(op.operands[1]);
      if (from_.type(x) == ir::Type{}) {
        const std::optional<bool> known = decide_real(op.opcode, x, y);
        if (known)
          r.set(op.results[0], r.builder().boolean(*known));
        return known.has_value();
      }
      if (from_.type(x).element != Element::index)
        return false;
      if (op.opcode == Opcode::min || op.opcode == Opcode::max) {
        const bool is_min = op.opcode == Opcode::min;
        if (!at_most(x, y) && !at_most(y, x))
          return false;
        const ValueId same = at_most(x, y) == is_min ? x : y;
        same_[op.results[0]] = same;
        r.set(op.results[0], r(same));
        return true;
      }
      const std::optional<bool> known = decide(op.opcode, x, y);
      if (known)
        r.set(op.results[0], r.builder().boolean(*known));
      return known.has_value();
    });
  }

private:
  ValueId resolve(ValueId v) const {
    const auto found = same_.find(v);
    return found == same_.end() ? v : found->second;
  }

  std::optional<bool> decide(Opcode opcode, ValueId x, ValueId y) const {
    const auto holds = [](bool yes, bool no) {
      return yes ? std::optional(true) : no ? std::optional(false) : std::nullopt;
    };
    switch (opcode) {
    case Opcode::lt: return holds(less(x, y), at_most(y, x));
    case Opcode::gt: return holds(less(y, x), at_most(x, y));
    case Opcode::le: return holds(at_most(x, y), less(y, x));
    case Opcode::ge: return holds(at_most(y, x), less(x, y));
    case Opcode::eq: return holds(false, less(x, y) || less(y, x));
    case Opcode::ne: return holds(less(x, y) || less(y, x), false);
    default: return std::nullopt;
    }
  }

  /// A comparison of real numbers that holds for none in their ranges, or, of `ne`, for all.
  std::optional<bool> decide_real(Opcode opcode, ValueId x, ValueId y) const {
    if (!known(x) || !known(y))
      return std::nullopt;
    const ir::Range a = ranges_[x.id], b = ranges_[y.id];
    const bool apart = a.high < b.low || b.high < a.low;
    const auto never = [](bool condition) { return condition ? std::optional(false) : std::nullopt; };
    switch (opcode) {
    case Opcode::lt: return never(a.low >= b.high);
    case Opcode::gt: return never(a.high <= b.low);
    case Opcode::le: return never(a.low > b.high);
    case Opcode::ge: return never(a.high < b.low);
    case Opcode::eq: return never(apart);
    case Opcode::ne: return apart ? std::optional(true) : std::nullopt;
    default: return std::nullopt;
    }
  }

  /// Whether a number is asked for each of the values that it can have: `y == 0 || y == 1`.
  bool covers(const Op& question) const {
    ValueId asked;
    std::set<double> values;
    const auto visit = [&](auto&& self, const Op* op) -> bool {
      if (op && op->opcode == Opcode::logical_or_)
        return self(self, definitions_.of(op->operands[0])) && self(self, definitions_.of(op->operands[1]));
      if (!op || op->opcode != Opcode::eq || from_.type(op->operands[0]).element != Element::index)
        return false;
      const std::size_t side = definitions_.as(op->operands[0], Opcode::constant_) ? 0 : 1;
      const Op* constant = definitions_.as(op->operands[side], Opcode::constant_);
      if (!constant || (asked && asked != op->operands[1 - side]))
        return false;
      asked = op->operands[1 - side];
      values.insert(static_cast<double>(constant->integer));
      return true;
    };
    if (!visit(visit, &question) || !known(asked))
      return false;
    const ir::Range range = ranges_[asked.id];
    std::erase_if(values, [&](double value) { return value < range.low || value > range.high; });
    return static_cast<double>(values.size()) == range.high - range.low + 1;
  }

  bool known(ValueId v) const { return !ranges_[v.id].is_empty(); }
  bool less(ValueId x, ValueId y) const { return known(x) && known(y) && ranges_[x.id].high < ranges_[y.id].low; }

  /// Whether x <= y for all data.
  bool at_most(ValueId x, ValueId y) const {
    return (known(x) && known(y) && ranges_[x.id].high <= ranges_[y.id].low) || is_bound(bounds_.upper, x, y) ||
           is_bound(bounds_.lower, y, x);
  }

  /// Whether a parameter is declared as the bound of the data of which an element is.
  bool is_bound(const std::map<std::string, std::string>& bounds, ValueId element, ValueId parameter) const {
    const Op* load = definitions_.as(element, Opcode::load_);
    if (!load || !names_.contains(load->operands[0]) || !names_.contains(parameter))
      return false;
    const auto found = bounds.find(names_.at(load->operands[0]));
    return found != bounds.end() && found->second == names_.at(parameter);
  }

  const Function& from_;
  const DataBounds& bounds_;
  const ir::Definitions definitions_;
  const std::vector<ir::Range> ranges_;
  std::map<ValueId, std::string> names_; // of parameters
  std::map<ValueId, ValueId> same_;      // what is one of its operands
};

} // namespace

Module bounded_data(Module module) {
  const DataBounds bounds = bounds_of(module);
  for (Function& function : module.functions)
    if (function.name == "log_density")
      function = simplify(BoundedData(function, bounds).run());
  return module;
}

} // namespace vmodel::passes
