#include "test/support/vir_evaluate.h"

#include "compiler/ir/fold.h"
#include "compiler/ir/typing.h"
#include "test/support/special_functions.h"

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>

namespace vmodel::ir {

namespace {

bool is_real(Element element) {
  return element == Element::f64 || element == Element::f32;
}

// A scalar, or memory that several values may share (a reference and what it is frozen to).
struct Cell {
  double number = 0;
  std::int64_t integer = 0;
  std::shared_ptr<Array> array;
};

class Evaluator {
public:
  Evaluator(const Module& module, std::uint64_t seed) : module_(module), seed_(seed) {}

  Arrays run(const Function& function, const Arrays& inputs);

private:
  struct Frame {
    const Function& function;
    std::vector<Cell> cells;
  };

  Array to_array(const Function& function, ValueId v, const Cell& cell);
  std::vector<Cell> call(const Function& function, const std::vector<Cell>& arguments);
  void check_shape(Frame& f, const Parameter& parameter);

  static Cell& cell(Frame& f, ValueId v) { return f.cells[v.id]; }
  static std::int64_t dim(Frame& f, const Dim& d) { return d.value ? cell(f, d.value).integer : d.constant; }
  std::shared_ptr<Array> memory(Frame& f, const Type& type, double fill);
  std::vector<Cell> region(Frame& f, const Region& region, const std::vector<Cell>& arguments);
  void op(Frame& f, const Op& op);
  void scalar(Frame& f, const Op& op);
  std::size_t offset(Frame& f, const Op& op);
  void access(Frame& f, const Op& op);
  void build(Frame& f, const Op& op);
  void reduce(Frame& f, const Op& op);
  void loop(Frame& f, const Op& op);
  void repeat_while(Frame& f, const Op& op);
  void site(Frame& f, const Op& op);
  void record(const std::string& name, const Function& function, ValueId v, const Cell& value);
  void each(Frame& f, const std::vector<ValueId>& extents, const std::function<void(const std::vector<Cell>&)>& visit);
  double random(const Op& op, std::int64_t element, std::int64_t attempt) const;
  void step() {
    if (++steps_ > 50'000'000)
      throw std::runtime_error("the program runs too long");
  }

  const Module& module_;
  std::uint64_t seed_;
  std::size_t steps_ = 0;
  Arrays recorded_;
};

std::shared_ptr<Array> Evaluator::memory(Frame& f, const Type& type, double fill) {
  auto array = std::make_shared<Array>();
  std::int64_t size = 1;
  for (const Dim& d : type.dims) {
    array->dims.push_back(dim(f, d));
    size *= array->dims.back();
  }
  if (size < 0 || size > 100'000'000)
    throw std::runtime_error("an array has a bad size");
  if (is_real(type.element))
    array->numbers.assign(static_cast<std::size_t>(size), fill);
  else
    array->integers.assign(static_cast<std::size_t>(size), 0);
  return array;
}

Array Evaluator::to_array(const Function& function, ValueId v, const Cell& value) {
  if (value.array)
    return *value.array;
  return is_real(function.type(v).element) ? Array::scalar(value.number) : Array::index(value.integer);
}

void Evaluator::record(const std::string& name, const Function& function, ValueId v, const Cell& value) {
  const Array array = to_array(function, v, value);
  Array& all = recorded_[name];
  all.numbers.insert(all.numbers.end(), array.numbers.begin(), array.numbers.end());
  all.integers.insert(all.integers.end(), array.integers.begin(), array.integers.end());
  all.dims = {static_cast<std::int64_t>(all.numbers.size() + all.integers.size())};
}

std::vector<Cell> Evaluator::region(Frame& f, const Region& region, const std::vector<Cell>& arguments) {
  for (std::size_t i = 0; i < region.arguments.size(); ++i)
    cell(f, region.arguments[i]) = arguments[i];
  for (const Op& inner : region.ops)
    op(f, inner);
  std::vector<Cell> yields;
  for (ValueId v : region.yields)
    yields.push_back(cell(f, v));
  return yields;
}

double Evaluator::random(const Op& op, std::int64_t element, std::int64_t attempt) const {
  std::uint64_t state = seed_ * 0x9E3779B97F4A7C15u;
  for (std::uint64_t part : {static_cast<std::uint64_t>(op.integer), static_cast<std::uint64_t>(element),
                             static_cast<std::uint64_t>(attempt), std::uint64_t{op.symbol == "normal"}}) {
    state += part * 0xD1B54A32D192ED03u + 0x9E3779B97F4A7C15u;
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
    state = (state ^ (state >> 27)) * 0x94D049BB133111EBu;
    state ^= state >> 31;
  }
  const double uniform = (static_cast<double>(state >> 11) + 0.5) * 0x1p-53;
  return op.symbol == "normal" ? std_normal_quantile(uniform) : uniform;
}

double unary(Opcode opcode, double x) {
  switch (opcode) {
  case Opcode::log1p_exp: return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
  case Opcode::log1m_exp: return x > -0.6931471805599453 ? std::log(-std::expm1(x)) : std::log1p(-std::exp(x));
  case Opcode::log_expm1: return x > 0.6931471805599453 ? x + std::log1p(-std::exp(-x)) : std::log(std::expm1(x));
  case Opcode::inv_logit: return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
  case Opcode::log_inv_logit: return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x));
  case Opcode::logit: return std::log(x / (1 - x));
  case Opcode::std_normal_cdf: return 0.5 * std::erfc(-x / std::sqrt(2.0));
  case Opcode::log_std_normal_cdf: return log_std_normal_cdf(x);
  case Opcode::std_normal_quantile: return std_normal_quantile(x);
  case Opcode::lgamma: return std::lgamma(x);
  case Opcode::digamma: return polygamma(0, x);
  case Opcode::trigamma: return polygamma(1, x);
  case Opcode::tetragamma: return polygamma(2, x);
  default: throw std::runtime_error(std::string("no evaluation of ") + name(opcode));
  }
}

