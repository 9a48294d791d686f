#include "compiler/passes/sites.h"

#include "compiler/ir/axes.h"
#include "compiler/ir/typing.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <map>
#include <sstream>

namespace vmodel::passes {

using ir::SiteRegion;
using Indices = ir::Builder::Indices;

namespace {

const Region& region_of(const Op& site, SiteRegion which) {
  return site.regions[static_cast<std::size_t>(which)];
}

class SiteLowering {
public:
  SiteLowering(const Function& from, const SitePolicy& policy, Function& to)
      : from_(from), policy_(policy), b_(to), axis_(ir::axes(from)),
        r_(from, b_, [this](Rewriter&, const Op& op) { return lower(op); }) {}

  void run();

private:
  // Running totals by target, in the region that is being copied; none: nothing was added yet.
  using Totals = std::vector<ValueId>;

  bool is_sum(SiteAction action) const { return action == SiteAction::sum || action == SiteAction::entropy; }
  std::size_t sum_number(const std::string& target) const {
    return static_cast<std::size_t>(std::find(sums_.begin(), sums_.end(), target) - sums_.begin());
  }
  void declare_targets();
  ValueId declare_array(const std::string& name);
  bool lower(const Op& op);
  void site(const Op& op);
  void sum(const Op& op, const SiteRule& rule);
  void store_events(const Op& op, const SiteRule& rule);
  void output(const Op& op);
  void add(std::size_t target, ValueId value) {
    ValueId& total = totals_[target];
    total = total ? b_.add(total, value) : value;
  }
  std::vector<bool> sums_inside(const Op& op) const;
  void nested(const Op& op, const std::vector<bool>& inside);
  std::vector<ValueId> yields_of(const Region& region, Indices arguments);
  static bool is_scalar_batch(const Op& op) { return op.operands.empty(); }

