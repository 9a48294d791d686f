// Moves what depends on data only from all kernels to `prepare`, which runs once when data are
// loaded. Equal values of several kernels share a slot.
#include "compiler/ir/axes.h"
#include "compiler/ir/definitions.h"
#include "compiler/ir/typing.h"
#include "compiler/passes/cost.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <map>
#include <set>

namespace vmodel::passes {

namespace {

// These run before the data are complete.
bool runs_before_prepare(const std::string& name) {
  return name == "prepare" || name == "sizes" || name.starts_with("data_shape.") || name.starts_with("data_bounds.");
}

/// What of one kernel can move, and what its rest needs of that.
class KernelSplit {
public:
  explicit KernelSplit(const Function& function)
      : function_(function), axis_(ir::axes(function)), definitions_(ir::Definitions::directly_in(function.body)) {
    for (const Op& op : function.body.ops)
      movable_.push_back(is_movable(op));
    settle();
    std::vector<ValueId> wanted;
    for (std::size_t i = 0; i < movable_.size(); ++i)
      if (!movable_[i])
        for (ValueId v : ir::free_values(function, function.body.ops[i]))
          wanted.push_back(v);
    for (ValueId v : wanted)
      if (moved_.contains(v) && is_worth(v))
        add(v);
  }

  const Function& function() const { return function_; }
  /// Values that become slots, in order; extents of arrays come before them.
  const std::vector<ValueId>& slots() const { return slots_; }
  bool is_movable(std::size_t op) const { return movable_[op]; }

private:
  bool is_load(ValueId v) const { return axis_[v.id] == Axis::load; }

  bool only_load(const Op& op) const {
    for (ValueId v : op.operands)
      if (!is_load(v))
        return false;
    for (ValueId v : op.results)
      if (!is_load(v))
        return false;
    for (const ir::Region& region : op.regions)
      for (const Op& inner : region.ops)
        if (!only_load(inner))
          return false;
    return true;
  }

  bool is_movable(const Op& op) {
    if (!only_load(op))
      return false;
    bool moves = true;
    const auto check = [&](const Op& current) {
      switch (current.opcode) {
      case Opcode::alloc_: own_.insert(current.results[0]); break;
      case Opcode::store_:
      case Opcode::accumulate_:
        // Output parameters stay with the kernel, and so does the loop that fills them.
        moves &= own_.contains(current.operands[0]);
        break;
      case Opcode::load_:
      case Opcode::freeze_:
        moves &= !function_.type(current.operands[0]).reference || own_.contains(current.operands[0]);
        break;
      case Opcode::call_:
      case Opcode::site_:
      case Opcode::output_:
      case Opcode::lane_sum_: moves = false; break;
      default: break;
      }
    };
    check(op);
    for (const ir::Region& region : op.regions)
      ir::for_each_op(region, check);
    return moves;
  }

  // What needs something that stays must stay, and memory moves only with all that write it.
  void settle() {
    const std::vector<Op>& ops = function_.body.ops;
    std::vector<std::vector<ValueId>> free;
    std::vector<std::set<ValueId>> written;
    for (const Op& op : ops) {
      free.push_back(ir::free_values(function_, op));
      written.emplace_back();
      const auto note = [&](const Op& current) {
        if (current.opcode == Opcode::store_ || current.opcode == Opcode::accumulate_)
          written.back().insert(current.operands[0]);
      };
      note(op);
      for (const ir::Region& region : op.regions)
        ir::for_each_op(region, note);
    }
    std::set<ValueId> stays;
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t i = 0; i < ops.size(); ++i) {
        const auto stays_here = [&](ValueId v) { return stays.contains(v); };
        if (movable_[i] && (std::any_of(free[i].begin(), free[i].end(), stays_here) ||
                            std::any_of(ops[i].results.begin(), ops[i].results.end(), stays_here))) {
          movable_[i] = false;
          changed = true;
        }
        if (!movable_[i]) {
          for (ValueId v : ops[i].results)
            changed |= stays.insert(v).second;
          for (ValueId v : written[i])
            changed |= stays.insert(v).second;
        }
      }
    }
    for (std::size_t i = 0; i < ops.size(); ++i)
      if (movable_[i])
        moved_.insert(ops[i].results.begin(), ops[i].results.end());
  }

  // Memory that is read without being frozen can become a slot if all its values are final.
  bool can_be_slot(ValueId v) const {
    if (!function_.type(v).reference)
      return true;
    const Op* memory = definitions_.as(v, Opcode::alloc_);
    return memory && memory->integer == 0;
  }

  double total_cost(ValueId v, std::set<ValueId>& seen) const {
    const Op* op = definitions_.of(v);
    if (!op || !seen.insert(v).second)
      return 0;
    double sum = cost(function_, *op);
    for (ValueId operand : op->operands)
      if (sum <= cheap)
        sum += total_cost(operand, seen);
    return sum;
  }