void Evaluator::scalar(Frame& f, const Op& op) {
  const Function& function = f.function;
  std::vector<Constant> operands;
  for (ValueId v : op.operands) {
    const Element element = function.type(v).element;
    operands.push_back({is_real(element) ? Element::f64 : element, cell(f, v).number, cell(f, v).integer});
  }
  Cell& result = cell(f, op.results[0]);
  if (const auto folded = fold(op.opcode, operands)) {
    result.number = folded->number;
    result.integer = folded->integer;
    return;
  }
  if (op.opcode == Opcode::lane_sum_)
    result = cell(f, op.operands[0]);
  else if (op.opcode == Opcode::to_index_)
    throw std::runtime_error("to_index of a number that is not an index");
  else if (is_unary(op.opcode) && is_real(function.type(op.operands[0]).element))
    result.number = unary(op.opcode, operands[0].number);
  else
    throw std::runtime_error(std::string("undefined ") + name(op.opcode));
}

std::size_t Evaluator::offset(Frame& f, const Op& op) {
  const Array& array = *cell(f, op.operands[0]).array;
  std::int64_t result = 0;
  for (std::size_t i = 0; i < array.dims.size(); ++i) {
    const std::int64_t index = cell(f, op.operands[1 + i]).integer;
    if (index < 0 || index >= array.dims[i])
      throw std::runtime_error("index " + std::to_string(index) + " of a " + name(op.opcode) + " from " +
                               f.function.values[op.operands[0].id].hint + " is outside 0.." +
                               std::to_string(array.dims[i]));
    result = result * array.dims[i] + index;
  }
  return static_cast<std::size_t>(result);
}

void Evaluator::access(Frame& f, const Op& op) {
  const std::size_t at = offset(f, op);
  Array& array = *cell(f, op.operands[0]).array;
  const bool real = is_real(f.function.type(op.operands[0]).element);
  if (op.opcode == Opcode::load_) {
    Cell& result = cell(f, op.results[0]);
    result = {};
    if (real)
      result.number = array.numbers[at];
    else
      result.integer = array.integers[at];
    return;
  }
  const Cell& value = cell(f, op.operands.back());
  const bool add = op.opcode == Opcode::accumulate_;
  if (real)
    array.numbers[at] = add ? array.numbers[at] + value.number : value.number;
  else
    array.integers[at] = add ? array.integers[at] + value.integer : value.integer;
}