  const Function& from_;
  const SitePolicy& policy_;
  ir::Builder b_;
  std::vector<Axis> axis_;
  Rewriter r_;
  std::vector<std::string> sums_;
  std::map<std::string, ValueId> targets_;
  Totals totals_;
  ValueId output_offset_;
};

ValueId SiteLowering::declare_array(const std::string& name) {
  const auto found =
      std::find_if(policy_.arrays.begin(), policy_.arrays.end(), [&](const ArrayOutput& a) { return a.name == name; });
  Type type{Element::f64, true, {Dim{}}};
  Axis axis = Axis::particle;
  if (found != policy_.arrays.end()) {
    axis = found->axis;
    for (const ir::Parameter& parameter : from_.parameters)
      if (parameter.name == found->extent)
        type.dims[0] = Dim{0, r_(parameter.value)};
    if (!found->extent.empty() && !type.dims[0].value)
      ir::internal_error("function '" + from_.name + "' has no parameter '" + found->extent + "'");
  }
  return b_.parameter(name, type, axis);
}

void SiteLowering::declare_targets() {
  for (const SiteRule& rule : policy_.rules) {
    if (targets_.contains(rule.target))
      continue;
    if (is_sum(rule.action)) {
      targets_[rule.target] = b_.parameter(rule.target, Type{Element::f64, true, {}}, Axis::particle);
      sums_.push_back(rule.target);
    } else {
      targets_[rule.target] = declare_array(rule.target);
    }
  }
  if (!policy_.outputs.empty())
    targets_[policy_.outputs] = declare_array(policy_.outputs);
  for (const ArrayOutput& array : policy_.arrays) {
    const auto target = targets_.find(array.name);
    if (target == targets_.end() || !array.fill || array.extent.empty())
      continue;
    const ValueId value = b_.constant(*array.fill);
    b_.for_each(b_.function().type(target->second).dims, [&](Indices i) { b_.store(target->second, i, value); });
  }
}

// Copies the operations of a region of a site and gives its yields.
std::vector<ValueId> SiteLowering::yields_of(const Region& region, Indices arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i)
    r_.set(region.arguments[i], arguments[i]);
  r_.copy_ops(region);
  return r_(region.yields);
}

void SiteLowering::sum(const Op& op, const SiteRule& rule) {
  const bool has_entropy = !region_of(op, SiteRegion::entropy).absent;
  const bool negated = rule.action == SiteAction::entropy && !has_entropy;
  const Region& region =
      region_of(op, rule.action == SiteAction::entropy && has_entropy ? SiteRegion::entropy : SiteRegion::density);
  if (region.absent)
    return;
  const auto term = [&](Indices i) { return yields_of(region, i)[0]; };
  std::vector<Dim> extents;
  for (ValueId v : op.operands)
    extents.push_back(b_.dim(r_(v)));
  ValueId total = is_scalar_batch(op) ? term({}) : b_.sum(extents, term);
  add(sum_number(rule.target), negated ? b_.neg(total) : total);
}

void SiteLowering::store_events(const Op& op, const SiteRule& rule) {
  const SiteRegion which = rule.action == SiteAction::pointwise ? SiteRegion::density
                           : rule.action == SiteAction::sample  ? SiteRegion::sample
                                                                : SiteRegion::support;
  const Region& region = region_of(op, which);
  if (region.absent || region.yields.size() < 2)
    return;
  if (which == SiteRegion::support && axis_[region.yields[0].id] != Axis::load)
    return;
  const ValueId target = targets_.at(rule.target);
  const auto store = [&](Indices i) {
    const std::vector<ValueId> yields = yields_of(region, i);
    const Type type = b_.function().type(yields[0]);
    const ValueId position = yields[1];
    const auto real = [&](ValueId v) {
      const Element element = b_.function().type(v).element;
      if (element == Element::boolean)
        return b_.select(v, b_.constant(1), b_.constant(0));
      return element == Element::index ? b_.to_real(v) : v;
    };
    if (type.is_scalar()) {
      b_.store(target, std::vector<ValueId>{position}, real(yields[0]));
      return;
    }
    const bool each = b_.function().type(position).rank() > 0;
    b_.for_each(type.dims, [&](Indices event) {
      ValueId at = b_.index(0);
      for (std::size_t k = 0; k < event.size(); ++k)
        at = b_.add(b_.mul(at, b_.extent(type.dims[k])), event[k]);
      at = each ? b_.load(position, event) : b_.add(position, at);
      b_.store(target, std::vector<ValueId>{at}, real(b_.load(yields[0], event)));
    });
  };
  std::vector<Dim> extents;
  for (ValueId v : op.operands)
    extents.push_back(b_.dim(r_(v)));
  if (is_scalar_batch(op))
    store({});
  else
    b_.for_each(extents, store);
}

void SiteLowering::site(const Op& op) {
  b_.set_range(op.range);
  for (const SiteRule& rule : policy_.rules)
    if (rule.kind == op.site_kind) {
      if (is_sum(rule.action))
        sum(op, rule);
      else
        store_events(op, rule);
    }
}

void SiteLowering::output(const Op& op) {
  if (policy_.outputs.empty())
    return;
  const ValueId target = targets_.at(policy_.outputs);
  const ValueId value = r_(op.operands[0]);
  const Type type = b_.function().type(value);
  if (!output_offset_)
    output_offset_ = b_.index(0);
  const auto real = [&](ValueId v) { return type.element == Element::f64 ? v : b_.to_real(v); };
  if (type.is_scalar()) {
    b_.store(target, std::vector<ValueId>{output_offset_}, real(value));
    output_offset_ = b_.add(output_offset_, b_.index(1));
    return;
  }
  b_.for_each(type.dims, [&](Indices i) {
    ValueId at = b_.index(0);
    for (std::size_t k = 0; k < i.size(); ++k)
      at = b_.add(b_.mul(at, b_.extent(type.dims[k])), i[k]);
    b_.store(target, std::vector<ValueId>{b_.add(output_offset_, at)}, real(b_.load(value, i)));
  });
  output_offset_ = b_.add(output_offset_, b_.product(type.dims));
}

std::vector<bool> SiteLowering::sums_inside(const Op& op) const {
  std::vector<bool> inside(sums_.size());
  for (const Region& region : op.regions)
    ir::for_each_op(region, [&](const Op& inner) {
      if (inner.opcode != Opcode::site_)
        return;
      for (const SiteRule& rule : policy_.rules)
        if (rule.kind == inner.site_kind && is_sum(rule.action))
          inside[sum_number(rule.target)] = true;
    });
  return inside;
}

// Control flow with sites inside yields their sums as further results.
void SiteLowering::nested(const Op& op, const std::vector<bool>& inside) {
  std::vector<std::size_t> wanted;
  for (std::size_t t = 0; t < inside.size(); ++t)
    if (inside[t])
      wanted.push_back(t);
  const bool is_loop = op.opcode == Opcode::loop_;
  if (op.opcode != Opcode::if_ && !is_loop && !(op.opcode == Opcode::reduce_ && op.symbol == "add"))
    ir::internal_error(std::string("a site inside of '") + ir::name(op.opcode) + "'");
  const Type real{Element::f64, false, {}};
  Op copied = ir::bare(op);
  copied.operands = r_(op.operands);
  if (is_loop)
    for (std::size_t i = 0; i < wanted.size(); ++i)
      copied.operands.push_back(b_.constant(0));
  for (const Region& region : op.regions) {
    const Totals outer = std::exchange(totals_, Totals(sums_.size()));
    b_.open_region();
    std::vector<ValueId> arguments = r_.declare(region.arguments);
    if (is_loop)
      for (std::size_t t : wanted) {
        arguments.push_back(b_.function().add_value(real, sums_[t]));
        totals_[t] = arguments.back();
      }
    r_.copy_ops(region);
    std::vector<ValueId> yields = r_(region.yields);
    for (std::size_t t : wanted)
      yields.push_back(totals_[t] ? totals_[t] : b_.constant(0));
    copied.regions.push_back(b_.close_region(std::move(yields)));
    copied.regions.back().arguments = std::move(arguments);
    totals_ = outer;
  }
  copied.results = r_.declare(op.results);
  const std::size_t first = copied.results.size();
  for (std::size_t t : wanted)
    copied.results.push_back(b_.function().add_value(real, sums_[t]));
  const std::vector<ValueId> results = copied.results;
  b_.append(std::move(copied));
  for (std::size_t i = 0; i < wanted.size(); ++i)
    add(wanted[i], results[first + i]);
}

bool SiteLowering::lower(const Op& op) {
  switch (op.opcode) {
  case Opcode::site_: site(op); return true;
  case Opcode::output_: output(op); return true;
  case Opcode::reduce_:
  case Opcode::loop_:
  case Opcode::if_:
  case Opcode::build_:
  case Opcode::while_: {
    const std::vector<bool> inside = sums_inside(op);
    if (std::find(inside.begin(), inside.end(), true) == inside.end())
      return false;
    nested(op, inside);
    return true;
  }
  default: return false;
  }
}

void SiteLowering::run() {
  b_.function().name = from_.name;
  ir::copy_parameters(from_, b_, r_);
  declare_targets();
  totals_.resize(sums_.size());
  r_.copy_ops(from_.body);
  for (std::size_t t = 0; t < sums_.size(); ++t)
    b_.store(targets_.at(sums_[t]), Indices{}, totals_[t] ? totals_[t] : b_.constant(0));
  b_.yield({});
}

} // namespace