  bool is_worth(ValueId v) const {
    if (!can_be_slot(v))
      return false;
    // Arrays that are still there after fusion are dear, or they would have been substituted.
    if (!function_.type(v).is_scalar())
      return true;
    std::set<ValueId> seen;
    return total_cost(v, seen) > cheap;
  }

  void add(ValueId v) {
    if (std::find(slots_.begin(), slots_.end(), v) != slots_.end())
      return;
    // An extent must be a parameter, too; unless it is one, or a constant.
    for (const Dim& dim : function_.type(v).dims)
      if (dim.value && moved_.contains(dim.value))
        add(dim.value);
    slots_.push_back(v);
  }

  const Function& function_;
  std::vector<Axis> axis_;
  std::vector<bool> movable_;
  std::set<ValueId> own_; // memory that the kernel allocates itself
  std::set<ValueId> moved_;
  ir::Definitions definitions_; // of the operations at the top
  std::vector<ValueId> slots_;
};

/// `prepare`, while it is being put together.
class Preparation {
public:
  Preparation() : builder_(function_) { function_.name = "prepare"; }

  void declare(const Function& kernel) {
    Rewriter map(kernel, builder_);
    for (const ir::Parameter& parameter : kernel.parameters) {
      if (parameter.axis != Axis::load || kernel.type(parameter.value).reference)
        continue;
      if (!parameters_.contains(parameter.name)) {
        parameters_[parameter.name] = builder_.parameter(parameter.name, map(kernel.type(parameter.value)), Axis::load);
      }
      map.set(parameter.value, parameters_.at(parameter.name));
    }
  }

  /// Copies what the slots of a kernel need; `label` makes the names of the outputs unique.
  void add(const KernelSplit& split, std::size_t label) {
    const Function& kernel = split.function();
    Rewriter rewriter(kernel, builder_);
    for (const ir::Parameter& parameter : kernel.parameters)
      if (parameters_.contains(parameter.name))
        rewriter.set(parameter.value, parameters_.at(parameter.name));
    for (std::size_t i = 0; i < kernel.body.ops.size(); ++i)
      if (split.is_movable(i))
        rewriter.copy(kernel.body.ops[i]);
    for (std::size_t i = 0; i < split.slots().size(); ++i) {
      ValueId value = rewriter(split.slots()[i]);
      if (function_.type(value).reference)
        value = builder_.freeze(value);
      builder_.output(std::to_string(label) + "." + std::to_string(i), value);
    }
  }

  Function finish() {
    builder_.yield({});
    return simplify(function_);
  }

private:
  Function function_;
  ir::Builder builder_;
  std::map<std::string, ValueId> parameters_;
};

/// Slots of the finished `prepare`: a number for every value that is an output.
class Slots {
public:
  explicit Slots(Function& prepare) : prepare_(prepare) {
    // Extents first, since the types of the others name them.
    for (const bool indices : {true, false})
      for (const Op& op : prepare.body.ops)
        if (op.opcode == Opcode::output_) {
          const bool is_index = prepare.type(op.operands[0]) == Type{Element::index, false, {}};
          if (is_index == indices && number_.try_emplace(op.operands[0], values_.size()).second)
            values_.push_back(op.operands[0]);
          by_label_[op.symbol] = op.operands[0];
        }
    std::vector<Op> ops;
    for (Op& op : prepare.body.ops)
      if (op.opcode != Opcode::output_)
        ops.push_back(std::move(op));
    prepare.body.ops = std::move(ops);
    for (std::size_t k = 0; k < values_.size(); ++k) {
      Op output;
      output.opcode = Opcode::output_;
      output.symbol = name(k);
      output.operands = {values_[k]};
      prepare.body.ops.push_back(std::move(output));
    }
  }

  static std::string name(std::size_t number) { return "prepared." + std::to_string(number); }
  ValueId value(const std::string& label) const { return by_label_.at(label); }
  std::size_t number(ValueId v) const { return number_.at(v); }
  bool has(ValueId v) const { return number_.contains(v); }
  ValueId at(std::size_t number) const { return values_[number]; }
  const Type& type(std::size_t number) const { return prepare_.type(values_[number]); }
  const Function& prepare() const { return prepare_; }

private:
  Function& prepare_;
  std::vector<ValueId> values_;
  std::map<ValueId, std::size_t> number_;
  std::map<std::string, ValueId> by_label_;
};

/// The kernel with parameters instead of what has moved.
class KernelRest {
public:
  KernelRest(const KernelSplit& split, const Slots& slots, std::size_t label)
      : split_(split), slots_(slots), label_(label), builder_(result_),
        rewriter_(split.function(), builder_, [this](Rewriter& r, const Op& op) { return copy(r, op); }) {}

