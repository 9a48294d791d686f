// Interval analysis: rounds over the operations from "no value", joined where values meet (carried values, memory,
// sides of branches), until nothing grows. What still grows after some rounds goes to the next of 0, 1, -1, infinity.
#include "compiler/ir/ranges.h"

#include "compiler/ir/rewrite.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <unordered_map>
#include <unordered_set>

namespace vmodel::ir {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr Range all{};
constexpr Range none{infinity, -infinity};
constexpr Range positive{0, infinity};
constexpr Range negative{-infinity, 0};
constexpr Range share{0, 1};
constexpr int exact_rounds = 3; // with bounds as they are; afterwards they are widened

Range join(Range a, Range b) {
  return {std::min(a.low, b.low), std::max(a.high, b.high)};
}

// The products and quotients of ends that are numbers; what is NaN has no part.
Range hull(std::initializer_list<double> ends) {
  Range result = none;
  for (double end : ends)
    result = join(result, std::isnan(end) ? Range{0, 0} : Range{end, end});
  return result;
}

Range product(Range a, Range b) {
  return hull({a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high});
}

Range quotient(Range a, Range b) {
  if (b.low > 0 || b.high < 0)
    return hull({a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high});
  if (b.low < 0)
    return b.high > 0 ? all : quotient({-a.high, -a.low}, {-b.high, -b.low});
  return {a.low >= 0 ? 0 : -infinity, a.high <= 0 ? 0 : infinity};
}

Range sum(Range a, Range b) {
  // Infinities of opposite sign give NaN, which has no part.
  const double low = a.low + b.low, high = a.high + b.high;
  return {std::isnan(low) ? -infinity : low, std::isnan(high) ? infinity : high};
}

// Of any number of addends.
Range sum_of(Range term) {
  if (term.is_empty())
    return {0, 0};
  return {term.low >= 0 ? 0 : -infinity, term.high <= 0 ? 0 : infinity};
}

Range unary(Opcode opcode, Range x) {
  switch (opcode) {
  case Opcode::neg: return {-x.high, -x.low};
  case Opcode::abs:
    if (x.low >= 0)
      return x;
    return {std::max(0.0, -x.high), std::max(-x.low, x.high)};
  case Opcode::square: {
    const Range size = unary(Opcode::abs, x);
    return product(size, size);
  }
  case Opcode::sqrt: return x.high <= 1 ? share : positive;
  case Opcode::exp: return {x.low >= 0 ? 1.0 : 0.0, x.high <= 0 ? 1 : infinity};
  case Opcode::expm1: return {x.low >= 0 ? 0.0 : -1, x.high <= 0 ? 0 : infinity};
  case Opcode::log: return {x.low >= 1 ? 0 : -infinity, x.high <= 1 ? 0 : infinity};
  case Opcode::log1p: return {x.low >= 0 ? 0 : -infinity, x.high <= 0 ? 0 : infinity};
  case Opcode::log1p_exp:
  case Opcode::acos: return positive;
  case Opcode::log1m_exp:
  case Opcode::log_inv_logit:
  case Opcode::log_std_normal_cdf: return negative;
  case Opcode::inv_logit:
  case Opcode::std_normal_cdf: return share;
  case Opcode::tanh:
  case Opcode::erf:
  case Opcode::sign:
  case Opcode::sin:
  case Opcode::cos: return {x.low >= 0 && opcode != Opcode::sin && opcode != Opcode::cos ? 0.0 : -1, 1};
  case Opcode::erfc: return {0, 2};
  case Opcode::exponent: return {-1023, 1024};
  case Opcode::cosh: return {1, infinity};
  case Opcode::trigamma: return x.low >= 0 ? positive : all;
  case Opcode::floor:
  case Opcode::ceil:
  case Opcode::round: return {x.low >= 0 ? 0 : -infinity, x.high <= 0 ? 0 : infinity};
  default: return all;
  }
}

Range binary(Opcode opcode, Range x, Range y) {
  switch (opcode) {
  case Opcode::add: return sum(x, y);
  case Opcode::sub: return sum(x, {-y.high, -y.low});
  case Opcode::mul: return product(x, y);
  case Opcode::div: return quotient(x, y);
  case Opcode::min: return {std::min(x.low, y.low), std::min(x.high, y.high)};
  case Opcode::max: return {std::max(x.low, y.low), std::max(x.high, y.high)};
  case Opcode::pow: return x.low >= 0 ? positive : all;
  default: return all;
  }
}

struct Hash {
  std::size_t operator()(ValueId v) const { return v.id; }
};

class Analysis {
public:
  explicit Analysis(const Function& function)
      : function_(function), range_(function.values.size(), none), root_(function.values.size()) {
    for_each_op(function.body, [&](const Op& op) {
      if (op.opcode == Opcode::gt || op.opcode == Opcode::lt)
        comparison_[op.results[0]] = &op;
      if (op.opcode == Opcode::constant_ && !std::isnan(op.number))
        constant_.insert(op.results[0]);
    });
  }

