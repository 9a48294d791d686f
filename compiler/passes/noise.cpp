// Random numbers of draws as an array. `FAMILY.draw` becomes a function of them, so that its derivative reads the
// numbers of the draw again and does not make them again, and `FAMILY.noise` makes all of them in loops that do nothing
// else. Numbers in a `while` (rejection) or with an element that is no polynomial of loop indices stay where they are.
#include "compiler/passes/noise.h"

#include "compiler/passes/entry_points.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/sizes_table.h"

#include <algorithm>
#include <map>
#include <optional>

namespace vmodel::passes {

using ir::Parameter;

namespace {

constexpr const char* noise_name = "noise";

/// Sums of products of index parameters (by name, sorted), with whole factors.
using Polynomial = std::map<std::vector<std::string>, std::int64_t>;

Polynomial add(Polynomial a, const Polynomial& b, std::int64_t factor = 1) {
  for (const auto& [names, count] : b) {
    a[names] += factor * count;
    if (a[names] == 0)
      a.erase(names);
  }
  return a;
}

Polynomial multiply(const Polynomial& a, const Polynomial& b) {
  Polynomial result;
  for (const auto& [left, m] : a)
    for (const auto& [right, n] : b) {
      std::vector<std::string> names;
      std::merge(left.begin(), left.end(), right.begin(), right.end(), std::back_inserter(names));
      result = add(std::move(result), {{names, m * n}});
    }
  return result;
}

Polynomial constant(std::int64_t value) {
  return value == 0 ? Polynomial{} : Polynomial{{{}, value}};
}

/// The value of a polynomial, or 0 where it is negative.
ValueId emit(Builder& b, const Polynomial& polynomial, const Values& parameters) {
  ValueId sum = b.index(0);
  bool may_be_negative = false;
  for (const auto& [names, count] : polynomial) {
    ValueId product = b.index(count);
    for (const std::string& name : names)
      product = b.mul(product, parameters.at(name));
    sum = b.add(sum, product);
    may_be_negative |= count < 0;
  }
  return may_be_negative ? b.binary(Opcode::max, sum, b.index(0)) : sum;
}

/// The sites of a draw whose numbers can stand in an array, and how many each has.
class Sites {
public:
  explicit Sites(const Function& draw) : draw_(draw) {
    for (const Parameter& parameter : draw.parameters)
      if (parameter.axis == Axis::load && draw.type(parameter.value) == Type{Element::index})
        bounds_[parameter.value] = Polynomial{{{parameter.name}, 1}};
    visit(draw.body, false);
    std::erase_if(sites_, [](const auto& entry) { return !entry.second.count; });
  }

  struct Site {
    std::string kind;
    std::optional<Polynomial> count; // nothing: not to be had
  };
  const std::map<std::int64_t, Site>& all() const { return sites_; }

  /// The names of the parameters that the numbers depend on.
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& [number, site] : sites_)
      for (const auto& [names, count] : *site.count)
        result.insert(result.end(), names.begin(), names.end());
    return result;
  }

private:
  /// The greatest value that an index takes (over the turns of the loops around it, if there are any turns), for
  /// indices that grow with those of the loops.
  std::optional<Polynomial> greatest(ValueId v) const {
    const auto found = bounds_.find(v);
    return found == bounds_.end() ? std::nullopt : std::optional(found->second);
  }

  std::optional<Polynomial> greatest(const Op& op) const {
    if (op.opcode == Opcode::constant_)
      return constant(op.integer);
    if (op.operands.size() != 2)
      return std::nullopt;
    const std::optional<Polynomial> a = greatest(op.operands[0]), b = greatest(op.operands[1]);
    const bool turns = turn_.contains(op.operands[0]) || turn_.contains(op.operands[1]);
    if (!a || !b)
      return std::nullopt;
    switch (op.opcode) {
    case Opcode::add: return add(*a, *b);
    case Opcode::mul: return multiply(*a, *b);
    case Opcode::sub: return turns ? std::nullopt : std::optional(add(*a, *b, -1));
    // Limits of loops: where they are negative, there are no turns.
    case Opcode::max: return b->empty() ? a : a->empty() ? b : std::nullopt;
    default: return std::nullopt;
    }
  }

  void turn(ValueId index, ValueId extent) {
    turn_[index] = true;
    if (const std::optional<Polynomial> count = greatest(extent); count && !turn_.contains(extent))
      bounds_[index] = add(*count, constant(1), -1);
  }

  void visit(const Region& region, bool in_while) {
    for (const Op& op : region.ops) {
      if (op.results.size() == 1 && op.regions.empty() && draw_.type(op.results[0]) == Type{Element::index}) {
        if (std::optional<Polynomial> bound = greatest(op))
          bounds_[op.results[0]] = std::move(*bound);
        for (ValueId operand : op.operands)
          if (turn_.contains(operand))
            turn_[op.results[0]] = true;
      }
      if (op.opcode == Opcode::random_)
        note(op, in_while);
      for (const Region& inner : op.regions) {
        if (op.opcode == Opcode::loop_)
          turn(inner.arguments[0], op.operands[0]);
        else if (op.opcode == Opcode::reduce_ || op.opcode == Opcode::build_)
          for (std::size_t i = 0; i < inner.arguments.size(); ++i)
            turn(inner.arguments[i], op.operands[i]);
        visit(inner, in_while || op.opcode == Opcode::while_);
      }
    }
  }