  Function run() {
    const Function& kernel = split_.function();
    result_.name = kernel.name;
    std::set<std::size_t> needed;
    for (std::size_t i = 0; i < split_.slots().size(); ++i)
      need(slots_.number(slots_.value(std::to_string(label_) + "." + std::to_string(i))), needed);
    std::size_t leading = 0;
    for (const ir::Parameter& parameter : kernel.parameters)
      leading += parameter.axis == Axis::load;
    std::size_t at = 0;
    const auto parameters = [&](bool load) {
      for (const ir::Parameter& parameter : kernel.parameters)
        if ((parameter.axis == Axis::load) == load) {
          const ValueId v = builder_.parameter(parameter.name, rewriter_(kernel.type(parameter.value)), parameter.axis);
          result_.values[v.id].hint = kernel.values[parameter.value.id].hint;
          rewriter_.set(parameter.value, v);
          by_name_[parameter.name] = v;
          ++at;
        }
    };
    parameters(true);
    for (std::size_t k : needed)
      by_name_[Slots::name(k)] = builder_.parameter(Slots::name(k), type_of(k), Axis::load);
    parameters(false);
    for (std::size_t i = 0; i < split_.slots().size(); ++i)
      replaced_[split_.slots()[i]] =
          by_name_.at(Slots::name(slots_.number(slots_.value(std::to_string(label_) + "." + std::to_string(i)))));
    for (const auto& [old, parameter] : replaced_)
      rewriter_.set(old, parameter);
    rewriter_.copy_ops(kernel.body);
    builder_.yield(rewriter_(kernel.body.yields));
    return remove_dead_code(result_);
  }

private:
  // A slot and the slots that its type names.
  void need(std::size_t slot, std::set<std::size_t>& needed) {
    for (const Dim& dim : slots_.type(slot).dims)
      if (dim.value && slots_.has(dim.value))
        need(slots_.number(dim.value), needed);
    needed.insert(slot);
  }

  Type type_of(std::size_t slot) {
    Type type = slots_.type(slot);
    for (Dim& dim : type.dims) {
      if (!dim.value)
        continue;
      if (slots_.has(dim.value)) {
        dim.value = by_name_.at(Slots::name(slots_.number(dim.value)));
        continue;
      }
      for (const ir::Parameter& parameter : slots_.prepare().parameters)
        if (parameter.value == dim.value) {
          dim.value = by_name_.at(parameter.name);
          break;
        }
    }
    return type;
  }

  bool copy(Rewriter& rewriter, const Op& op) {
    if (op.opcode == Opcode::require_)
      return true;
    bool any = false;
    bool all = !op.results.empty();
    for (ValueId v : op.results) {
      any |= replaced_.contains(v);
      all &= replaced_.contains(v);
    }
    if (all)
      return true;
    // Stores to memory that is a slot now.
    if ((op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_) && replaced_.contains(op.operands[0]))
      return true;
    if (op.opcode == Opcode::freeze_ && replaced_.contains(op.operands[0])) {
      rewriter.set(op.results[0], replaced_.at(op.operands[0]));
      return true;
    }
    if (!any)
      return false;
    rewriter.copy(op, false);
    for (ValueId v : op.results)
      if (const auto found = replaced_.find(v); found != replaced_.end())
        rewriter.set(v, found->second);
    return true;
  }

  const KernelSplit& split_;
  const Slots& slots_;
  std::size_t label_;
  Function result_;
  ir::Builder builder_;
  Rewriter rewriter_;
  std::map<std::string, ValueId> by_name_;
  std::map<ValueId, ValueId> replaced_;
};

} // namespace

Module hoist_to_load(Module module) {
  std::vector<Function> kernels;
  for (Function& function : module.functions)
    if (!runs_before_prepare(function.name))
      function = materialise_load_expressions(function);
  std::vector<KernelSplit> splits;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < module.functions.size(); ++i)
    if (!runs_before_prepare(module.functions[i].name)) {
      splits.emplace_back(module.functions[i]);
      positions.push_back(i);
    }
  Preparation preparation;
  for (const KernelSplit& split : splits)
    preparation.declare(split.function());
  for (std::size_t i = 0; i < splits.size(); ++i)
    preparation.add(splits[i], i);
  Function prepare = preparation.finish();
  const Slots slots(prepare);
  std::vector<Function> rests;
  for (std::size_t i = 0; i < splits.size(); ++i)
    rests.push_back(KernelRest(splits[i], slots, i).run());
  Module result;
  bool prepares = false;
  for (const Op& op : prepare.body.ops)
    prepares |= ir::has_effect(op.opcode);
  std::size_t next = 0;
  for (std::size_t i = 0; i < module.functions.size(); ++i) {
    if (next < positions.size() && positions[next] == i) {
      Function& rest = rests[next++];
      // `checks` has nothing but requires.
      if (rest.name != "checks" || !rest.body.ops.empty())
        result.functions.push_back(std::move(rest));
    } else {
      result.functions.push_back(std::move(module.functions[i]));
    }
  }
  if (prepares)
    result.functions.push_back(std::move(prepare));
  return result;
}

} // namespace vmodel::passes
