#include "compiler/ir/ranges.h"

#include "compiler/ir/rewrite.h"

#include <algorithm>
#include <cmath>

namespace vmodel::ir {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int max_depth = 24; // operations that are looked through

// Zero times infinity is NaN, which no range has to hold, so any number will do.
double product(double x, double y) {
  return x == 0 || y == 0 ? 0 : x * y;
}

Range times(Range x, Range y) {
  const double ends[] = {product(x.low, y.low), product(x.low, y.high), product(x.high, y.low),
                         product(x.high, y.high)};
  return {*std::min_element(ends, ends + 4), *std::max_element(ends, ends + 4)};
}

Range either(Range x, Range y) {
  return {std::min(x.low, y.low), std::max(x.high, y.high)};
}

// A sum of ends that are opposite infinities bounds nothing.
Range plus(Range x, Range y) {
  const double low = x.low + y.low, high = x.high + y.high;
  return {std::isnan(low) ? -infinity : low, std::isnan(high) ? infinity : high};
}

Range absolute(Range x) {
  if (x.low >= 0)
    return x;
  if (x.high <= 0)
    return {-x.high, -x.low};
  return {0, std::max(-x.low, x.high)};
}

} // namespace

Ranges::Ranges(const Function& function) : function_(function), producers_(function.values.size()) {
  for_each_op(function.body, [this](const Op& op) {
    for (ValueId v : op.results)
      producers_[v.id] = &op;
  });
}

Range Ranges::operator()(ValueId v) {
  return of(v, 0);
}

Range Ranges::of(ValueId v, int depth) {
  const Type& type = function_.type(v);
  const Op* op = producers_[v.id];
  if (!op || !type.is_scalar() || type.element != Element::f64 || depth > max_depth)
    return {};
  if (const auto found = known_.find(v.id); found != known_.end())
    return found->second;
  const Range range = find(*op, depth + 1);
  known_[v.id] = range;
  return range;
}

Range Ranges::find(const Op& op, int depth) {
  const auto operand = [&](std::size_t i) { return of(op.operands[i], depth); };
  // Rounding is monotone: what holds for the ends holds for the rounded values, but for functions that are computed to
  // a few units in the last place; their bounds here are exact numbers that no approximation crosses.
  switch (op.opcode) {
  case Opcode::constant_: return std::isnan(op.number) ? Range{} : Range{op.number, op.number};
  case Opcode::add: return plus(operand(0), operand(1));
  case Opcode::sub: {
    const Range y = operand(1);
    return plus(operand(0), {-y.high, -y.low});
  }
  case Opcode::mul: {
    if (op.operands[0] == op.operands[1])
      return times(absolute(operand(0)), absolute(operand(0)));
    return times(operand(0), operand(1));
  }
  case Opcode::strong_mul_: return either({0, 0}, times(operand(0), operand(1)));
  case Opcode::div: {
    const Range x = operand(0), y = operand(1);
    return x.low >= 0 && y.low >= 0 && std::isfinite(x.high)
               ? Range{y.high == infinity ? 0 : x.low / y.high, y.low == 0 ? infinity : x.high / y.low}
               : Range{};
  }
  case Opcode::neg: {
    const Range x = operand(0);
    return {-x.high, -x.low};
  }
  case Opcode::abs: return absolute(operand(0));
  case Opcode::square: return times(absolute(operand(0)), absolute(operand(0)));
  case Opcode::sqrt: return {0, infinity};
  case Opcode::exp: {
    const Range x = operand(0);
    return {x.low >= 0 ? 1.0 : 0.0, x.high <= 0 ? 1.0 : infinity};
  }
  case Opcode::inv_logit:
  case Opcode::std_normal_cdf: return {0, 1};
  case Opcode::log1p_exp: return {0, infinity};
  case Opcode::min: {
    const Range x = operand(0), y = operand(1);
    return {std::min(x.low, y.low), std::min(x.high, y.high)};
  }
  case Opcode::max: {
    const Range x = operand(0), y = operand(1);
    return {std::max(x.low, y.low), std::max(x.high, y.high)};
  }
  case Opcode::select_: return either(operand(1), operand(2));
  case Opcode::stop_: return operand(0);
  default: return {};
  }
}

} // namespace vmodel::ir