Function lower_sites(const Function& function, const SitePolicy& policy) {
  Function lowered;
  SiteLowering(function, policy, lowered).run();
  Function result = remove_dead_code(lowered);
  for (const std::string& name : policy.without) {
    const auto found = std::find_if(result.parameters.begin(), result.parameters.end(),
                                    [&](const ir::Parameter& parameter) { return parameter.name == name; });
    if (found == result.parameters.end())
      continue;
    bool used = false;
    ir::for_each_op(result.body, [&](const Op& op) {
      used |= std::find(op.operands.begin(), op.operands.end(), found->value) != op.operands.end();
    });
    if (used)
      ir::internal_error("function '" + function.name + "' cannot do without its parameter '" + name + "'");
    result.parameters.erase(found);
  }
  return result;
}

std::optional<SitePolicy> parse_site_policy(const std::string& text) {
  static const std::map<std::string, SiteAction> actions = {{"sum", SiteAction::sum},
                                                            {"entropy", SiteAction::entropy},
                                                            {"pointwise", SiteAction::pointwise},
                                                            {"sample", SiteAction::sample},
                                                            {"support", SiteAction::support}};
  SitePolicy policy;
  std::istringstream statements(text);
  for (std::string statement; std::getline(statements, statement, ';');) {
    std::istringstream words(statement);
    std::string verb, first, second;
    words >> verb >> first >> second;
    if (const auto action = actions.find(verb); action != actions.end()) {
      std::optional<ir::SiteKind> kind;
      for (ir::SiteKind k : {ir::SiteKind::prior, ir::SiteKind::observe, ir::SiteKind::factor, ir::SiteKind::jacobian,
                             ir::SiteKind::draw})
        if (first == ir::name(k))
          kind = k;
      if (!kind || second.empty())
        return std::nullopt;
      policy.rules.push_back({*kind, action->second, second});
    } else if (verb == "array" && !first.empty()) {
      ArrayOutput array{first, second, Axis::particle, {}};
      for (std::string word; words >> word;) {
        if (word == "step")
          array.axis = Axis::step;
        else if (word.starts_with("fill="))
          array.fill = std::atof(word.c_str() + 5);
        else
          return std::nullopt;
      }
      policy.arrays.push_back(std::move(array));
    } else if (verb == "outputs" && !first.empty()) {
      policy.outputs = first;
    } else if (verb == "without" && !first.empty()) {
      policy.without.push_back(first);
    } else {
      return std::nullopt;
    }
  }
  return policy;
}

} // namespace vmodel::passes
