// A recurrence such as the forward algorithm of a hidden Markov model carries logarithms c_j:
//   c'_k = log(sum_j exp(c_j + a_kj)) + e_k.
// Every state costs as many exponentials as there are states, and a logarithm. The same numbers without logarithms are
//   p'_k = exp(e_k - m) sum_j w_kj p_j   with c_k = s + log(p_k), w_kj = exp(a_kj), m = max_k e_k, s' = s + m,
// where p is scaled by a power of two in each iteration, whose exponents are counted. Neither m nor the power of two
// changes the result, so they have no derivative.
//
// What falls 2^1000 below the largest p is lost. If every weight w lies between 2^-400 and 2^400, it could not be seen
// in any sum anyway: each sum holds the largest p with a weight that is at most 2^800 times smaller than any other. So
// every state must reach every other, and the weights, which must not change from iteration to iteration, are compared
// with these limits; beyond them the recurrence in logarithms is computed (join_irregular).
#include "compiler/passes/log_recurrences.h"

#include "compiler/passes/log_terms.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <limits>

namespace vmodel::passes {

namespace {

constexpr double smallest_weight = 0x1p-400;
constexpr double largest_weight = 0x1p400;
constexpr double log_of_two = 0.69314718055994530942;

/// A new loop in place of an old one: what stands for its carried logarithms.
struct Scaled {
  std::vector<ValueId> numbers; // p, by state
  ValueId exponents, shift;     // c = shift + exponents log 2 + log p
};

class Scaler {
public:
  Scaler(const Function& function, Function& result)
      : from_(function), terms_(function), b_(result),
        r_(function, b_, [this](Rewriter&, const Op& op) { return rewrite(op); }) {}

  void run() {
    b_.function().name = from_.name;
    ir::copy_parameters(from_, b_, r_);
    const bool guarded = guards(from_.body);
    ValueId output;
    if (guarded)
      output = b_.parameter("irregular", Type{ir::Element::f64, true, {}}, ir::Axis::particle);
    r_.copy_ops(from_.body);
    is_guarded_ = static_cast<bool>(regular_);
    if (guarded)
      b_.store(output, std::initializer_list<ValueId>{},
               regular_ ? b_.select(regular_, b_.constant(0), b_.constant(1)) : b_.constant(0));
    b_.yield(r_(from_.body.yields));
  }

  std::size_t rewritten() const { return rewritten_; }
  bool is_guarded() const { return is_guarded_; }

private:
  /// Whether any recurrence has weights; parameters come before operations.
  bool guards(const Region& region) const {
    for (const Op& op : region.ops)
      if (const auto found = terms_.recurrence(op))
        for (const LogState& state : found->states)
          for (const Terms& weight : state.weights)
            if (!weight.empty())
              return true;
    return false;
  }

  bool rewrite(const Op& op) {
    if (op.opcode == Opcode::loop_)
      if (const auto found = terms_.recurrence(op); found && is_top(op)) {
        rewrite_loop(op, *found);
        return true;
      }
    return (op.opcode == Opcode::add || op.opcode == Opcode::log_add_exp) && sum_of_results(op);
  }

  bool is_top(const Op& op) const {
    return std::any_of(from_.body.ops.begin(), from_.body.ops.end(), [&](const Op& top) { return &top == &op; });
  }

  /// log(sum_k exp(c_k)) of a recurrence's results.
  bool sum_of_results(const Op& op) {
    const auto found = terms_.log_sum(op.opcode == Opcode::add ? Terms{{op.operands[0], false}, {op.operands[1], false}}
                                                               : Terms{{op.results[0], false}});
    if (!found || !found->rest.empty())
      return false;
    const Scaled* scaled = nullptr;
    ValueId sum;
    for (const Terms& addend : found->addends) {
      const auto state = addend.size() == 1 && !addend[0].negative ? states_.find(addend[0].value) : states_.end();
      if (state == states_.end() || (scaled && scaled != &scaled_[state->second.first]))
        return false;
      scaled = &scaled_[state->second.first];
      const ValueId number = scaled->numbers[state->second.second];
      sum = sum ? b_.add(sum, number) : number;
    }
    if (!scaled)
      return false;
    r_.set(op.results[0], b_.add(scale(*scaled), b_.unary(Opcode::log, sum)));
    return true;
  }

