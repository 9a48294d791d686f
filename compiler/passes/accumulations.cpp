// Memory of adjoints that only passes on what it is given.
//
// The adjoint of a slice is memory that is zeroed, accumulated to and at last added, element by element, to the adjoint
// of the whole: what goes into it goes to the whole at once. The adjoint of what is the same for all particles has a
// column for each lane, of which nothing but the sum over lanes is used, maybe times what is the same for all: where no
// element is accumulated to more than once, each term is summed over lanes as it comes, and the memory has one column.
#include "compiler/ir/axes.h"
#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <map>
#include <set>

namespace vmodel::passes {

namespace {

/// Where operations stand and what uses a value.
class Places {
public:
  struct Place {
    const Region* region = nullptr;
    std::size_t number = 0;        // in the order of the text
    std::vector<const Op*> around; // outermost first
  };

  explicit Places(const Function& function) : definitions_(function.body) {
    std::vector<const Op*> around;
    visit(function.body, around);
  }

  const Place& of(const Op& op) const { return places_.at(&op); }
  const std::vector<const Op*>& uses(ValueId v) const {
    static const std::vector<const Op*> none;
    const auto found = uses_.find(v);
    return found == uses_.end() ? none : found->second;
  }
  bool is_yielded(ValueId v) const { return yielded_.contains(v); }
  const Op* definition(ValueId v) const { return definitions_.of(v); }
  /// The counted loop whose index a value is; null for other values.
  const Op* loop_of(ValueId v) const {
    const auto found = index_of_.find(v);
    return found == index_of_.end() ? nullptr : found->second;
  }

  /// Whether a value can be used where an operation stands.
  bool is_known_at(ValueId v, const Op& op) const {
    const Place& place = of(op);
    if (const auto owner = owner_.find(v); owner != owner_.end())
      return std::ranges::find(place.around, owner->second) != place.around.end();
    const Op* definition = definitions_.of(v);
    if (!definition)
      return true; // a parameter
    const Place& defined = of(*definition);
    return defined.number < place.number && defined.around.size() <= place.around.size() &&
           std::equal(defined.around.begin(), defined.around.end(), place.around.begin());
  }

private:
  void visit(const Region& region, std::vector<const Op*>& around) {
    for (const Op& op : region.ops) {
      places_[&op] = {&region, places_.size(), around};
      for (const ValueId v : op.operands)
        uses_[v].push_back(&op);
      around.push_back(&op);
      for (const Region& inner : op.regions) {
        for (std::size_t i = 0; i < inner.arguments.size(); ++i) {
          owner_[inner.arguments[i]] = &op;
          if (is_counted_loop(op) && (op.opcode != Opcode::loop_ || i == 0))
            index_of_[inner.arguments[i]] = &op;
        }
        visit(inner, around);
      }
      around.pop_back();
    }
    yielded_.insert(region.yields.begin(), region.yields.end());
  }

  const ir::Definitions definitions_;
  std::map<const Op*, Place> places_; // looked up only, never walked
  std::map<ValueId, std::vector<const Op*>> uses_;
  std::map<ValueId, const Op*> owner_, index_of_;
  std::set<ValueId> yielded_;
};

/// Zeroed memory of numbers, and what is done with it: accumulations, loads and zeros, nothing else.
struct Memory {
  const Op* alloc = nullptr;
  std::vector<const Op*> accumulations, loads, zeros;
};

/// What the adjoint of overwritten memory is set to.
bool is_zero(const Op& op, const Places& places) {
  const Op* value = op.opcode == Opcode::store_ ? places.definition(op.operands.back()) : nullptr;
  return value && value->opcode == Opcode::constant_ && value->number == 0;
}

std::vector<Memory> adjoints(const Function& function, const Places& places) {
  std::vector<Memory> found;
  ir::for_each_op(function.body, [&](const Op& op) {
    if (op.opcode != Opcode::alloc_ || op.integer == 0 || function.type(op.results[0]).element != Element::f64 ||
        places.is_yielded(op.results[0]))
      return;
    Memory memory{&op, {}, {}, {}};
    for (const Op* use : places.uses(op.results[0])) {
      if (use->opcode == Opcode::load_)
        memory.loads.push_back(use);
      else if (use->opcode == Opcode::accumulate_)
        memory.accumulations.push_back(use);
      else if (is_zero(*use, places))
        memory.zeros.push_back(use);
      else
        return;
    }
    if (!memory.accumulations.empty() && !memory.loads.empty())
      found.push_back(std::move(memory));
  });
  return found;
}

/// Accumulates to the whole what would be accumulated to a part, one memory at a time.
class PassedOn {
public:
  explicit PassedOn(const Function& function) : from_(function), places_(function) {
    for (Memory& memory : adjoints(function, places_))
      if (is_passed_on(memory)) {
        memory_ = std::move(memory);
        return;
      }
    memory_ = {};
  }

  bool any() const { return memory_.alloc != nullptr; }