  void note(const Op& op, bool in_while) {
    const auto [entry, is_new] = sites_.try_emplace(op.integer, Site{op.symbol, Polynomial{}});
    Site& site = entry->second;
    const std::optional<Polynomial> last = greatest(op.operands[0]), attempt = greatest(op.operands[1]);
    const bool first_attempt = attempt && attempt->empty() && !turn_.contains(op.operands[1]);
    if (in_while || !last || !first_attempt || site.kind != op.symbol) {
      site.count.reset();
      return;
    }
    if (!site.count)
      return;
    const Polynomial count = add(*last, constant(1));
    // A site whose loop was unrolled stands in several places, with constants.
    const auto is_constant = [](const Polynomial& p) {
      return p.empty() || (p.size() == 1 && p.begin()->first.empty());
    };
    const auto value = [](const Polynomial& p) { return p.empty() ? 0 : p.begin()->second; };
    if (is_new || *site.count == count)
      site.count = count;
    else if (is_constant(*site.count) && is_constant(count))
      site.count = constant(std::max(value(*site.count), value(count)));
    else
      site.count.reset();
  }

  const Function& draw_;
  std::map<ValueId, Polynomial> bounds_;
  std::map<ValueId, bool> turn_; // values that change from turn to turn of a loop
  std::map<std::int64_t, Site> sites_;
};

class Splitter {
public:
  Splitter(Module module, std::vector<FamilyNoise>& made) : module_(std::move(module)), made_(made) {}

  Module run() {
    std::vector<Function> noises;
    for (std::size_t i = 0; i < module_.functions.size(); ++i) {
      const std::string family = family_of_kernel(module_.functions[i].name, ".draw");
      if (family.empty())
        continue;
      const Sites sites(module_.functions[i]);
      const std::optional<std::int64_t> number = sites.all().empty() ? std::nullopt : add_count(sites);
      if (!number)
        continue;
      made_.push_back({family, *number});
      noises.push_back(noise_kernel(module_.functions[i], family, sites, *number));
      module_.functions[i] = reading_draw(module_.functions[i], sites, *number);
    }
    for (Function& noise : noises)
      module_.functions.push_back(std::move(noise));
    return std::move(module_);
  }

private:
  /// The sum of all counts as one more entry of `sizes`: its number.
  std::optional<std::int64_t> add_count(const Sites& sites) {
    return add_size(module_, [&](Builder& b, const Values& values) -> std::optional<ValueId> {
      for (const std::string& name : sites.names())
        if (!values.contains(name))
          return std::nullopt;
      ValueId sum = b.index(0);
      for (const auto& [site, entry] : sites.all())
        sum = b.add(sum, emit(b, *entry.count, values));
      return sum;
    });
  }

  /// Parameters of a kernel with the size and the array of its random numbers, the latter right after `phi`.
  static ValueId declare(const Function& from, Builder& b, Rewriter& map, std::int64_t number, bool writes) {
    ValueId size, noise;
    const auto noise_parameter = [&] {
      noise = b.parameter(noise_name, Type{Element::f64, writes, {Dim{0, size}}}, Axis::particle);
    };
    for (const Parameter& parameter : from.parameters) {
      const bool is_size = parameter.name.starts_with("size.");
      if (!size && !is_size)
        size = b.parameter("size." + std::to_string(number), Type{Element::index}, Axis::load);
      if (writes && parameter.axis != Axis::load)
        continue;
      const ValueId value = b.parameter(parameter.name, map(from.type(parameter.value)), parameter.axis);
      b.function().values[value.id].hint = from.values[parameter.value.id].hint;
      map.set(parameter.value, value);
      if (!writes && parameter.name == "phi")
        noise_parameter();
    }
    if (!noise)
      noise_parameter();
    return noise;
  }

  static Function reading_draw(const Function& draw, const Sites& sites, std::int64_t number) {
    Function result;
    result.name = draw.name;
    Builder b(result);
    ValueId noise;
    Values values;
    Rewriter copy(draw, b, [&](Rewriter& map, const Op& op) {
      if (op.opcode != Opcode::random_ || !sites.all().contains(op.integer))
        return false;
      ValueId at = map(op.operands[0]);
      for (const auto& [site, entry] : sites.all())
        if (site < op.integer)
          at = b.add(at, emit(b, *entry.count, values));
      map.set(op.results[0], b.load(noise, {at}));
      return true;
    });
    noise = declare(draw, b, copy, number, false);
    values = parameters_by_name(result);
    copy.copy_ops(draw.body);
    b.yield({});
    return result;
  }

  static Function noise_kernel(const Function& draw, const std::string& family, const Sites& sites,
                               std::int64_t number) {
    Function result;
    result.name = family + ".noise";
    Builder b(result);
    Rewriter map(draw, b);
    const ValueId noise = declare(draw, b, map, number, true);
    const Values values = parameters_by_name(result);
    ValueId offset = b.index(0);
    for (const auto& [site, entry] : sites.all()) {
      const ValueId count = emit(b, *entry.count, values);
      const Dim extents[] = {b.dim(count)};
      const auto draw_one = [&, site = site, kind = entry.kind](ValueId i) {
        const ValueId at[] = {b.add(offset, i)};
        b.store(noise, at, b.random(kind, site, i, b.index(0)));
      };
      if (extents[0] == Dim{1, {}})
        draw_one(b.index(0));
      else
        b.for_each(extents, [&](Builder::Indices i) { draw_one(i[0]); });
      offset = b.add(offset, count);
    }
    b.yield({});
    return result;
  }

  Module module_;
  std::vector<FamilyNoise>& made_;
};

} // namespace

Module split_noise(Module module, std::vector<FamilyNoise>& made) {
  return Splitter(std::move(module), made).run();
}

} // namespace vmodel::passes
