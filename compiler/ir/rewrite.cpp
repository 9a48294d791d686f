#include "compiler/ir/rewrite.h"

#include "compiler/ir/typing.h"

#include <algorithm>
#include <set>

namespace vmodel::ir {

Rewriter::Rewriter(const Function& from, Builder& to, Hook hook)
    : from_(from), builder_(to), hook_(std::move(hook)), map_(from.values.size()) {}

ValueId Rewriter::operator()(ValueId old) const {
  if (old.id == 0)
    return {};
  if (old.id >= map_.size() || map_[old.id].id == 0)
    internal_error("in function '" + from_.name + "': value " + std::to_string(old.id) +
                   " is copied before its definition");
  return map_[old.id];
}

std::vector<ValueId> Rewriter::operator()(const std::vector<ValueId>& old) const {
  std::vector<ValueId> result;
  result.reserve(old.size());
  for (ValueId v : old)
    result.push_back((*this)(v));
  return result;
}

Dim Rewriter::operator()(const Dim& dim) const {
  return dim.value ? builder_.dim((*this)(dim.value)) : dim;
}

Type Rewriter::operator()(const Type& type) const {
  Type result = type;
  for (Dim& dim : result.dims)
    dim = (*this)(dim);
  return result;
}

std::vector<ValueId> Rewriter::declare(const std::vector<ValueId>& old) {
  std::vector<ValueId> result;
  result.reserve(old.size());
  for (ValueId v : old) {
    const Value& value = from_.values[v.id];
    result.push_back(builder_.function().add_value((*this)(value.type), value.hint));
    set(v, result.back());
  }
  return result;
}

void Rewriter::copy(const Op& op, bool use_hook) {
  if (use_hook && hook_ && hook_(*this, op))
    return;
  // A constant that is already there serves again; so repeated copies do not multiply constants.
  if (op.opcode == Opcode::constant_) {
    const Element element = from_.type(op.results[0]).element;
    if (element != Element::f32 && from_.values[op.results[0].id].hint.empty()) {
      set(op.results[0], element == Element::f64     ? builder_.constant(op.number)
                         : element == Element::index ? builder_.index(op.integer)
                                                     : builder_.boolean(op.integer != 0));
      return;
    }
  }
  Op copied = bare(op);
  copied.operands = (*this)(op.operands);
  copied.regions.reserve(op.regions.size());
  for (const Region& region : op.regions)
    copied.regions.push_back(copy_region(region));
  copied.results = declare(op.results);
  builder_.append(std::move(copied));
}

void Rewriter::copy_ops(const Region& region) {
  for (const Op& op : region.ops) {
    const SourceRange outer = builder_.range();
    builder_.set_range(op.range);
    copy(op);
    builder_.set_range(outer);
  }
}

Region Rewriter::copy_region(const Region& region, const std::function<void(std::vector<ValueId>&)>& extra) {
  if (region.absent)
    return region;
  builder_.open_region();
  std::vector<ValueId> arguments = declare(region.arguments);
  copy_ops(region);
  std::vector<ValueId> yields = (*this)(region.yields);
  if (extra)
    extra(yields);
  Region result = builder_.close_region(std::move(yields));
  result.arguments = std::move(arguments);
  return result;
}

void copy_parameters(const Function& from, Builder& to, Rewriter& map) {
  for (const Parameter& parameter : from.parameters) {
    const Value& old = from.values[parameter.value.id];
    const ValueId value = to.parameter(parameter.name, map(old.type), parameter.axis);
    to.function().values[value.id].hint = old.hint;
    map.set(parameter.value, value);
  }
}

Function rewrite(const Function& function, const Rewriter::Hook& hook) {
  Function result;
  result.name = function.name;
  Builder builder(result);
  Rewriter rewriter(function, builder, hook);
  copy_parameters(function, builder, rewriter);
  rewriter.copy_ops(function.body);
  builder.yield(rewriter(function.body.yields));
  return result;
}

Op bare(const Op& op) {
  Op result;
  result.opcode = op.opcode;
  result.number = op.number;
  result.integer = op.integer;
  result.symbol = op.symbol;
  result.site_kind = op.site_kind;
  result.range = op.range;
  return result;
}

void for_each_op(const Region& region, const std::function<void(const Op&)>& visit) {
  for (const Op& op : region.ops) {
    visit(op);
    for (const Region& inner : op.regions)
      for_each_op(inner, visit);
  }
}

std::vector<int> count_uses(const Function& function) {
  std::vector<int> uses(function.values.size());
  const auto count = [&](const std::vector<ValueId>& values) {
    for (const ValueId v : values)
      ++uses[v.id];
  };
  count(function.body.yields);
  for_each_op(function.body, [&](const Op& op) {
    count(op.operands);
    for (const Region& region : op.regions)
      count(region.yields);
  });
  return uses;
}

namespace {

bool writes_outside(const Op& op, std::set<ValueId>& own, bool calls) {
  if (op.opcode == Opcode::call_)
    return calls;
  if (op.opcode == Opcode::alloc_)
    own.insert(op.results[0]);
  if (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_)
    return !own.contains(op.operands[0]);
  if (has_effect(op.opcode))
    return true;
  for (const Region& region : op.regions)
    for (const Op& inner : region.ops)
      if (writes_outside(inner, own, calls))
        return true;
  return false;
}

} // namespace

bool has_effects(const Op& op, bool calls) {
  std::set<ValueId> own;
  return writes_outside(op, own, calls);
}

std::vector<ValueId> free_values(const Function& function, const Op& op) {
  std::set<ValueId> defined;
  std::set<ValueId> seen;
  std::vector<ValueId> result;
  const auto use = [&](ValueId v) {
    if (v.id != 0 && !defined.contains(v) && seen.insert(v).second)
      result.push_back(v);
  };
  const auto define = [&](ValueId v) {
    for (const Dim& dim : function.type(v).dims)
      use(dim.value);
    defined.insert(v);
  };
  const std::function<void(const Op&)> visit = [&](const Op& current) {
    for (ValueId v : current.operands)
      use(v);
    for (const Region& region : current.regions) {
      for (ValueId v : region.arguments)
        define(v);
      for (const Op& inner : region.ops)
        visit(inner);
      for (ValueId v : region.yields)
        use(v);
    }
    for (ValueId v : current.results)
      define(v);
  };
  visit(op);
  return result;
}

} // namespace vmodel::ir
