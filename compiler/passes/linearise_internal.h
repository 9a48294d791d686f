// The class behind linearise(); its methods are in linearise.cpp (scalars, memory), linearise_control.cpp (regions) and
// linearise_saves.cpp (what the linear part reads instead of computing it again).
#pragma once

#include "compiler/ir/axes.h"
#include "compiler/passes/derivative_activity.h"
#include "compiler/passes/derivative_rules.h"
#include "compiler/passes/linearise.h"
#include "compiler/passes/pass.h"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace vmodel::passes {

// Gives a variable a value until the end of a scope.
template <typename T>
class Restore {
public:
  Restore(T& variable, T value) : variable_(variable), old_(variable) { variable_ = std::move(value); }
  ~Restore() { variable_ = std::move(old_); }
  Restore(const Restore&) = delete;

private:
  T& variable_;
  T old_;
};

class Lineariser {
public:
  Lineariser(const ir::Function& source, const LinearisePlan& plan);
  Linearised run();

private:
  // A tangent with its sign apart, so that sums become differences.
  struct Term {
    ir::ValueId value;
    bool negative = false;
  };

  // --- linearise.cpp
  void parameters();
  void for_each_element(ir::ValueId array, const std::function<void(ir::Builder::Indices)>& body);
  bool emit(const ir::Op& op);
  void scalar(const ir::Op& op);
  void missing(const ir::Op& op, const std::string& what);
  void load(const ir::Op& op);
  void store(const ir::Op& op);
  void alloc(const ir::Op& op);
  void freeze(const ir::Op& op);
  ir::ValueId apply(const Partial& partial, ir::ValueId tangent, bool singular, bool vanishing, bool& negative);
  ir::ValueId sum(std::optional<Term> a, std::optional<Term> b);
  ir::ValueId tangent(ir::ValueId source) const { return tangent_[source.id]; }
  ir::ValueId tangent_or_zero(ir::ValueId source);
  void set_tangent(ir::ValueId source, ir::ValueId tangent) { tangent_[source.id] = tangent; }
  // Marks a new value as linear; values that folding gave back are what they were.
  template <typename Make>
  ir::ValueId linear(const Make& make) {
    const std::size_t before = out_.values.size();
    const ir::ValueId v = make();
    if (v.id >= before && !builder_->constant_value(v))
      mark(v);
    return v;
  }
  void mark(ir::ValueId v);
  bool is_linear(ir::ValueId v) const { return v.id < linear_.size() && linear_[v.id]; }
  bool wild(ir::ValueId v) const { return v.id < wild_.size() && wild_[v.id]; }
  void set_wild(ir::ValueId v);

  // --- linearise_control.cpp
  void build(const ir::Op& op);
  void reduce(const ir::Op& op);
  void reduce_extremum(const ir::Op& op);
  void loop(const ir::Op& op);
  void branch(const ir::Op& op);
  void while_loop(const ir::Op& op);
  void copy_primal(const ir::Op& op);
  void sum_primal(const ir::Op& op);
  bool saves_inside(const ir::Region& region) const;
  void build_in_memory(const ir::Op& op);
  void primal_loop_with_saves(const ir::Op& op, std::vector<ir::ValueId>& saves);
  std::vector<std::size_t> active_results(const ir::Op& op) const;
  // Appends an operation; its results are new values of these types, linear if `is_linear`.
  std::vector<ir::ValueId> append(ir::Opcode opcode, std::vector<ir::ValueId> operands, std::vector<ir::Type> results,
                                  std::vector<ir::Region> regions, const std::string& symbol, std::int64_t integer);
  std::vector<ir::ValueId> append_joint(const ir::Op& op, std::vector<ir::ValueId> operands,
                                        std::vector<ir::Region> regions, std::size_t tangents);
  void set_tangents(const ir::Op& op, const std::vector<std::size_t>& positions,
                    const std::vector<ir::ValueId>& tangents);
  // A region of the linear part: it computes the primal values of `region` again and holds tangents.
  ir::Region linear_region(const ir::Region& region, std::vector<ir::ValueId> arguments,
                           const std::function<void()>& before,
                           const std::function<std::vector<ir::ValueId>()>& yields);

  // --- linearise_saves.cpp
  void plan_kept(const ir::Op& loop);
  void plan_kept(const ir::Region& region, std::set<ir::ValueId>& varying, const std::vector<ir::Dim>& extents,
                 const std::vector<ir::ValueId>& indices, std::size_t depth);
  bool is_fixed(ir::ValueId extent, std::size_t depth) const;
  void forget_kept(const ir::Region& region);
  struct Kept {
    ir::ValueId memory;               // of the new function, by the indices of the loop and of the maps inside it
    std::vector<ir::ValueId> indices; // of the source
    int depth;                        // linear depth at which it is filled
  };
  // What is kept of this operation, if the code that is made reads it (or else fills it).
  const Kept* kept_to_read(const ir::Op& op) const;
  const Kept* kept_to_fill(const ir::Op& op) const;
  ir::ValueId load_kept(const Kept& kept);
  void store_kept(const Kept& kept, ir::ValueId value);
  // A store in the body of a loop that keeps a carried value: that of the start of iteration i lies at index i + offset
  // of one axis.
  struct StoredCarried {
    const ir::Op* store = nullptr;
    std::size_t axis = 0; // an operand of the store
    ir::ValueId index;    // of the loop
    std::int64_t offset = 0;
  };
  StoredCarried stored_carried(const ir::Op& loop, std::size_t position) const;
  ir::ValueId load_carried(const StoredCarried& stored);
  std::optional<std::int64_t> constant_index(ir::ValueId v) const;
  void plan_read_back(const ir::Region& region);
  void read_back(const ir::Op& op, const ir::Op& store);
  ir::ValueId save_extent(const SavedLoad& saved, std::size_t at, ir::ValueId extent);
  ir::ValueId copy_index(ir::ValueId source, std::size_t depth);
  std::vector<ir::ValueId> save_indices(const SavedLoad& saved) const;
  // Saved memory of the loads inside an operation, for as long as its linear part is made.
  class Saves {
  public:
    Saves(Lineariser& lineariser, const ir::Op& op);
    ~Saves();

  private:
    Lineariser& lineariser_;
    const ir::Op& op_;
  };

  bool apart() const { return plan_.form == LinearForm::apart; }
  // The memory was allocated outside of the linear region that is being made: it already holds
  // what the primal part stored.
  bool is_outside(ir::ValueId root) const { return memory_depth_[root.id] < linear_depth_; }

  const ir::Function& source_;
  const LinearisePlan& plan_;
  Activity activity_;
  ir::Function out_;
  std::optional<ir::Builder> builder_;
  std::optional<ir::Rewriter> map_;
  std::vector<ir::ValueId> tangent_; // by source id; none: zero
  std::vector<int> memory_depth_;    // by source id of the root
  std::vector<bool> linear_, vanishing_, wild_;
  std::map<std::string, ir::ValueId> tangent_parameters_;
  std::vector<std::pair<ir::ValueId, ir::ValueId>> copied_; // local tangent memory, output to copy it to
  bool with_tangents_ = true;
  int linear_depth_ = 0;
  struct Saved {
    SavedLoad plan;
    ir::ValueId memory; // of the new function
    int depth;          // linear depth at which it is filled
  };
  std::map<const ir::Op*, Saved> saved_;
  std::map<const ir::Op*, const ir::Op*> read_back_; // definition -> store that holds its value
  std::map<const ir::Op*, Kept> kept_;               // dear operations of a recurrence
  std::vector<ir::Axis> axis_;
};

} // namespace vmodel::passes