void Evaluator::each(Frame& f, const std::vector<ValueId>& extents,
                     const std::function<void(const std::vector<Cell>&)>& visit) {
  std::vector<std::int64_t> limits;
  for (ValueId v : extents) {
    limits.push_back(cell(f, v).integer);
    if (limits.back() <= 0)
      return;
  }
  std::vector<Cell> indices(limits.size());
  while (true) {
    step();
    visit(indices);
    std::size_t axis = limits.size();
    while (axis > 0 && ++indices[axis - 1].integer == limits[axis - 1])
      indices[--axis].integer = 0;
    if (axis == 0)
      return;
  }
}

void Evaluator::build(Frame& f, const Op& op) {
  const Type& type = f.function.type(op.results[0]);
  const auto array = memory(f, type, 0);
  std::size_t at = 0;
  each(f, op.operands, [&](const std::vector<Cell>& indices) {
    const Cell value = region(f, op.regions[0], indices)[0];
    if (is_real(type.element))
      array->numbers[at++] = value.number;
    else
      array->integers[at++] = value.integer;
  });
  cell(f, op.results[0]) = {0, 0, array};
}

void Evaluator::reduce(Frame& f, const Op& op) {
  std::vector<Cell> totals(op.results.size());
  const double infinity = std::numeric_limits<double>::infinity();
  for (Cell& total : totals) {
    if (op.symbol == "max")
      total = {-infinity, std::numeric_limits<std::int64_t>::min(), nullptr};
    if (op.symbol == "min")
      total = {infinity, std::numeric_limits<std::int64_t>::max(), nullptr};
    if (op.symbol == "and")
      total.integer = 1;
  }
  each(f, op.operands, [&](const std::vector<Cell>& indices) {
    const std::vector<Cell> values = region(f, op.regions[0], indices);
    for (std::size_t i = 0; i < totals.size(); ++i) {
      const Opcode code = op.symbol == "add"   ? Opcode::add
                          : op.symbol == "max" ? Opcode::max
                          : op.symbol == "min" ? Opcode::min
                          : op.symbol == "and" ? Opcode::logical_and_
                                               : Opcode::logical_or_;
      const Element element = f.function.type(op.results[i]).element;
      const Element kind = is_real(element) ? Element::f64 : element;
      const Constant pair[] = {{kind, totals[i].number, totals[i].integer},
                               {kind, values[i].number, values[i].integer}};
      const Constant sum = fold(code, pair).value();
      totals[i] = {sum.number, sum.integer, nullptr};
    }
  });
  for (std::size_t i = 0; i < totals.size(); ++i)
    cell(f, op.results[i]) = totals[i];
}

void Evaluator::loop(Frame& f, const Op& op) {
  const std::int64_t extent = cell(f, op.operands[0]).integer;
  std::vector<Cell> carried(1);
  for (std::size_t i = 1; i < op.operands.size(); ++i)
    carried.push_back(cell(f, op.operands[i]));
  for (std::int64_t i = 0; i < extent; ++i) {
    step();
    carried[0].integer = op.integer ? extent - 1 - i : i;
    std::vector<Cell> next = region(f, op.regions[0], carried);
    std::move(next.begin(), next.end(), carried.begin() + 1);
  }
  for (std::size_t i = 0; i < op.results.size(); ++i)
    cell(f, op.results[i]) = carried[i + 1];
}

void Evaluator::repeat_while(Frame& f, const Op& op) {
  std::vector<Cell> carried;
  for (ValueId v : op.operands)
    carried.push_back(cell(f, v));
  while (region(f, op.regions[0], carried)[0].integer != 0) {
    step();
    carried = region(f, op.regions[1], carried);
  }
  for (std::size_t i = 0; i < op.results.size(); ++i)
    cell(f, op.results[i]) = carried[i];
}

void Evaluator::site(Frame& f, const Op& op) {
  for (std::size_t r = 0; r < op.regions.size(); ++r) {
    const Region& body = op.regions[r];
    if (body.absent)
      continue;
    const std::string label = std::string(name(static_cast<SiteRegion>(r))) + "." + op.symbol;
    each(f, op.operands, [&](const std::vector<Cell>& indices) {
      const Cell value = region(f, body, indices)[0];
      record(label, f.function, body.yields[0], value);
    });
  }
}

