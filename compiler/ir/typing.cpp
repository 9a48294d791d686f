#include "compiler/ir/typing.h"

#include <algorithm>

namespace vmodel::ir {

void internal_error(const std::string& message) {
  throw InternalError("internal error: " + message);
}

const char* name(Element element) {
  switch (element) {
  case Element::f64: return "f64";
  case Element::f32: return "f32";
  case Element::index: return "index";
  case Element::boolean: return "boolean";
  }
  return "unknown";
}

const char* name(SiteKind kind) {
  switch (kind) {
  case SiteKind::prior: return "prior";
  case SiteKind::observe: return "observe";
  case SiteKind::factor: return "factor";
  case SiteKind::jacobian: return "jacobian";
  case SiteKind::draw: return "draw";
  }
  return "unknown";
}

const char* name(SiteRegion region) {
  switch (region) {
  case SiteRegion::density: return "density";
  case SiteRegion::sample: return "sample";
  case SiteRegion::support: return "support";
  case SiteRegion::entropy: return "entropy";
  }
  return "unknown";
}

std::size_t extent_count(const Function& function, const Op& op) {
  switch (op.opcode) {
  case Opcode::build_:
  case Opcode::alloc_: return op.results.empty() ? op.operands.size() : function.type(op.results[0]).rank();
  case Opcode::reduce_:
  case Opcode::site_: return op.operands.size();
  case Opcode::loop_: return 1;
  default: return 0;
  }
}

namespace {

bool is_real(Element element) {
  return element == Element::f64 || element == Element::f32;
}

/// Collects the first violation; every method is a rule.
class Checker {
public:
  Checker(const Function& function, const Op& op) : function_(function), op_(op) {}

  std::string run();

private:
  const Type& type(ValueId v) const { return function_.type(v); }
  const Type& operand(std::size_t i) const { return type(op_.operands[i]); }
  bool fail(const std::string& message) {
    if (error_.empty())
      error_ = std::string(name(op_.opcode)) + ": " + message;
    return false;
  }
  bool counts(std::size_t operands, std::size_t results, std::size_t regions = 0) {
    if (op_.operands.size() != operands)
      return fail("expects " + std::to_string(operands) + " operands, has " + std::to_string(op_.operands.size()));
    return other_counts(results, regions);
  }
  bool other_counts(std::size_t results, std::size_t regions) {
    if (op_.results.size() != results)
      return fail("expects " + std::to_string(results) + " results, has " + std::to_string(op_.results.size()));
    if (op_.regions.size() != regions)
      return fail("expects " + std::to_string(regions) + " regions, has " + std::to_string(op_.regions.size()));
    return true;
  }
  bool scalar(ValueId v, const std::string& what) { return type(v).is_scalar() || fail(what + " is not a scalar"); }
  bool element(ValueId v, Element expected, const std::string& what) {
    if (!scalar(v, what))
      return false;
    return type(v).element == expected || fail(what + " is " + name(type(v).element) + ", not " + name(expected));
  }
  bool real(ValueId v, const std::string& what) {
    if (!scalar(v, what))
      return false;
    return is_real(type(v).element) || fail(what + " is " + name(type(v).element) + ", not a real number");
  }
  bool same(ValueId a, ValueId b, const std::string& what) {
    return type(a) == type(b) || fail(what + " differ in type");
  }
  bool extents(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      if (!element(op_.operands[i], Element::index, "extent " + std::to_string(i)))
        return false;
    return true;
  }
  bool index_arguments(const Region& region, std::size_t count) {
    if (region.arguments.size() != count)
      return fail("region expects " + std::to_string(count) + " arguments, has " +
                  std::to_string(region.arguments.size()));
    for (ValueId argument : region.arguments)
      if (!element(argument, Element::index, "loop index"))
        return false;
    return true;
  }
  bool yields(const Region& region, std::size_t count) {
    return region.yields.size() == count ||
           fail("region yields " + std::to_string(region.yields.size()) + " values, expected " + std::to_string(count));
  }

  void arithmetic();
  void memory();
  void control();
  void statement();
  void access(std::size_t extra);
  void dims_of_result(std::size_t i);
  void carried(const Region& region, std::size_t first_argument, std::size_t first_operand, bool check_yields);

