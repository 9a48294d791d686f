// Reverse mode of operations with regions.
#include "compiler/passes/transpose_internal.h"

namespace vmodel::passes {

namespace {

const Type real{};

} // namespace

// Linear scalars of outer regions that a region uses, in order of their first use.
std::vector<ValueId> Transposer::outer_scalars(const Op& op) const {
  std::vector<ValueId> result;
  std::set<ValueId> own;
  std::set<ValueId> seen;
  const std::function<void(const Region&)> visit = [&](const Region& region) {
    const auto use = [&](ValueId v) {
      if (linear(v) && l_.function.type(v).is_scalar() && !own.contains(v) && seen.insert(v).second)
        result.push_back(v);
    };
    own.insert(region.arguments.begin(), region.arguments.end());
    for (const Op& inner : region.ops) {
      for (ValueId v : inner.operands)
        use(v);
      for (const Region& nested : inner.regions)
        visit(nested);
      own.insert(inner.results.begin(), inner.results.end());
    }
    for (ValueId v : region.yields)
      use(v);
  };
  for (const Region& region : op.regions)
    visit(region);
  return result;
}

bool Transposer::touches_memory(const Region& region) const {
  for (const Op& op : region.ops) {
    for (ValueId v : op.operands)
      if (linear(v) && !l_.function.type(v).is_scalar())
        return true;
    for (const Region& inner : op.regions)
      if (touches_memory(inner))
        return true;
  }
  return false;
}

// The reverse of a region with seeds for its yields; `outer` then holds what it adds to scalars
// outside.
Region Transposer::reverse_region(const Region& region, const std::vector<ValueId>& arguments,
                                  const std::function<void()>& seed,
                                  const std::function<std::vector<ValueId>()>& yields) {
  builder_.open_region();
  frames_.emplace_back();
  seed();
  transpose(region);
  std::vector<ValueId> values = yields();
  frames_.pop_back();
  Region result = builder_.close_region(std::move(values));
  result.arguments = arguments;
  return result;
}

void Transposer::transpose_reduce(const Op& op) {
  const Region& body = op.regions[0];
  std::vector<std::pair<ValueId, Adjoint>> seeds;
  for (std::size_t i = 0; i < op.results.size(); ++i)
    if (const auto a = adjoint(op.results[i]))
      seeds.emplace_back(body.yields[i], *a);
  const bool memory = touches_memory(body);
  if (seeds.empty() && !memory)
    return;
  // One seed, and only sums come out: they are taken with the seed one and multiplied afterwards.
  std::optional<Adjoint> factor;
  bool strong = false;
  if (!memory && seeds.size() == 1 && op.results.size() == 1) {
    factor = seeds[0].second;
    strong = zero_[op.results[0].id];
    seeds[0].second = {builder_.constant(1), false};
  }
  const std::vector<std::pair<ValueId, Adjoint>> sums = reverse_map(op, [&](std::span<const ValueId>) {
    for (const auto& [v, a] : seeds)
      add(v, a);
  });
  for (auto [v, a] : sums) {
    if (factor) {
      const ValueId product =
          strong ? builder_.strong_mul(factor->value, a.value) : builder_.mul(a.value, factor->value);
      a = {product, a.negative != factor->negative};
    }
    add(v, a);
  }
}

void Transposer::transpose_build(const Op& op) {
  const Region& body = op.regions[0];
  if (!linear(body.yields[0]))
    return;
  const ValueId memory = memory_.at(op.results[0]).value;
  const auto sums = reverse_map(
      op, [&](std::span<const ValueId> indices) { add(body.yields[0], {builder_.load(memory, indices), false}); });
  for (const auto& [v, a] : sums)
    add(v, a);
}

// The reverse of a map is a map: it adds to memory, and what it adds to scalars outside are its
// results.
std::vector<std::pair<ValueId, Transposer::Adjoint>>
Transposer::reverse_map(const Op& op, const std::function<void(std::span<const ValueId>)>& seed) {
  const Region& body = op.regions[0];
  const std::vector<ValueId> outer = outer_scalars(op);
  std::vector<std::pair<ValueId, Adjoint>> sums;     // values are filled in afterwards
  std::vector<std::pair<std::size_t, double>> equal; // the same constant in every iteration
  std::vector<std::size_t> moved;
  const std::vector<ValueId> arguments = map_.declare(body.arguments);
  Region region = reverse_region(
      body, arguments, [&] { seed(arguments); },
      [&] {
        std::vector<ValueId> yields;
        for (ValueId v : outer)
          if (const auto a = adjoint(v)) {
            if (const auto constant = builder_.constant_value(a->value)) {
              equal.emplace_back(sums.size(), constant->number);
            } else {
              moved.push_back(sums.size());
              yields.push_back(a->value);
            }
            sums.emplace_back(v, Adjoint{{}, a->negative});
          }
        return yields;
      });
  std::vector<Region> regions;
  regions.push_back(std::move(region));
  const std::vector<ValueId> results = builder_.emit(Opcode::reduce_, map_(op.operands),
                                                     std::vector<Type>(moved.size(), real), std::move(regions), "add");
  for (std::size_t i = 0; i < moved.size(); ++i)
    sums[moved[i]].second.value = results[i];
  if (equal.empty())
    return sums;
  ValueId count = builder_.index(1);
  for (ValueId extent : op.operands)
    count = builder_.mul(count, builder_.binary(Opcode::max, map_(extent), builder_.index(0)));
  for (const auto& [i, constant] : equal)
    sums[i].second.value = builder_.mul(builder_.to_real(count), builder_.constant(constant));
  return sums;
}

// The adjoints of carried values are carried the other way; so are the sums for scalars outside.
void Transposer::transpose_loop(const Op& op) {
  const Region& body = op.regions[0];
  const std::vector<ValueId> outer = outer_scalars(op);
  const std::size_t carried = op.results.size();
  std::vector<ValueId> operands{map_(op.operands[0])};
  for (ValueId v : op.results)
    operands.push_back(adjoint_or_zero(v));
  for (ValueId v : outer)
    operands.push_back(adjoint_or_zero(v));
  std::vector<ValueId> arguments = map_.declare({body.arguments[0]});
  for (std::size_t i = 0; i < carried + outer.size(); ++i)
    arguments.push_back(out_.add_value(real));
  Region region = reverse_region(
      body, arguments,
      [&] {
        for (std::size_t i = 0; i < carried; ++i)
          add(body.yields[i], {arguments[1 + i], false});
        for (std::size_t i = 0; i < outer.size(); ++i)
          add(outer[i], {arguments[1 + carried + i], false});
      },
      [&] {
        std::vector<ValueId> yields;
        for (std::size_t i = 0; i < carried; ++i)
          yields.push_back(adjoint_or_zero(body.arguments[i + 1]));
        for (ValueId v : outer)
          yields.push_back(adjoint_or_zero(v));
        return yields;
      });
  std::vector<Region> regions;
  regions.push_back(std::move(region));
  const std::vector<ValueId> results =
      builder_.emit(Opcode::loop_, std::move(operands), std::vector<Type>(carried + outer.size(), real),
                    std::move(regions), {}, op.integer == 0 ? 1 : 0);
  for (std::size_t i = 0; i < outer.size(); ++i)
    frames_.back()[outer[i]] = {results[carried + i], false};
  for (std::size_t i = 0; i < carried; ++i)
    add(op.operands[i + 1], {results[i], false});
}

void Transposer::transpose_if(const Op& op) {
  const std::vector<ValueId> outer = outer_scalars(op);
  std::vector<Adjoint> seeds;
  for (ValueId v : op.results) {
    const auto a = adjoint(v);
    seeds.push_back(a ? *a : Adjoint{});
  }
  std::vector<bool> moved(outer.size());
  std::vector<Region> regions;
  for (const Region& side : op.regions)
    regions.push_back(reverse_region(
        side, {},
        [&] {
          for (std::size_t i = 0; i < seeds.size(); ++i)
            if (seeds[i].value)
              add(side.yields[i], seeds[i]);
        },
        [&] {
          std::vector<ValueId> yields;
          for (std::size_t i = 0; i < outer.size(); ++i) {
            moved[i] = moved[i] || adjoint(outer[i]);
            yields.push_back(adjoint_or_zero(outer[i]));
          }
          return yields;
        }));
  const std::vector<ValueId> results = builder_.emit(Opcode::if_, std::vector<ValueId>{map_(op.operands[0])},
                                                     std::vector<Type>(outer.size(), real), std::move(regions));
  for (std::size_t i = 0; i < outer.size(); ++i)
    if (moved[i])
      add(outer[i], {results[i], false});
}

} // namespace vmodel::passes