void Evaluator::op(Frame& f, const Op& op) {
  step();
  switch (op.opcode) {
  case Opcode::constant_: cell(f, op.results[0]) = {op.number, op.integer, nullptr}; return;
  case Opcode::load_:
  case Opcode::store_:
  case Opcode::accumulate_: return access(f, op);
  case Opcode::build_: return build(f, op);
  case Opcode::alloc_:
    cell(f, op.results[0]).array =
        memory(f, f.function.type(op.results[0]), op.integer ? 0 : std::numeric_limits<double>::quiet_NaN());
    return;
  case Opcode::freeze_: cell(f, op.results[0]) = cell(f, op.operands[0]); return;
  case Opcode::reduce_: return reduce(f, op);
  case Opcode::loop_: return loop(f, op);
  case Opcode::if_: {
    const std::vector<Cell> values = region(f, op.regions[cell(f, op.operands[0]).integer ? 0 : 1], {});
    for (std::size_t i = 0; i < op.results.size(); ++i)
      cell(f, op.results[i]) = values[i];
    return;
  }
  case Opcode::while_: return repeat_while(f, op);
  case Opcode::call_: {
    const Function* callee = module_.find(op.symbol);
    if (!callee)
      throw std::runtime_error("no function " + op.symbol);
    std::vector<Cell> arguments;
    for (ValueId v : op.operands)
      arguments.push_back(cell(f, v));
    const std::vector<Cell> values = call(*callee, arguments);
    for (std::size_t i = 0; i < op.results.size(); ++i)
      cell(f, op.results[i]) = values[i];
    return;
  }
  case Opcode::site_: return site(f, op);
  case Opcode::output_: return record("output." + op.symbol, f.function, op.operands[0], cell(f, op.operands[0]));
  case Opcode::require_: return record("require." + op.symbol, f.function, op.operands[0], cell(f, op.operands[0]));
  case Opcode::random_:
    cell(f, op.results[0]).number = random(op, cell(f, op.operands[0]).integer, cell(f, op.operands[1]).integer);
    return;
  default: return scalar(f, op);
  }
}

void Evaluator::check_shape(Frame& f, const Parameter& parameter) {
  const Type& type = f.function.type(parameter.value);
  if (type.is_scalar())
    return;
  const auto& array = cell(f, parameter.value).array;
  std::vector<std::int64_t> expected;
  for (const Dim& d : type.dims)
    expected.push_back(dim(f, d));
  if (!array || array->dims != expected)
    throw std::runtime_error("argument " + parameter.name + " of " + f.function.name + " has another shape");
}

std::vector<Cell> Evaluator::call(const Function& function, const std::vector<Cell>& arguments) {
  Frame f{function, std::vector<Cell>(function.values.size())};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    cell(f, function.parameters[i].value) = arguments[i];
    check_shape(f, function.parameters[i]);
  }
  return region(f, function.body, {});
}

Arrays Evaluator::run(const Function& function, const Arrays& inputs) {
  Frame f{function, std::vector<Cell>(function.values.size())};
  for (const Parameter& parameter : function.parameters) {
    const Type& type = function.type(parameter.value);
    Cell& value = cell(f, parameter.value);
    const auto found = inputs.find(parameter.name);
    if (found == inputs.end()) {
      if (!type.reference)
        throw std::runtime_error("no input " + parameter.name);
      value.array = memory(f, type, 0);
      continue;
    }
    const Array& input = found->second;
    if ((is_real(type.element) ? input.numbers : std::vector<double>(input.integers.begin(), input.integers.end()))
            .empty() &&
        input.dims.empty())
      throw std::runtime_error("input " + parameter.name + " has another element type");
    if (!type.is_scalar())
      value.array = std::make_shared<Array>(input);
    else if (is_real(type.element))
      value.number = input.numbers.at(0);
    else
      value.integer = input.integers.at(0);
    check_shape(f, parameter);
  }
  const std::vector<Cell> results = region(f, function.body, {});
  Arrays all = recorded_;
  for (std::size_t i = 0; i < results.size(); ++i)
    all["result." + std::to_string(i)] = to_array(function, function.body.yields[i], results[i]);
  for (const Parameter& parameter : function.parameters)
    if (function.type(parameter.value).reference)
      all[parameter.name] = *cell(f, parameter.value).array;
  return all;
}

} // namespace

Arrays evaluate(const Module& module, const std::string& name, const Arrays& inputs, std::uint64_t seed) {
  const Function* function = module.find(name);
  if (!function)
    throw std::runtime_error("no function " + name);
  return Evaluator(module, seed).run(*function, inputs);
}

} // namespace vmodel::ir