  const Function& function_;
  const Op& op_;
  std::string error_;
};

void Checker::arithmetic() {
  const Opcode code = op_.opcode;
  if (code == Opcode::idiv || code == Opcode::imod) {
    if (counts(2, 1))
      for (ValueId v : {op_.operands[0], op_.operands[1], op_.results[0]})
        element(v, Element::index, "value");
    return;
  }
  const bool integer_form = code == Opcode::add || code == Opcode::sub || code == Opcode::mul || code == Opcode::min ||
                            code == Opcode::max || code == Opcode::neg || code == Opcode::abs;
  const std::size_t arity = is_unary(code) ? 1 : 2;
  if (!counts(arity, 1))
    return;
  for (std::size_t i = 0; i < arity; ++i)
    if (!scalar(op_.operands[i], "operand " + std::to_string(i)))
      return;
  if (arity == 2 && !same(op_.operands[0], op_.operands[1], "operands"))
    return;
  const Element first = operand(0).element;
  if (is_compare(code)) {
    if (first == Element::boolean && code != Opcode::eq && code != Opcode::ne) {
      fail("operands are boolean");
      return;
    }
    element(op_.results[0], Element::boolean, "result");
    return;
  }
  if (!is_real(first) && !(integer_form && first == Element::index))
    fail(std::string("operands are ") + name(first));
  else
    same(op_.operands[0], op_.results[0], "operand and result");
}

void Checker::access(std::size_t extra) {
  if (op_.operands.size() < 1 + extra) {
    fail("has too few operands");
    return;
  }
  const Type& array = operand(0);
  if (array.is_scalar())
    fail("the first operand is a scalar");
  else if (op_.operands.size() != 1 + array.rank() + extra)
    fail("has " + std::to_string(op_.operands.size() - 1 - extra) + " indices for rank " +
         std::to_string(array.rank()));
  else
    for (std::size_t i = 0; i < array.rank(); ++i)
      element(op_.operands[1 + i], Element::index, "index " + std::to_string(i));
}

void Checker::memory() {
  switch (op_.opcode) {
  case Opcode::load_:
    access(0);
    if (error_.empty() && other_counts(1, 0))
      element(op_.results[0], operand(0).element, "result");
    break;
  case Opcode::store_:
  case Opcode::accumulate_:
    access(1);
    if (error_.empty() && other_counts(0, 0)) {
      if (!operand(0).reference)
        fail("the first operand is not a reference");
      else if (op_.opcode == Opcode::accumulate_ && operand(0).element == Element::boolean)
        fail("the reference is boolean");
      else
        element(op_.operands.back(), operand(0).element, "value");
    }
    break;
  case Opcode::freeze_:
    if (counts(1, 1)) {
      Type expected = operand(0);
      if (!expected.reference) {
        fail("the operand is not a reference");
        break;
      }
      expected.reference = false;
      if (!(type(op_.results[0]) == expected))
        fail("result and operand differ in type");
    }
    break;
  default: break;
  }
}

void Checker::dims_of_result(std::size_t i) {
  const Type& result = type(op_.results[i]);
  for (std::size_t d = 0; d < result.rank(); ++d)
    if (result.dims[d].value && result.dims[d].value != op_.operands[d])
      fail("extent " + std::to_string(d) + " of the result is not operand " + std::to_string(d));
}

void Checker::carried(const Region& region, std::size_t first_argument, std::size_t first_operand, bool check_yields) {
  for (std::size_t i = 0; i < op_.results.size(); ++i) {
    const ValueId initial = op_.operands[first_operand + i];
    if (!scalar(initial, "carried value"))
      return;
    same(initial, region.arguments[first_argument + i], "carried value and argument");
    same(initial, op_.results[i], "carried value and result");
    if (check_yields)
      same(initial, region.yields[i], "carried value and yield");
  }
}

void Checker::control() {
  switch (op_.opcode) {
  case Opcode::build_:
  case Opcode::alloc_: {
    const bool is_build = op_.opcode == Opcode::build_;
    if (!counts(op_.operands.size(), 1, is_build ? 1 : 0) || !extents(op_.operands.size()))
      return;
    const Type& result = type(op_.results[0]);
    if (result.reference == is_build)
      fail(is_build ? "the result is a reference" : "the result is not a reference");
    else if (result.rank() != op_.operands.size())
      fail("the result has another rank than there are extents");
    else
      dims_of_result(0);
    if (!error_.empty() || !is_build)
      return;
    if (result.rank() == 0)
      fail("has no extents");
    else if (index_arguments(op_.regions[0], op_.operands.size()) && yields(op_.regions[0], 1))
      element(op_.regions[0].yields[0], result.element, "yield");
    return;
  }
  case Opcode::reduce_: {
    if (!counts(op_.operands.size(), op_.results.size(), 1) || !extents(op_.operands.size()))
      return;
    const Region& body = op_.regions[0];
    if (!index_arguments(body, op_.operands.size()) || !yields(body, op_.results.size()))
      return;
    const bool logical = op_.symbol == "and" || op_.symbol == "or";
    if (!logical && op_.symbol != "add" && op_.symbol != "max" && op_.symbol != "min") {
      fail("unknown kind '" + op_.symbol + "'");
      return;
    }
    for (std::size_t i = 0; i < op_.results.size(); ++i)
      if (scalar(op_.results[i], "result") && same(op_.results[i], body.yields[i], "yield and result") &&
          (type(op_.results[i]).element == Element::boolean) != logical)
        fail("a result of kind " + op_.symbol + " is " + name(type(op_.results[i]).element));
    return;
  }
  case Opcode::loop_: {
    if (op_.operands.empty()) {
      fail("has no extent");
      return;
    }
    const std::size_t count = op_.operands.size() - 1;
    if (!other_counts(count, 1) || !extents(1))
      return;
    const Region& body = op_.regions[0];
    if (body.arguments.size() != count + 1)
      fail("region expects " + std::to_string(count + 1) + " arguments, has " + std::to_string(body.arguments.size()));
    else if (element(body.arguments[0], Element::index, "loop index") && yields(body, count))
      carried(body, 1, 1, true);
    return;
  }
  case Opcode::if_: {
    if (!counts(1, op_.results.size(), 2) || !element(op_.operands[0], Element::boolean, "condition"))
      return;
    for (const Region& region : op_.regions) {
      if (!region.arguments.empty()) {
        fail("a region has arguments");
        return;
      }
      if (!yields(region, op_.results.size()))
        return;
      for (std::size_t i = 0; i < op_.results.size(); ++i)
        if (!scalar(op_.results[i], "result") || !same(op_.results[i], region.yields[i], "yield and result"))
          return;
    }
    return;
  }
  case Opcode::while_: {
    if (!other_counts(op_.operands.size(), 2))
      return;
    for (const Region& region : op_.regions)
      if (region.arguments.size() != op_.operands.size()) {
        fail("a region has " + std::to_string(region.arguments.size()) + " arguments for " +
             std::to_string(op_.operands.size()) + " carried values");
        return;
      }
    if (!yields(op_.regions[0], 1) || !element(op_.regions[0].yields[0], Element::boolean, "condition") ||
        !yields(op_.regions[1], op_.operands.size()))
      return;
    carried(op_.regions[0], 0, 0, false);
    carried(op_.regions[1], 0, 0, true);
    return;
  }
  default: return;
  }
}

void Checker::statement() {
  switch (op_.opcode) {
  case Opcode::site_: {
    if (!counts(op_.operands.size(), 0, 4) || !extents(op_.operands.size()))
      return;
    for (std::size_t r = 0; r < 4; ++r) {
      const Region& region = op_.regions[r];
      if (region.absent)
        continue;
      // A second value is the event's position among the observed values; of a sample that is an array, also an
      // array of its shape.
      const auto which = static_cast<SiteRegion>(r);
      const bool positioned = region.yields.size() == 2 && which != SiteRegion::entropy;
      if (!index_arguments(region, op_.operands.size()) || (!positioned && !yields(region, 1)))
        return;
      const bool each = positioned && which == SiteRegion::sample && type(region.yields[1]).rank() > 0;
      if (each && (type(region.yields[1]).element != Element::index ||
                   type(region.yields[1]).rank() != type(region.yields[0]).rank()))
        fail("the positions of the sample's elements do not have its shape");
      else if (positioned && !each)
        element(region.yields[1], Element::index, "position");
      if (which == SiteRegion::support)
        element(region.yields[0], Element::boolean, "support");
      else if (which != SiteRegion::sample)
        real(region.yields[0], name(which));
      else if (type(region.yields[0]).reference)
        fail("the sample is a reference");
    }
    return;
  }
  case Opcode::output_:
    if (counts(1, 0) && operand(0).reference)
      fail("the operand is a reference");
    return;
  case Opcode::require_:
    if (op_.operands.empty()) {
      fail("has no condition");
      return;
    }
    if (!other_counts(0, 0) || !element(op_.operands[0], Element::boolean, "condition"))
      return;
    for (std::size_t i = 1; i < op_.operands.size(); ++i)
      scalar(op_.operands[i], "a value of the message");
    return;
  case Opcode::random_:
    if (!counts(2, 1))
      return;
    element(op_.operands[0], Element::index, "element");
    element(op_.operands[1], Element::index, "attempt");
    real(op_.results[0], "result");
    if (op_.symbol != "uniform" && op_.symbol != "normal")
      fail("unknown kind '" + op_.symbol + "'");
    return;
  default: return;
  }
}

std::string Checker::run() {
  for (ValueId v : op_.operands)
    if (v.id == 0 || v.id >= function_.values.size())
      return std::string(name(op_.opcode)) + ": an operand is not a value";
  for (ValueId v : op_.results)
    if (v.id == 0 || v.id >= function_.values.size())
      return std::string(name(op_.opcode)) + ": a result is not a value";
  for (const Region& region : op_.regions) {
    for (const auto& list : {std::cref(region.arguments), std::cref(region.yields)})
      for (ValueId v : list.get())
        if (v.id == 0 || v.id >= function_.values.size())
          return std::string(name(op_.opcode)) + ": a region names something that is not a value";
  }
  if (is_unary(op_.opcode) || is_binary(op_.opcode) || is_compare(op_.opcode)) {
    arithmetic();
    return error_;
  }
  switch (op_.opcode) {
  case Opcode::constant_:
    if (counts(0, 1))
      scalar(op_.results[0], "result");
    break;
  case Opcode::select_:
    if (counts(3, 1) && element(op_.operands[0], Element::boolean, "condition") &&
        scalar(op_.operands[1], "operand 1") && same(op_.operands[1], op_.operands[2], "operands"))
      same(op_.operands[1], op_.results[0], "operand and result");
    break;
  case Opcode::logical_and_:
  case Opcode::logical_or_:
    if (counts(2, 1))
      for (ValueId v : {op_.operands[0], op_.operands[1], op_.results[0]})
        element(v, Element::boolean, "value");
    break;
  case Opcode::logical_not_:
    if (counts(1, 1))
      for (ValueId v : {op_.operands[0], op_.results[0]})
        element(v, Element::boolean, "value");
    break;
  case Opcode::is_nan_:
    if (counts(1, 1) && real(op_.operands[0], "operand"))
      element(op_.results[0], Element::boolean, "result");
    break;
  case Opcode::to_real_:
    // A real operand is allowed: it changes the precision.
    if (counts(1, 1) && scalar(op_.operands[0], "operand"))
      real(op_.results[0], "result");
    break;
  case Opcode::to_index_:
    if (counts(1, 1) && scalar(op_.operands[0], "operand"))
      element(op_.results[0], Element::index, "result");
    break;
  case Opcode::stop_:
  case Opcode::only_derivative_:
  case Opcode::lane_sum_:
    if (counts(1, 1) && scalar(op_.operands[0], "operand"))
      same(op_.operands[0], op_.results[0], "operand and result");
    break;
  case Opcode::strong_mul_:
    if (counts(2, 1) && real(op_.operands[0], "operand 0") && same(op_.operands[0], op_.operands[1], "operands"))
      same(op_.operands[0], op_.results[0], "operand and result");
    break;
  case Opcode::load_:
  case Opcode::store_:
  case Opcode::accumulate_:
  case Opcode::freeze_: memory(); break;
  case Opcode::build_:
  case Opcode::alloc_:
  case Opcode::reduce_:
  case Opcode::loop_:
  case Opcode::if_:
  case Opcode::while_: control(); break;
  case Opcode::site_:
  case Opcode::output_:
  case Opcode::require_:
  case Opcode::random_: statement(); break;
  case Opcode::call_:
    if (!op_.regions.empty())
      fail("has regions");
    break;
  default: break;
  }
  return error_;
}

} // namespace

std::string type_error(const Function& function, const Op& op) {
  return Checker(function, op).run();
}

} // namespace vmodel::ir
