// What does not change in a sum moves out of it: addends as their number times the addend, factors after the sum.
// What follows from data only becomes a sum of its own, which is then done at load.
#include "compiler/ir/axes.h"
#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace vmodel::passes {

namespace {

/// One term of a sum: what varies in the loop (a product of these), and what does not, in the old function.
struct Term {
  std::vector<ValueId> varying; // in increasing order; empty: an addend that does not change
  std::vector<ValueId> factors; // invariant, in increasing order
  int doublings = 0;            // times two, this often
  bool negative = false;

  bool same_scale(const Term& other) const {
    return factors == other.factors && doublings == other.doublings && negative == other.negative;
  }
};

/// What a result of a reduce becomes: the terms that are summed together inside, with what is done to their sum.
struct Part {
  std::vector<Term> inside;
  Term outside; // factors only
  bool load = false;
};

class Sums {
public:
  explicit Sums(const Function& function)
      : from_(function), axis_(ir::axes(function)), uses_(ir::count_uses(function)) {}

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) { return rewrite(r, op); });
  }
  bool changed() const { return changed_; }

private:
  // --- the body of one reduce

  struct Body {
    std::set<ValueId> inside;
    ir::Definitions definitions; // of the operations of the region itself

    bool is_constant(ValueId v) const { return definitions.as(v, Opcode::constant_) != nullptr; }
    bool is_invariant(ValueId v) const { return !inside.contains(v) || is_constant(v); }
  };

  static Body analyse(const Region& region) {
    Body body{{region.arguments.begin(), region.arguments.end()}, ir::Definitions::directly_in(region)};
    ir::for_each_op(region, [&](const Op& op) {
      body.inside.insert(op.results.begin(), op.results.end());
      for (const Region& inner : op.regions)
        body.inside.insert(inner.arguments.begin(), inner.arguments.end());
    });
    return body;
  }

  void multiply(const Body& body, Term& term, ValueId v, bool root) const {
    if (body.is_invariant(v)) {
      term.factors.push_back(v);
      return;
    }
    const Op* op = body.definitions.of(v);
    if (op && op->opcode == Opcode::neg) {
      term.negative = !term.negative;
      return multiply(body, term, op->operands[0], false);
    }
    if (op && op->opcode == Opcode::add && op->operands[0] == op->operands[1]) {
      ++term.doublings;
      return multiply(body, term, op->operands[0], false);
    }
    if (op && op->opcode == Opcode::square) {
      multiply(body, term, op->operands[0], false);
      multiply(body, term, op->operands[0], false);
      return;
    }
    // A product that something else needs too is taken apart only where that saves a product here.
    if (op && op->opcode == Opcode::mul &&
        (root || uses_[v.id] == 1 || body.is_invariant(op->operands[0]) || body.is_invariant(op->operands[1]))) {
      multiply(body, term, op->operands[0], false);
      multiply(body, term, op->operands[1], false);
      return;
    }
    term.varying.push_back(v);
  }

  void add(const Body& body, std::vector<Term>& terms, ValueId v, bool negative, bool root) const {
    const Op* op = body.is_invariant(v) ? nullptr : body.definitions.of(v);
    if (op && (root || uses_[v.id] == 1)) {
      const bool twice = op->opcode == Opcode::add && op->operands[0] == op->operands[1];
      if ((op->opcode == Opcode::add && !twice) || op->opcode == Opcode::sub) {
        add(body, terms, op->operands[0], negative, false);
        add(body, terms, op->operands[1], negative != (op->opcode == Opcode::sub), false);
        return;
      }
      if (op->opcode == Opcode::neg)
        return add(body, terms, op->operands[0], !negative, false);
    }
    Term term;
    term.negative = negative;
    multiply(body, term, v, root || uses_[v.id] == 1);
    std::sort(term.varying.begin(), term.varying.end());
    std::sort(term.factors.begin(), term.factors.end());
    terms.push_back(std::move(term));
  }

  bool is_load(const Term& term) const {
    return std::all_of(term.varying.begin(), term.varying.end(), [&](ValueId v) { return axis_[v.id] == Axis::load; });
  }

  /// The parts of a yielded value, and the invariant addends.
  void split(const Body& body, ValueId yield, std::vector<Part>& parts, std::vector<Term>& addends) const {
    std::vector<Term> terms;
    add(body, terms, yield, false, true);
    const bool load = axis_[yield.id] == Axis::load;
    std::vector<Term> varying;
    for (Term& term : terms) {
      if (term.varying.empty())
        addends.push_back(std::move(term));
      else if (!load && is_load(term))
        parts.push_back(
            {{Term{term.varying, {}, 0, false}}, Term{{}, term.factors, term.doublings, term.negative}, true});
      else
        varying.push_back(std::move(term));
    }
    for (std::vector<Term>& group : groups(body, std::move(varying)))
      parts.push_back(part_of(std::move(group), load));
  }

  /// What is summed together: logarithms of one scale stand by themselves, because code generation makes one logarithm
  /// of many of them; all else is one sum.
  std::vector<std::vector<Term>> groups(const Body& body, std::vector<Term> terms) const {
    std::vector<std::vector<Term>> logarithms;
    std::vector<Term> rest;
    for (Term& term : terms) {
      const Op* op =
          term.varying.size() == 1 && uses_[term.varying[0].id] == 1 ? body.definitions.of(term.varying[0]) : nullptr;
      if (!op || (op->opcode != Opcode::log && op->opcode != Opcode::log1p)) {
        rest.push_back(std::move(term));
        continue;
      }
      const auto found = std::find_if(logarithms.begin(), logarithms.end(), [&](const std::vector<Term>& group) {
        return group[0].same_scale(term) && body.definitions.of(group[0].varying[0])->opcode == op->opcode;
      });
      if (found == logarithms.end())
        logarithms.push_back({std::move(term)});
      else
        found->push_back(std::move(term));
    }
    if (!rest.empty())
      logarithms.insert(logarithms.begin(), std::move(rest));
    return logarithms;
  }

  /// A scale that all terms have leaves the sum.
  static Part part_of(std::vector<Term> terms, bool load) {
    Part part;
    part.load = load;
    part.outside = {{}, terms[0].factors, terms[0].doublings, terms[0].negative};
    const bool common =
        std::all_of(terms.begin(), terms.end(), [&](const Term& term) { return term.same_scale(terms[0]); });
    if (!common)
      part.outside = {};
    for (Term& term : terms) {
      if (common)
        term = {term.varying, {}, 0, false};
      part.inside.push_back(std::move(term));
    }
    return part;
  }

  // --- the new function

  static ValueId old(Rewriter& r, const Body& body, ValueId v) {
    return body.is_constant(v) ? r.builder().constant(body.definitions.of(v)->number) : r(v);
  }

  /// `value`, or one if there is none, times the factors; constants first, so that they become one.
  static ValueId scaled(Rewriter& r, const Body& body, ValueId value, const Term& by) {
    ir::Builder& b = r.builder();
    ValueId scale = b.constant(std::ldexp(1.0, by.doublings));
    for (const bool constant : {true, false})
      for (ValueId factor : by.factors)
        if (body.is_constant(factor) == constant)
          scale = b.mul(scale, old(r, body, factor));
    return value ? b.mul(value, scale) : scale;
  }

  static ValueId product(Rewriter& r, const Body& body, const Term& term,
                         std::map<std::vector<ValueId>, ValueId>& made) {
    ValueId& value = made[term.varying];
    if (!value)
      for (ValueId v : term.varying)
        value = value ? r.builder().mul(value, r(v)) : r(v);
    return scaled(r, body, value, term);
  }

  /// Adds with a sign; none counts as zero.
  static void accumulate(ir::Builder& b, ValueId& sum, ValueId v, bool negative) {
    if (!sum)
      sum = negative ? b.neg(v) : v;
    else
      sum = negative ? b.sub(sum, v) : b.add(sum, v);
  }

  /// One reduce over the same extents that yields the insides of these parts, each kind once.
  static std::vector<ValueId> reduce(Rewriter& r, const Op& op, const Body& body,
                                     const std::vector<const Part*>& parts) {
    std::vector<std::size_t> position;
    std::size_t count = 0;
    std::vector<Region> regions;
    regions.push_back(r.copy_region(op.regions[0], [&](std::vector<ValueId>& yields) {
      yields.clear();
      std::map<std::vector<ValueId>, ValueId> made;
      for (const Part* part : parts) {
        ValueId sum;
        for (const Term& term : part->inside)
          accumulate(r.builder(), sum, product(r, body, term, made), term.negative);
        const auto found = std::find(yields.begin(), yields.end(), sum);
        position.push_back(static_cast<std::size_t>(found - yields.begin()));
        if (found == yields.end())
          yields.push_back(sum);
      }
      count = yields.size();
    }));
    const std::vector<ValueId> results = r.builder().emit(
        Opcode::reduce_, r(op.operands), std::vector<Type>(count, Type{}), std::move(regions), op.symbol);
    std::vector<ValueId> sums;
    for (std::size_t at : position)
      sums.push_back(results[at]);
    return sums;
  }

  static ValueId iterations(Rewriter& r, const Op& op) {
    ir::Builder& b = r.builder();
    ValueId count = b.index(1);
    for (ValueId extent : op.operands)
      count = b.mul(count, b.binary(Opcode::max, r(extent), b.index(0)));
    return b.to_real(count);
  }

  bool rewrite(Rewriter& r, const Op& op) {
    if (op.opcode != Opcode::reduce_ || op.symbol != "add" || op.results.empty())
      return false;
    for (ValueId v : op.results)
      if (from_.type(v).element != ir::Element::f64)
        return false;
    const Region& region = op.regions[0];
    const Body body = analyse(region);
    // A sum of data stands alone, so that it can move to `prepare`; where there are effects, they would be doubled.
    const bool splits = !ir::has_effects(op);
    struct Result {
      std::vector<Part> parts;
      std::vector<Term> addends;
    };
    std::vector<Result> results(op.results.size());
    bool useful = false;
    std::set<std::vector<ValueId>> seen;
    for (std::size_t i = 0; i < results.size(); ++i) {
      split(body, region.yields[i], results[i].parts, results[i].addends);
      useful |= !results[i].addends.empty() || results[i].parts.size() != 1;
      for (const Part& part : results[i].parts) {
        const Term& outside = part.outside;
        useful |= !outside.factors.empty() || outside.doublings != 0 || outside.negative;
        if (part.inside.size() == 1)
          useful |= !seen.insert(part.inside[0].varying).second;
      }
    }
    if (!useful)
      return false;
    changed_ = true;
    std::vector<const Part*> plain, load;
    for (const Result& result : results)
      for (const Part& part : result.parts)
        (part.load && splits ? load : plain).push_back(&part);
    std::map<const Part*, ValueId> sums;
    for (const auto* parts : {&plain, &load}) {
      if (parts->empty() && (splits || parts == &load))
        continue;
      const std::vector<ValueId> made = reduce(r, op, body, *parts);
      for (std::size_t i = 0; i < parts->size(); ++i)
        sums[(*parts)[i]] = made[i];
    }
    ir::Builder& b = r.builder();
    for (std::size_t i = 0; i < results.size(); ++i) {
      ValueId total, constant;
      for (const Part& part : results[i].parts)
        accumulate(b, total, scaled(r, body, sums.at(&part), part.outside), part.outside.negative);
      for (const Term& term : results[i].addends)
        accumulate(b, constant, scaled(r, body, {}, term), term.negative);
      // A loop without iterations adds nothing, whatever the addend is.
      if (constant)
        accumulate(b, total, b.strong_mul(iterations(r, op), constant), false);
      r.set(op.results[i], total);
    }
    return true;
  }

  const Function& from_;
  std::vector<Axis> axis_;
  std::vector<int> uses_;
  bool changed_ = false;
};

} // namespace

Module sums(Module module) {
  for (Function& function : module.functions) {
    Sums pass(function);
    Function next = pass.run();
    if (pass.changed())
      function = std::move(next);
  }
  return module;
}

} // namespace vmodel::passes
