// Substitution of builds into the loads of their elements.
#include "compiler/passes/cost.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <algorithm>
#include <map>
#include <set>

namespace vmodel::passes {

namespace {

/// A loop around an operation: its index and extent.
struct LoopIndex {
  ValueId index;
  ValueId extent;
};

/// Where an array is used.
struct Use {
  const Op* op = nullptr;
  std::vector<LoopIndex> loops; // all around it, outermost first
};

struct Uses {
  std::map<ValueId, std::vector<Use>> by_array;
  std::map<ValueId, std::size_t> depth; // number of loops around the definition
  std::set<ValueId> other;              // arrays that are used otherwise than by loads
  ir::Definitions definitions;
};

class UseCollector {
public:
  explicit UseCollector(const Function& function) : function_(function) {
    walk(function.body);
    for (ValueId v : function.body.yields)
      uses.other.insert(v);
  }
  Uses uses;

private:
  void walk(const Region& region) {
    for (const Op& op : region.ops) {
      for (std::size_t i = 0; i < op.operands.size(); ++i) {
        const ValueId v = op.operands[i];
        if (function_.type(v).is_scalar())
          continue;
        if (i == 0 && op.opcode != Opcode::freeze_ && op.opcode != Opcode::output_ && op.opcode != Opcode::call_)
          uses.by_array[v].push_back({&op, loops_});
        else
          uses.other.insert(v);
      }
      uses.definitions.add(op);
      for (ValueId v : op.results)
        uses.depth[v] = loops_.size();
      for (const Region& inner : op.regions) {
        const std::size_t outer = loops_.size();
        const bool counted = is_counted_loop(op) || op.opcode == Opcode::site_;
        for (std::size_t i = 0; i < inner.arguments.size(); ++i)
          if (counted && (op.opcode != Opcode::loop_ || i == 0))
            loops_.push_back({inner.arguments[i], op.operands[i]});
        if (op.opcode == Opcode::while_)
          loops_.push_back({});
        walk(inner);
        for (ValueId v : inner.yields)
          if (!function_.type(v).is_scalar())
            uses.other.insert(v);
        loops_.resize(outer);
      }
    }
  }

  const Function& function_;
  std::vector<LoopIndex> loops_;
};

// Loops over these extents have the same iterations.
bool same_extent(const Uses& uses, ValueId a, ValueId b) {
  a = iterations(uses.definitions, a);
  b = iterations(uses.definitions, b);
  if (a == b)
    return true;
  const Op* x = uses.definitions.as(a, Opcode::constant_);
  const Op* y = uses.definitions.as(b, Opcode::constant_);
  return x && y && x->integer == y->integer;
}

/// Decides which builds are substituted.
class BuildChoice {
public:
  explicit BuildChoice(const Function& function) : function_(function), collector_(function) {
    ir::for_each_op(function.body, [&](const Op& op) {
      if (op.opcode != Opcode::build_)
        return;
      const double body = body_cost(op);
      if (is_substituted(op, body)) {
        chosen_.emplace(op.results[0], &op);
        cost_.emplace(op.results[0], body);
      }
    });
  }

  const Op* build_of(ValueId array) const {
    const auto found = chosen_.find(array);
    return found == chosen_.end() ? nullptr : found->second;
  }

private:
  // Of an element, with the builds that are substituted in it.
  double body_cost(const Op& build) const {
    double sum = 0;
    for (const Op& op : build.regions[0].ops)
      sum += cost(function_, op);
    ir::for_each_op(build.regions[0], [&](const Op& op) {
      if (op.opcode == Opcode::load_)
        if (const auto found = cost_.find(op.operands[0]); found != cost_.end())
          sum += found->second;
    });
    return sum;
  }

  // The value of an element must not depend on when it is computed.
  bool is_timeless(const Op& build) const {
    bool result = true;
    ir::for_each_op(build.regions[0], [&](const Op& op) {
      if (op.opcode == Opcode::load_ && function_.type(op.operands[0]).reference) {
        const Op* memory = collector_.uses.definitions.as(op.operands[0], Opcode::alloc_);
        result &= memory && memory->integer == 0;
      }
      result &= op.opcode != Opcode::alloc_ && !ir::has_effect(op.opcode);
    });
    return result;
  }

  // Every element is computed at most once: the indices are those of all the loops around the load
  // that are not around the build, each once, over the extents of the build.
  bool visits_once(const Op& build, const Use& use) const {
    const std::size_t outer = collector_.uses.depth.at(build.results[0]);
    const std::size_t inner = use.loops.size() - outer;
    if (inner > build.operands.size())
      return false;
    std::size_t matched = 0;
    for (std::size_t i = 0; i < build.operands.size(); ++i)
      for (std::size_t l = outer; l < use.loops.size(); ++l)
        matched += use.loops[l].index == use.op->operands[i + 1] &&
                   same_extent(collector_.uses, use.loops[l].extent, build.operands[i]);
    return matched == inner;
  }

  bool is_substituted(const Op& build, double body) const {
    const ValueId array = build.results[0];
    const auto found = collector_.uses.by_array.find(array);
    if (found == collector_.uses.by_array.end() || !is_timeless(build))
      return false;
    if (body <= cheap)
      return true;
    // It must be there anyway.
    if (collector_.uses.other.contains(array))
      return false;
    const std::vector<Use>& uses = found->second;
    if (uses.size() == 1)
      return visits_once(build, uses.front());
    // Single elements, no more of them than the array has.
    std::int64_t size = 1;
    for (const ir::Dim& dim : function_.type(array).dims)
      size = dim.value ? 0 : size * dim.constant;
    const std::size_t outer = collector_.uses.depth.at(array);
    for (const Use& use : uses)
      if (use.loops.size() != outer)
        return false;
    return static_cast<std::int64_t>(uses.size()) <= size;
  }