  Function run() {
    const ValueId part = memory_.alloc->results[0];
    return ir::rewrite(from_, [&](Rewriter& r, const Op& op) {
      if (&op == memory_.alloc || &op == memory_.loads[0] || &op == last_)
        return true;
      if (op.opcode != Opcode::accumulate_ || op.operands[0] != part)
        return false;
      Rewriter copier(from_, r.builder());
      const Region& body = map_->regions[0];
      for (std::size_t i = 0; i < body.arguments.size(); ++i)
        copier.set(body.arguments[i], r(op.operands[i + 1]));
      for (const ValueId v : outside_)
        copier.set(v, r(v));
      for (const Op* step : steps_)
        copier.copy(*step);
      std::vector<ValueId> indices;
      for (std::size_t i = 1; i + 1 < last_->operands.size(); ++i)
        indices.push_back(copier(last_->operands[i]));
      r.builder().accumulate(r(last_->operands[0]), indices, r(op.operands.back()));
      return true;
    });
  }

private:
  // A map over all of the memory, after all that is accumulated to it, adds each element to other memory, which nothing
  // near looks at.
  bool is_passed_on(const Memory& memory) {
    if (memory.loads.size() != 1 || !memory.zeros.empty())
      return false;
    const Op& load = *memory.loads[0];
    const Places::Place& here = places_.of(*memory.alloc);
    if (places_.of(load).around.empty())
      return false;
    map_ = places_.of(load).around.back();
    if (map_->opcode != Opcode::reduce_ || places_.of(*map_).region != here.region ||
        map_->operands != memory.alloc->operands || map_->operands.empty() ||
        !std::equal(load.operands.begin() + 1, load.operands.end(), map_->regions[0].arguments.begin(),
                    map_->regions[0].arguments.end()))
      return false;
    const std::vector<const Op*>& uses = places_.uses(load.results[0]);
    if (uses.size() != 1 || places_.is_yielded(load.results[0]))
      return false;
    last_ = uses[0];
    if (last_->opcode != Opcode::accumulate_ || last_->operands.back() != load.results[0] ||
        places_.of(*last_).region != &map_->regions[0] || !places_.is_known_at(last_->operands[0], *memory.alloc))
      return false;
    for (const Op* op : memory.accumulations)
      if (places_.of(*op).number > places_.of(*map_).number)
        return false;
    const ValueId whole = last_->operands[0];
    for (const Op* use : places_.uses(whole)) {
      const Places::Place& place = places_.of(*use);
      const bool is_near = place.around.size() >= here.around.size() &&
                           std::equal(here.around.begin(), here.around.end(), place.around.begin());
      const bool only_adds = use->opcode == Opcode::accumulate_;
      if (!only_adds &&
          ((use->opcode != Opcode::load_ && !is_zero(*use, places_)) || (is_near && precedes_end(*use, here))))
        return false;
    }
    outside_.clear();
    steps_.clear();
    std::set<ValueId> done(map_->regions[0].arguments.begin(), map_->regions[0].arguments.end());
    return std::all_of(last_->operands.begin() + 1, last_->operands.end() - 1,
                       [&](ValueId v) { return gather(v, *memory.alloc, done); });
  }

  // Whether a use of the whole stands between the memory and the map that empties it.
  bool precedes_end(const Op& use, const Places::Place& here) const {
    return places_.of(use).number > here.number && places_.of(use).number < places_.of(*last_).number;
  }

  // What an index is computed from, in order: values that are known where the memory is made, and operations.
  bool gather(ValueId v, const Op& alloc, std::set<ValueId>& done) {
    if (!done.insert(v).second)
      return true;
    if (places_.is_known_at(v, alloc)) {
      outside_.push_back(v);
      return true;
    }
    const Op* op = places_.definition(v);
    if (!op || !op->regions.empty() || op->results.size() != 1 ||
        !(ir::is_pure_scalar(op->opcode) || (op->opcode == Opcode::load_ && !from_.type(op->operands[0]).reference)))
      return false;
    for (const ValueId operand : op->operands)
      if (!gather(operand, alloc, done))
        return false;
    steps_.push_back(op);
    return true;
  }

  const Function& from_;
  const Places places_;
  Memory memory_;
  const Op* map_ = nullptr;  // that adds all elements to the whole
  const Op* last_ = nullptr; // the accumulation in it
  std::vector<ValueId> outside_;
  std::vector<const Op*> steps_;
};

/// Sums over lanes what is accumulated, instead of what has been.
class SummedOverLanes {
public:
  explicit SummedOverLanes(const Function& function) : from_(function), places_(function), axis_(ir::axes(function)) {
    for (const Memory& memory : adjoints(function, places_)) {
      std::set<const Op*> sums;
      const bool all_summed =
          std::ranges::all_of(memory.loads, [&](const Op* load) { return is_only_summed(load->results[0], sums); });
      const auto is_once = [&](const Op* op) { return is_once_an_element(*op, *memory.alloc); };
      if (!all_summed || sums.empty() || !std::ranges::all_of(memory.accumulations, is_once) ||
          !std::ranges::all_of(memory.zeros, [&](const Op* op) { return is_of_all_particles(*op, *memory.alloc); }))
        continue;
      accumulations_.insert(memory.accumulations.begin(), memory.accumulations.end());
      sums_.insert(sums.begin(), sums.end());
    }
  }