  ValueId scale(const Scaled& s) { return b_.add(s.shift, b_.mul(s.exponents, b_.constant(log_of_two))); }

  ValueId sum(const Terms& terms) {
    ValueId total;
    for (const Term& term : terms) {
      const ValueId v = r_(term.value);
      if (!total)
        total = term.negative ? b_.neg(v) : v;
      else
        total = term.negative ? b_.sub(total, v) : b_.add(total, v);
    }
    return total;
  }

  /// The largest, and a finite number where all are -infinity; without a derivative. A NaN need not be found: what it
  /// is subtracted from shows it.
  ValueId largest(const std::vector<ValueId>& values) {
    ValueId top = values[0];
    const auto larger = [&](ValueId v) { top = b_.select(b_.compare(Opcode::gt, top, v), top, v); };
    for (std::size_t k = 1; k < values.size(); ++k)
      larger(values[k]);
    larger(b_.constant(std::numeric_limits<double>::lowest()));
    return b_.stop(top);
  }

  /// Copies what a value is computed from, if it lies in a loop's body and does not change there.
  void copy_invariant(ValueId v, const LogRecurrence& loop) {
    const Op* op = terms_.definition(v);
    if (!op || !loop.own.contains(v) || r_.has(v))
      return;
    for (ValueId operand : op->operands)
      copy_invariant(operand, loop);
    r_.copy(*op, false);
  }

  void rewrite_loop(const Op& op, const LogRecurrence& loop) {
    ++rewritten_;
    const Region& body = op.regions[0];
    const std::size_t count = loop.states.size();
    // Before the loop: weights and first numbers.
    std::vector<std::vector<ValueId>> weights(count);
    for (std::size_t k = 0; k < count; ++k)
      for (const Terms& terms : loop.states[k].weights) {
        for (const Term& term : terms)
          copy_invariant(term.value, loop);
        weights[k].push_back(terms.empty() ? ValueId{} : weight(b_.unary(Opcode::exp, sum(terms))));
      }
    std::vector<ValueId> initial, first;
    for (const LogState& state : loop.states)
      initial.push_back(r_(op.operands[state.carried + 1]));
    const ValueId shift = largest(initial);
    for (ValueId v : initial)
      first.push_back(b_.unary(Opcode::exp, b_.sub(v, shift)));
    // The loop carries what is not a state as before, then the numbers, the exponents and the shift.
    Op copied = ir::bare(op);
    copied.operands.push_back(r_(op.operands[0]));
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < op.results.size(); ++i)
      if (std::none_of(loop.states.begin(), loop.states.end(), [&](const LogState& s) { return s.carried == i; })) {
        others.push_back(i);
        copied.operands.push_back(r_(op.operands[i + 1]));
      }
    copied.operands.insert(copied.operands.end(), first.begin(), first.end());
    copied.operands.push_back(b_.constant(0));
    copied.operands.push_back(shift);
    b_.open_region();
    std::vector<ValueId> arguments = r_.declare({body.arguments[0]});
    for (std::size_t i : others)
      arguments.push_back(r_.declare({body.arguments[i + 1]})[0]);
    const Scaled now = declare(arguments, count);
    // Where a logarithm is used otherwise it is computed; mostly nothing does.
    for (std::size_t k = 0; k < count; ++k)
      r_.set(body.arguments[loop.states[k].carried + 1], b_.add(scale(now), b_.unary(Opcode::log, now.numbers[k])));
    r_.copy_ops(body);
    const Scaled next = advance(loop, now, weights);
    std::vector<ValueId> yields;
    for (std::size_t i : others)
      yields.push_back(r_(body.yields[i]));
    yields.insert(yields.end(), next.numbers.begin(), next.numbers.end());
    yields.push_back(next.exponents);
    yields.push_back(next.shift);
    copied.regions.push_back(b_.close_region(std::move(yields)));
    copied.regions[0].arguments = std::move(arguments);
    for (std::size_t i : others)
      copied.results.push_back(r_.declare({op.results[i]})[0]);
    const Scaled last = declare(copied.results, count);
    b_.append(std::move(copied));
    for (std::size_t k = 0; k < count; ++k) {
      const ValueId result = op.results[loop.states[k].carried];
      r_.set(result, b_.add(scale(last), b_.unary(Opcode::log, last.numbers[k])));
      states_[result] = {scaled_.size(), k};
    }
    scaled_.push_back(last);
  }