  std::vector<Range> run(const std::map<std::string, Range>& parameters) {
    for (const Parameter& parameter : function_.parameters) {
      const auto known = parameters.find(parameter.name);
      range_[parameter.value.id] = known == parameters.end() ? all : known->second;
    }
    for (int round = 0; changed_; ++round) {
      changed_ = false;
      is_widened_ = round >= exact_rounds;
      visit(function_.body);
    }
    return std::move(range_);
  }

private:
  Range& of(ValueId v) {
    const ValueId root = root_[v.id];
    return range_[root ? root.id : v.id];
  }

  void grow(ValueId v, Range by) {
    Range& known = of(v);
    if (by.is_empty())
      return;
    Range next = join(known, by);
    if (next == known)
      return;
    if (is_widened_ && !known.is_empty()) {
      if (next.low < known.low)
        next.low = next.low >= 0 ? 0 : next.low >= -1 ? -1 : -infinity;
      if (next.high > known.high)
        next.high = next.high <= 0 ? 0 : next.high <= 1 ? 1 : infinity;
    }
    known = next;
    changed_ = true;
  }

  void visit(const Region& region) {
    for (const Op& op : region.ops)
      visit(op);
  }

  void visit(const Op& op) {
    for (const Region& region : op.regions)
      if (op.opcode == Opcode::loop_) {
        grow(region.arguments[0], below(of(op.operands[0])));
        for (std::size_t i = 1; i < region.arguments.size(); ++i)
          grow(region.arguments[i], of(op.operands[i]));
      } else if (op.opcode == Opcode::reduce_ || op.opcode == Opcode::build_) {
        for (std::size_t i = 0; i < region.arguments.size(); ++i)
          grow(region.arguments[i], below(of(op.operands[i])));
      } else {
        for (ValueId v : region.arguments)
          grow(v, op.opcode == Opcode::while_ ? all : positive);
      }
    for (const Region& region : op.regions)
      visit(region);
    switch (op.opcode) {
    case Opcode::freeze_:
      root_[op.results[0].id] = root_[op.operands[0].id] ? root_[op.operands[0].id] : op.operands[0];
      return;
    case Opcode::store_: grow(op.operands[0], of(op.operands.back())); return;
    case Opcode::accumulate_: grow(op.operands[0], sum_of(of(op.operands.back()))); return;
    case Opcode::alloc_:
      if (op.integer != 0)
        grow(op.results[0], {0, 0});
      return;
    case Opcode::reduce_:
      for (std::size_t i = 0; i < op.results.size(); ++i) {
        const Range term = of(op.regions[0].yields[i]);
        grow(op.results[i], op.symbol == "add"   ? sum_of(term)
                            : op.symbol == "max" ? join(term, {-infinity, -infinity})
                            : op.symbol == "min" ? join(term, {infinity, infinity})
                                                 : all);
      }
      return;
    case Opcode::loop_:
      for (std::size_t i = 0; i < op.results.size(); ++i) {
        const ValueId carried = op.regions[0].arguments[i + 1];
        grow(carried, of(op.regions[0].yields[i]));
        grow(op.results[i], of(carried));
      }
      return;
    case Opcode::if_:
      for (std::size_t i = 0; i < op.results.size(); ++i)
        grow(op.results[i], join(of(op.regions[0].yields[i]), of(op.regions[1].yields[i])));
      return;
    case Opcode::build_: grow(op.results[0], of(op.regions[0].yields[0])); return;
    default: break;
    }
    for (ValueId v : op.results)
      grow(v, value(op));
  }

  /// The indices of a loop with so many turns.
  static Range below(Range turns) { return turns.is_empty() ? none : Range{0, std::max(turns.high - 1, 0.0)}; }

