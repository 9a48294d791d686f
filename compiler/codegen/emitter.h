// Emits the body of one VIR function as LLVM IR, for a number of lanes.
#pragma once

#include "compiler/codegen/jam.h"
#include "compiler/codegen/math.h"
#include "compiler/codegen/philox.h"
#include "compiler/codegen/products.h"
#include "compiler/codegen/rows.h"
#include "compiler/codegen/target.h"
#include "compiler/codegen/varying.h"
#include "compiler/ir/definitions.h"
#include "compiler/ir/module.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/MDBuilder.h>

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace vmodel::codegen {

/// An array or a reference: where its elements lie. Row-major; an array that varies has W columns, the lane innermost.
struct Memory {
  llvm::Value* pointer = nullptr;
  bool varying = false;
  int depth = 0;                 // how many masks were set where it was made: outer memory is blended
  std::uint64_t alignment = 64;  // bytes
  llvm::MDNode* scope = nullptr; // what no other memory with a scope overlaps; none: may overlap
};

/// Emits into one LLVM function. The caller sets parameters with `set_scalar` and `set_memory`, then calls `emit_body`.
class Emitter {
public:
  /// `known`: ranges of parameters by name.
  Emitter(const ir::Function& function, const Varying& varying, int lanes, const Target& target,
          const std::map<std::string, ir::Range>& known, llvm::Function* into);

  llvm::IRBuilder<>& builder() { return builder_; }
  void set_scalar(ir::ValueId value, llvm::Value* scalar) { place(value) = scalar; }
  /// `own`: no other memory overlaps it.
  void set_memory(ir::ValueId value, llvm::Value* pointer, bool own, std::uint64_t alignment = 64);
  /// A scalar argument from its place in memory (one for each lane where it varies).
  llvm::Value* load_argument(ir::ValueId value, llvm::Value* pointer);
  /// Memory for temporaries and the generator's state; both may be null where the function needs none.
  void set_workspace(llvm::Value* pointer) { workspace_ = pointer; }
  void set_random(llvm::Value* pointer) { random_ = pointer; }
  /// Loops may do several iterations at once: faster code, and more of it. `Jams::products`: only where a loop inside
  /// is then shared by all of them, as in a product with a matrix, and in products of two vectors.
  enum class Jams { none, products, all };
  void allow_jams(Jams jams) { jams_ = jams; }
  /// Prepare: how memory is had instead, what a failed condition calls, and where outputs go. All loads are checked
  /// then.
  struct Hooks {
    std::function<llvm::Value*(llvm::Value* bytes)> allocate;
    std::function<void(const ir::Op& op)> require;
    std::function<void(const ir::Op& op)> output;
  };
  void set_hooks(Hooks hooks) { hooks_ = std::move(hooks); }

  /// The operations of the function's body, at the insertion point.
  void emit_body();

  /// Bytes of workspace that the body needs: emits the arithmetic from values of the parameters alone.
  llvm::Value* emit_workspace_size();

  llvm::Value* scalar(ir::ValueId value) const;
  const Memory& memory(ir::ValueId value) const;
  /// An index value that does not vary, as i64.
  llvm::Value* extent(const ir::Dim& dim) const;
  bool is_varying(ir::ValueId value) const { return (*varying_)[value]; }
  llvm::Type* element_type(ir::Element element) const;
  /// The type of an element in memory: booleans are bytes.
  llvm::Type* stored_type(ir::Element element) const;

private:
  using IndexedBody =
      std::function<std::vector<llvm::Value*>(llvm::Value* index, const std::vector<llvm::Value*>& carried)>;

  llvm::Value*& place(ir::ValueId value) {
    return jam_ && jam_->differs[value.id] ? copies_[copy_][value.id] : scalars_[value.id];
  }
  // scalars (emitter.cpp)
  llvm::Value* widened(ir::ValueId value) const;
  llvm::Value* widen(llvm::Value* value) const;
  void define(ir::ValueId value, llvm::Value* scalar);
  std::vector<llvm::Value*> agreeing(const ir::Op& op, std::size_t first = 0) const;
  llvm::Value* any_lane(llvm::Value* mask);
  llvm::Value* constant_of(const ir::Op& op);
  llvm::Value* emit_scalar(const ir::Op& op);
  llvm::Value* emit_index(const ir::Op& op, llvm::Value* x, llvm::Value* y);
  llvm::Value* emit_real(const ir::Op& op, const std::vector<llvm::Value*>& operands);
  llvm::Value* emit_compare(const ir::Op& op, llvm::Value* x, llvm::Value* y);
  llvm::Value* emit_divide(llvm::Value* x, llvm::Value* y, bool remainder);
  llvm::Value* emit_lane_sum(ir::ValueId value);
  llvm::Value* emit_min_max(llvm::Value* x, llvm::Value* y, bool max);
  PhiloxCounter random_counter(const ir::Op& op, llvm::Value* first_word);
  llvm::Value* rounded_random(const ir::Op& op, llvm::Value* number);
  llvm::Value* emit_random(const ir::Op& op);

  // memory (emitter_memory.cpp)
  struct Address {
    llvm::Value* pointer = nullptr; // a vector of pointers where the index varies
    bool gathered = false;
    bool rows = false;            // of as many elements in a row as there are lanes, of memory without lanes
    llvm::Value* valid = nullptr; // prepare: whether the index is inside of the array
  };
  Address address(ir::ValueId array, const std::vector<ir::ValueId>& indices);
  std::optional<Address> beside_first_copy(ir::ValueId array, const std::vector<ir::ValueId>& indices);
  llvm::Align lane_alignment(const Memory& at, ir::Element element) const;
  llvm::Value* load_from(ir::ValueId array, const Address& at);
  void store_to(ir::ValueId reference, const Address& at, llvm::Value* value);
  void emit_load(const ir::Op& op);
  void emit_store(const ir::Op& op);
  void emit_alloc(const ir::Op& op);
  void emit_build(const ir::Op& op);
  void make_memory(const ir::Op& op);
  llvm::Instruction* annotate(llvm::Instruction* access, const Memory& memory);
  llvm::Value* byte_count(const ir::Op& op);
  bool is_small(const ir::Op& op) const;

  // workspace (workspace.cpp)
  void plan_workspace();
  bool is_static(const ir::Op& op) const;
  bool can_rematerialise(ir::ValueId value) const;
  void rematerialise(ir::ValueId value);
  void find_needed(std::span<const ir::Op> ops);
  llvm::Value* stacked_size(std::span<const ir::Op> ops, llvm::Value* offset);
  void reserve_scratch(const ir::Op& op);

  // control flow (emitter_control.cpp)
  void emit_region(const ir::Region& region);
  void emit_op(const ir::Op& op);
  bool emit_noise(const ir::Op& loop);
  void emit_loop(const ir::Op& op);
  void emit_if(const ir::Op& op);
  void emit_uniform_if(const ir::Op& op);
  void emit_varying_if(const ir::Op& op);
  void emit_while(const ir::Op& op);
  std::vector<llvm::Value*>
  nest(const std::vector<llvm::Value*>& extents, const std::vector<ir::ValueId>& indices, std::size_t level,
       const std::vector<llvm::Value*>& carried,
       const std::function<std::vector<llvm::Value*>(const std::vector<llvm::Value*>&)>& body);
  std::vector<llvm::Value*> counted_loop(llvm::Value* count, const std::vector<llvm::Value*>& carried,
                                         const IndexedBody& body);
  struct AfterLoop {
    llvm::Value* index;
    std::vector<llvm::Value*> values;
  };
  AfterLoop stepped_loop(llvm::Value* first, llvm::Value* end, int step, const std::vector<llvm::Value*>& carried,
                         const IndexedBody& body);
  std::vector<llvm::Value*> masked_region(const ir::Region& region, const std::vector<ir::ValueId>& results,
                                          llvm::Value* mask);
  bool is_cheap(const ir::Region& region);
  bool is_within(ir::ValueId index, const ir::Dim& extent);
  llvm::BasicBlock* block(const char* name);

  // reduces, several iterations at once (emitter_reduce.cpp)
  void emit_reduce(const ir::Op& op);
  /// A reduce with what its results are carried in: `sums` numbers each, or the sum and products of logarithms.
  struct Results {
    const ir::Op& op;
    std::vector<std::optional<LogarithmSum>> logarithms;
    std::size_t sums = 1;
  };
  std::vector<std::optional<LogarithmSum>> find_logarithms(const ir::Op& op);
  std::vector<llvm::Value*> initial(const Results& results);
  void add_iterations(const Results& results, std::vector<llvm::Value*>& carried, llvm::Value* index,
                      std::size_t copies);
  void define_results(const Results& results, const std::vector<llvm::Value*>& carried);
  std::optional<Jam> plan(const ir::Op& op) const;
  /// What follows the body of iterations, the first of which is `index`: the next carried values.
  using Iterations = std::function<void(std::vector<llvm::Value*>& carried, llvm::Value* index, std::size_t copies)>;
  std::vector<llvm::Value*> jammed_nest(const ir::Op& op, const Jam& jam, const std::vector<llvm::Value*>& extents,
                                        const std::vector<llvm::Value*>& carried, const Iterations& after_body);
  AfterLoop at_once(const ir::Op& op, const Jam& jam, const AfterLoop& before, const std::vector<llvm::Value*>& inner,
                    llvm::Value* extent, const Iterations& after_body);
  void emit_shared(const ir::Op& op, const std::vector<llvm::Value*>& extents);
  void emit_copies(const ir::Op& op);
  llvm::Value* opaque(llvm::Value* index);
  llvm::Value* load_again(const ir::Op& load);
  bool is_common_sum(const ir::Op& op) const;
  void emit_common_sum(const ir::Op& op);
  // iterations in lanes (emitter_rows.cpp)
  std::optional<Rows> find_rows(const ir::Op& loop, const std::vector<llvm::Value*>& extents) const;
  void emit_rows(const ir::Op& loop, const Rows& rows, const std::vector<llvm::Value*>& extents);
  std::vector<llvm::Value*> emit_innermost(const Results& results, const Jam* jam, llvm::Value* extent,
                                           const std::vector<llvm::Value*>& begun);
  std::vector<llvm::Value*> emit_vectors(const Results& results, std::size_t copies, llvm::Value* first,
                                         const std::vector<llvm::Value*>& carried);
  bool is_of_rows(const ir::Op& loop) const { return rows_ && rows_->loop == &loop; }
  void accumulate_rows(const ir::Op& op, llvm::Value* value);
  Address address_of_row(ir::ValueId array, const std::vector<ir::ValueId>& indices, int lane);
  void add_to(ir::ValueId reference, const Address& at, llvm::Value* value);
  llvm::Value* first_row(ir::ValueId index);
  llvm::Value* of_row(ir::ValueId value, int lane);
  llvm::Value* row_numbers();
  llvm::Value* fold_lanes(llvm::Value* value, const std::function<llvm::Value*(llvm::Value*, llvm::Value*)>& join);
  llvm::Value* across_lanes(const std::string& kind, llvm::Value* value);
  llvm::Value* if_active(llvm::Value* value, llvm::Value* other);
  // sums over lanes of all copies (emitter_lane_sums.cpp)
  void emit_lane_sums(const ir::Op& op);
  llvm::Value* sums_over_lanes(std::vector<llvm::Value*> rows);
  std::vector<llvm::Value*> transposed(std::vector<llvm::Value*> rows);
  /// A product with a factor that differs from copy to copy and one that is loaded for all of them.
  struct LaneProduct {
    const ir::Op* product = nullptr;
    ir::ValueId factor;
    const ir::Op* load = nullptr;
  };
  std::optional<LaneProduct> find_lane_product(const ir::Op& sum);
  llvm::Value* sums_of_products(const LaneProduct& product, std::size_t first);
  std::optional<std::int64_t> stride_of_copies(ir::ValueId index);
  bool emit_row_sum(const ir::Op& op);

  llvm::Value* identity_of(const ir::Op& reduce, ir::ValueId result);
  llvm::Value* plus(llvm::Value* sum, llvm::Value* value);
  llvm::Value* combine(const std::string& kind, llvm::Value* sum, llvm::Value* value);

  const ir::Function& function_;
  const Varying* varying_;
  int lanes_;
  const Target& target_;
  llvm::Function* into_;
  llvm::IRBuilder<> builder_;
  MathEmitter math_;
  std::vector<llvm::Value*> scalars_;
  std::map<std::uint32_t, Memory> memories_; // by the number of the root
  llvm::Value* workspace_ = nullptr;
  llvm::Value* random_ = nullptr;
  std::map<const ir::Op*, llvm::Value*> numbers_; // random numbers that are known already
  llvm::Value* mask_ = nullptr;                   // <W x i1>: the lanes that are active; null: all
  int depth_ = 0;                                 // how many masks were set

  // Several iterations of a reduce at once: values that differ between them have a place for each.
  Jams jams_ = Jams::none;
  const Jam* jam_ = nullptr;                      // of the reduce whose iterations are emitted
  std::vector<std::vector<llvm::Value*>> copies_; // by copy and value
  ir::ValueId jam_index_;                         // the index of which the copies are
  llvm::Value* again_ = nullptr;                  // its first value of them, for what is loaded again
  std::size_t copy_ = 0;                          // the one that is looked at
  bool in_copy_ = false;                          // inside of an operation that is emitted for one copy
  std::map<std::pair<llvm::Value*, llvm::Value*>, llvm::Value*> masked_; // by product and factor: the factor masked
  bool is_again_ = false;                                                // while a number is loaded again
  std::map<std::uint32_t, std::vector<llvm::Value*>> lane_sums_;         // by value: of all copies, in vectors
  std::optional<ir::Definitions> all_definitions_;                       // made when it is needed
  std::map<std::uint32_t, ir::ValueId> turns_;                           // of an index of a loop: how many there are

  // Iterations in lanes (rows.h).
  const Rows* rows_ = nullptr;                     // of the loop whose iterations are the lanes
  llvm::Value* first_row_ = nullptr;               // the index in the first lane (of the first copy)
  std::map<const ir::Op*, llvm::Value*> row_sums_; // what is to be added to an element when all rows are done

  // Sums of logarithms (products.h).
  ir::Ranges ranges_;
  std::vector<int> uses_;           // of values; empty until it is needed
  std::set<const ir::Op*> skipped_; // operations that products stand for

  int nesting_ = 0; // regions that are open
  Hooks hooks_;

  // Where temporaries lie (workspace.cpp).
  bool planned_ = false;
  std::map<const ir::Op*, llvm::Value*> offsets_;      // those with a place of their own
  std::set<const ir::Op*> dynamic_;                    // those stacked on top
  std::map<std::uint32_t, const ir::Op*> definitions_; // scalar operations that may be done at the start
  std::vector<bool> needed_;                           // values that sizes of stacked temporaries need
  std::set<const ir::Op*> around_;                     // operations with stacked temporaries inside
  llvm::Value* top_ = nullptr;                         // the offset above everything in use here

  llvm::MDNode* scope_domain_ = nullptr;
  std::vector<llvm::MDNode*> scopes_;
  struct Access {
    llvm::Instruction* instruction;
    llvm::MDNode* scope;
  };
  std::vector<Access> accesses_;

public:
  /// Gives every access the list of the scopes that it does not overlap; once, at the end.
  void finish();
};

} // namespace vmodel::codegen