  const Function& function_;
  UseCollector collector_;
  std::map<ValueId, const Op*> chosen_;
  std::map<ValueId, double> cost_; // of the chosen ones
};

} // namespace

Function fuse_builds(const Function& function) {
  const BuildChoice choice(function);
  // Copies of one body need different values, so every substitution has its own map; what the body
  // names of the outside is looked up in the map of the function.
  Function result = ir::rewrite(function, [&](Rewriter& rewriter, const Op& op) {
    const Op* build = op.opcode == Opcode::load_ ? choice.build_of(op.operands[0]) : nullptr;
    if (!build)
      return false;
    const Region& body = build->regions[0];
    std::vector<ValueId> indices;
    for (std::size_t i = 0; i < body.arguments.size(); ++i)
      indices.push_back(rewriter(op.operands[i + 1]));
    // Values of the body are set anew by each copy.
    for (std::size_t i = 0; i < body.arguments.size(); ++i)
      rewriter.set(body.arguments[i], indices[i]);
    rewriter.copy_ops(body);
    rewriter.set(op.results[0], rewriter(body.yields[0]));
    return true;
  });
  return remove_dead_code(result);
}

// --- Stores become builds -----------------------------------------------------------------------------

namespace {

/// Memory that is filled by exactly one store, at the indices of the loop around it.
struct Filled {
  const Op* alloc = nullptr;
  const Op* loop = nullptr;  // a reduce at the level of the alloc
  const Op* store = nullptr; // directly in it
};

class FilledMemory {
public:
  explicit FilledMemory(const Function& function) : function_(function) {
    ir::for_each_op(function.body, [&](const Op& op) {
      if (op.opcode == Opcode::store_ || op.opcode == Opcode::accumulate_)
        ++writes_[op.operands[0]];
    });
    walk(function.body);
  }

  // By the loop that fills.
  const std::vector<Filled>* of(const Op& loop) const {
    const auto found = by_loop_.find(&loop);
    return found == by_loop_.end() ? nullptr : &found->second;
  }
  bool is_filled(ValueId memory) const { return filled_.contains(memory); }

private:
  void walk(const Region& region) {
    std::map<ValueId, const Op*> allocs;
    for (const Op& op : region.ops) {
      if (op.opcode == Opcode::alloc_ && op.integer == 0 && !op.operands.empty())
        allocs[op.results[0]] = &op;
      if (op.opcode == Opcode::reduce_)
        consider(op, allocs);
      for (const Region& inner : op.regions)
        walk(inner);
    }
  }

  void consider(const Op& loop, const std::map<ValueId, const Op*>& allocs) {
    const Region& body = loop.regions[0];
    std::size_t effects = 0;
    std::set<ValueId> read;
    ir::for_each_op(body, [&](const Op& op) {
      effects += ir::has_effect(op.opcode);
      if (op.opcode == Opcode::load_ || op.opcode == Opcode::freeze_)
        read.insert(op.operands[0]);
    });
    // A loop that fills several arrays computes them together; it stays.
    if (effects != 1 || !loop.results.empty())
      return;
    for (const Op& op : body.ops) {
      if (op.opcode != Opcode::store_)
        continue;
      const ValueId memory = op.operands[0];
      const auto alloc = allocs.find(memory);
      if (alloc == allocs.end() || writes_.at(memory) != 1 || read.contains(memory))
        continue;
      const std::size_t rank = function_.type(memory).rank();
      bool matches = rank == body.arguments.size();
      for (std::size_t i = 0; matches && i < rank; ++i)
        matches = op.operands[i + 1] == body.arguments[i] && alloc->second->operands[i] == loop.operands[i];
      if (!matches)
        continue;
      by_loop_[&loop].push_back({alloc->second, &loop, &op});
      filled_.insert(memory);
    }
  }

  const Function& function_;
  std::map<ValueId, std::size_t> writes_;
  std::map<const Op*, std::vector<Filled>> by_loop_; // looked up only, never walked
  std::set<ValueId> filled_;
};

} // namespace

Function stores_to_builds(const Function& function) {
  const FilledMemory memory(function);
  Function result = ir::rewrite(function, [&](Rewriter& rewriter, const Op& op) {
    if (op.opcode == Opcode::alloc_ && memory.is_filled(op.results[0]))
      return true;
    // Loads and freezes of the memory now read the build.
    if (op.opcode == Opcode::freeze_ && memory.is_filled(op.operands[0])) {
      rewriter.set(op.results[0], rewriter(op.operands[0]));
      return true;
    }
    const std::vector<Filled>* filled = op.opcode == Opcode::reduce_ ? memory.of(op) : nullptr;
    if (!filled)
      return false;
    ir::Builder& b = rewriter.builder();
    const Filled& only = filled->front();
    std::vector<ir::Dim> extents;
    for (ValueId v : op.operands)
      extents.push_back(b.dim(rewriter(v)));
    const ir::Element element = function.type(only.store->operands[0]).element;
    const ValueId array = b.build(extents, element, [&](ir::Builder::Indices indices) {
      for (std::size_t i = 0; i < indices.size(); ++i)
        rewriter.set(op.regions[0].arguments[i], indices[i]);
      for (const Op& inner : op.regions[0].ops)
        if (&inner != only.store)
          rewriter.copy(inner);
      return rewriter(only.store->operands.back());
    });
    b.function().values[array.id].hint = function.values[only.alloc->results[0].id].hint;
    rewriter.set(only.alloc->results[0], array);
    return true;
  });
  return result;
}

} // namespace vmodel::passes