  // Operations with one result and without regions. Of an operand without values there is no result.
  Range value(const Op& op) {
    for (ValueId v : op.operands)
      if (of(v).is_empty())
        return none;
    const auto x = [&](std::size_t i) { return of(op.operands[i]); };
    if (is_unary(op.opcode))
      return unary(op.opcode, x(0));
    if (op.opcode == Opcode::mul && op.operands[0] == op.operands[1])
      return unary(Opcode::square, x(0));
    if (is_binary(op.opcode))
      return binary(op.opcode, x(0), x(1));
    switch (op.opcode) {
    case Opcode::constant_: {
      const double number =
          function_.type(op.results[0]).element == Element::f64 ? op.number : static_cast<double>(op.integer);
      return std::isnan(number) ? Range{0, 0} : Range{number, number};
    }
    case Opcode::load_:
    case Opcode::stop_:
    case Opcode::to_real_: return function_.type(op.operands[0]).element == Element::boolean ? share : x(0);
    case Opcode::select_: return selected(op);
    case Opcode::strong_mul_: return join(product(x(0), x(1)), {0, 0});
    case Opcode::lane_sum_: return sum_of(x(0));
    case Opcode::only_derivative_: return {0, 0};
    case Opcode::random_: return op.symbol == "uniform" ? share : all;
    default: return all;
    }
  }

  // The larger or smaller of two numbers is bounded by both. What is selected where the comparison does not hold may be
  // beside a NaN, which bounds nothing, so then the other has to be a constant.
  Range selected(const Op& op) {
    const Range yes = of(op.operands[1]), no = of(op.operands[2]);
    const auto found = comparison_.find(op.operands[0]);
    if (found == comparison_.end())
      return join(yes, no);
    const bool is_gt = found->second->opcode == Opcode::gt;
    const ValueId greater = found->second->operands[is_gt ? 0 : 1], less = found->second->operands[is_gt ? 1 : 0];
    const auto bounded = [&](ValueId v, Range range, bool holds) {
      if (v == greater && (holds || is_constant(less)))
        return holds ? Range{std::max(range.low, of(less).low), range.high}
                     : Range{range.low, std::min(range.high, of(less).high)};
      if (v == less && (holds || is_constant(greater)))
        return holds ? Range{range.low, std::min(range.high, of(greater).high)}
                     : Range{std::max(range.low, of(greater).low), range.high};
      return range;
    };
    const Range result_yes = bounded(op.operands[1], yes, true), result_no = bounded(op.operands[2], no, false);
    // A side that cannot be taken is empty.
    return result_yes.is_empty() ? result_no : result_no.is_empty() ? result_yes : join(result_yes, result_no);
  }
  bool is_constant(ValueId v) { return constant_.contains(v); }

  const Function& function_;
  std::vector<Range> range_;
  std::vector<ValueId> root_; // of frozen memory
  std::unordered_map<ValueId, const Op*, Hash> comparison_;
  std::unordered_set<ValueId, Hash> constant_;
  bool changed_ = true;
  bool is_widened_ = false;
};

} // namespace

std::vector<Range> ranges(const Function& function, const std::map<std::string, Range>& parameters) {
  return Analysis(function).run(parameters);
}

std::map<std::string, Range> data_ranges(const Module& module) {
  static const std::string prefix = "data_bounds.";
  std::map<std::string, Range> result;
  for (const Function& kernel : module.functions) {
    if (!kernel.name.starts_with(prefix))
      continue;
    const std::vector<Range> values = ranges(kernel);
    Range bounds;
    const auto stored = [&](const std::string& output) {
      Range found = none;
      for (const Parameter& parameter : kernel.parameters)
        if (parameter.name == output) {
          // What the kernel stores, not what the memory may hold before.
          const std::function<void(const Region&)> visit = [&](const Region& region) {
            for (const Op& op : region.ops) {
              if (op.opcode == Opcode::store_ && op.operands[0] == parameter.value)
                found = join(found, values[op.operands.back().id]);
              for (const Region& inner : op.regions)
                visit(inner);
            }
          };
          visit(kernel.body);
        }
      return found.is_empty() ? all : found;
    };
    bounds.low = stored("lower").low;
    bounds.high = stored("upper").high;
    result["data." + kernel.name.substr(prefix.size())] = bounds;
  }
  return result;
}

std::map<std::string, Range> slot_ranges(const Module& module) {
  std::map<std::string, Range> result = data_ranges(module);
  const Function* prepare = module.find("prepare");
  if (!prepare)
    return result;
  const std::vector<Range> values = ranges(*prepare, result);
  for_each_op(prepare->body, [&](const Op& op) {
    if (op.opcode == Opcode::output_ && !values[op.operands[0].id].is_empty())
      result[op.symbol] = values[op.operands[0].id];
  });
  return result;
}

} // namespace vmodel::ir