  Scaled declare(std::vector<ValueId>& values, std::size_t count) {
    Scaled scaled;
    const auto declared = [&] { return values.emplace_back(b_.function().add_value(Type{})); };
    for (std::size_t k = 0; k < count; ++k)
      scaled.numbers.push_back(declared());
    scaled.exponents = declared();
    scaled.shift = declared();
    return scaled;
  }

  Scaled advance(const LogRecurrence& loop, const Scaled& now, const std::vector<std::vector<ValueId>>& weights) {
    const std::size_t count = loop.states.size();
    Scaled next = now;
    if (!loop.common.empty())
      next.shift = b_.add(next.shift, sum(loop.common));
    std::vector<ValueId> factors(count);
    const bool has_factors =
        std::any_of(loop.states.begin(), loop.states.end(), [](const LogState& s) { return !s.rest.empty(); });
    if (has_factors) {
      std::vector<ValueId> logs;
      for (const LogState& state : loop.states)
        logs.push_back(state.rest.empty() ? b_.constant(0) : sum(state.rest));
      const ValueId top = largest(logs);
      for (std::size_t k = 0; k < count; ++k)
        factors[k] = b_.unary(Opcode::exp, b_.sub(logs[k], top));
      next.shift = b_.add(next.shift, top);
    }
    // The power of two is that of the last iteration's numbers, so that nothing waits for this one's; their sum is as
    // good a measure as the largest of them.
    ValueId top;
    for (ValueId p : now.numbers)
      top = top ? b_.add(top, p) : p;
    const ValueId power = b_.unary(Opcode::inverse_power, top);
    next.exponents = b_.add(now.exponents, b_.unary(Opcode::exponent, top));
    for (std::size_t k = 0; k < count; ++k) {
      ValueId total;
      for (std::size_t j = 0; j < count; ++j) {
        const ValueId term = weights[k][j] ? b_.mul(weights[k][j], now.numbers[j]) : now.numbers[j];
        total = total ? b_.add(total, term) : term;
      }
      next.numbers[k] = b_.mul(factors[k] ? b_.mul(factors[k], power) : power, total);
    }
    return next;
  }

  ValueId weight(ValueId w) {
    const ValueId is_regular = b_.logical_and(b_.compare(Opcode::ge, w, b_.constant(smallest_weight)),
                                              b_.compare(Opcode::le, w, b_.constant(largest_weight)));
    regular_ = regular_ ? b_.logical_and(regular_, is_regular) : is_regular;
    return w;
  }

  const Function& from_;
  LogTerms terms_;
  Builder b_;
  Rewriter r_;
  std::vector<Scaled> scaled_;
  std::map<ValueId, std::pair<std::size_t, std::size_t>> states_; // result of the source -> loop, state
  ValueId regular_;
  std::size_t rewritten_ = 0;
  bool is_guarded_ = false;
};

} // namespace

Function log_recurrences(const Function& function, std::size_t& rewritten, bool& is_guarded) {
  Function result;
  Scaler scaler(function, result);
  scaler.run();
  rewritten = scaler.rewritten();
  is_guarded = scaler.is_guarded();
  return rewritten == 0 ? function : result;
}

ir::Module log_recurrences(ir::Module module) {
  Function* density = module.find("log_density");
  if (!density || !LogTerms::may_have(*density))
    return module;
  std::size_t rewritten = 0;
  bool is_guarded = false;
  Function next = log_recurrences(*density, rewritten, is_guarded);
  if (rewritten == 0)
    return module;
  // Weights that are given as logarithms of probabilities come back as those.
  next = inverses(simplify(next), ir::data_ranges(module));
  Function irregular = std::move(*density);
  *density = std::move(next);
  if (is_guarded) {
    irregular.name += irregular_suffix;
    module.functions.push_back(std::move(irregular));
  }
  return module;
}

} // namespace vmodel::passes