  bool any() const { return !accumulations_.empty(); }

  Function run() {
    return ir::rewrite(from_, [&](Rewriter& r, const Op& op) {
      if (accumulations_.contains(&op)) {
        const std::vector<ValueId> operands = r(op.operands);
        r.builder().accumulate(operands[0], std::span(operands).subspan(1, operands.size() - 2),
                               r.builder().lane_sum(operands.back()));
        return true;
      }
      if (sums_.contains(&op)) {
        r.set(op.results[0], r(op.operands[0]));
        return true;
      }
      return false;
    });
  }

private:
  // Whether nothing but the sum over lanes is made of a value, or of its multiples by what all particles share; adds
  // these sums.
  bool is_only_summed(ValueId v, std::set<const Op*>& sums) const {
    if (places_.is_yielded(v))
      return false;
    return std::ranges::all_of(places_.uses(v), [&](const Op* use) {
      if (use->opcode == Opcode::lane_sum_) {
        sums.insert(use);
        return true;
      }
      const bool multiple = use->opcode == Opcode::mul || use->opcode == Opcode::strong_mul_;
      if (use->opcode != Opcode::neg && !multiple)
        return false;
      for (const ValueId operand : use->operands)
        if (operand != v && axis_[operand.id] == Axis::particle)
          return false;
      return !(multiple && use->operands[0] == use->operands[1]) && is_only_summed(use->results[0], sums);
    });
  }

  // Whether all particles together do it, each to the same element.
  bool is_of_all_particles(const Op& op, const Op& alloc) const {
    for (std::size_t i = 1; i + 1 < op.operands.size(); ++i)
      if (axis_[op.operands[i].id] == Axis::particle)
        return false;
    const std::vector<const Op*>& around = places_.of(op).around;
    return std::all_of(around.begin() + static_cast<std::ptrdiff_t>(places_.of(alloc).around.size()), around.end(),
                       [&](const Op* outer) {
                         return is_counted_loop(*outer) ||
                                (outer->opcode == Opcode::if_ && axis_[outer->operands[0].id] != Axis::particle);
                       });
  }

  // Every loop between the memory and the accumulation goes to other elements with each of its iterations: its index
  // goes into theirs by arithmetic. (Where two iterations meet nevertheless, one sum over lanes more is taken.)
  bool is_once_an_element(const Op& op, const Op& alloc) const {
    std::set<ValueId> indices;
    for (std::size_t i = 1; i + 1 < op.operands.size(); ++i) {
      if (axis_[op.operands[i].id] == Axis::particle)
        return false; // each particle goes to an element of its own
      find_indices(op.operands[i], indices);
    }
    const std::vector<const Op*>& around = places_.of(op).around;
    for (std::size_t i = places_.of(alloc).around.size(); i < around.size(); ++i) {
      if (around[i]->opcode == Opcode::if_) {
        // What all particles share cannot be accumulated to by some of them.
        if (axis_[around[i]->operands[0].id] == Axis::particle)
          return false;
        continue;
      }
      if (!is_counted_loop(*around[i]))
        return false;
      const std::vector<ValueId>& arguments = around[i]->regions[0].arguments;
      for (const ValueId v : arguments)
        if (places_.loop_of(v) && !indices.contains(v))
          return false;
    }
    return true;
  }

  void find_indices(ValueId v, std::set<ValueId>& indices) const {
    if (places_.loop_of(v)) {
      indices.insert(v);
      return;
    }
    const Op* op = places_.definition(v);
    if (!op)
      return;
    switch (op->opcode) {
    case Opcode::add:
    case Opcode::sub:
    case Opcode::mul:
    case Opcode::idiv: // rows of a triangle
    case Opcode::min:
    case Opcode::max:
    case Opcode::reduce_: // as where rows of different lengths lie one after the other: a sum up to the index
      for (const ValueId operand : op->operands)
        find_indices(operand, indices);
      break;
    default: break;
    }
  }

  const Function& from_;
  const Places places_;
  const std::vector<Axis> axis_;
  std::set<const Op*> accumulations_, sums_; // looked up only, never walked
};

} // namespace

Module accumulations(Module module) {
  for (Function& function : module.functions) {
    // Each makes one memory less.
    for (bool again = true; again;) {
      PassedOn passed(function);
      again = passed.any();
      if (again)
        function = remove_dead_code(passed.run());
    }
    // What goes into one memory may come out of another.
    for (bool again = true; again;) {
      SummedOverLanes summed(function);
      again = summed.any();
      if (again)
        function = summed.run();
    }
  }
  return module;
}

} // namespace vmodel::passes
