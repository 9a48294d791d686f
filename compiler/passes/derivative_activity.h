// What depends on the differentiated inputs, and which memory a reverse pass must save.
#pragma once

#include "compiler/ir/module.h"
#include "compiler/passes/positions.h"

#include <map>
#include <optional>
#include <vector>

namespace vmodel::passes {

/// A load from memory that is overwritten after it, inside loops: a reverse pass cannot read it
/// again, so every value that it gives is saved.
struct SavedLoad {
  const ir::Op* load = nullptr;
  /// The operations around it that lie inside the region of the memory's allocation, outermost first.
  std::vector<const ir::Op*> around;
};

/// Facts about one function; keeps references to its operations.
class Activity {
public:
  /// `inputs`: the values of parameters that have tangents.
  Activity(const ir::Function& function, const std::vector<ir::ValueId>& inputs);

  /// A scalar, array or memory whose derivative may be other than zero.
  bool active(ir::ValueId v) const { return active_[v.id]; }
  /// The operation has an active result, or stores to active memory.
  bool active(const ir::Op& op) const;
  /// The memory or array behind a value: freeze is looked through.
  ir::ValueId root(ir::ValueId v) const { return root_[v.id]; }
  /// The operation that defines a value; null for parameters and arguments of regions.
  const ir::Op* definition(ir::ValueId v) const { return definition_[v.id]; }
  /// Number of operations around the definition.
  std::size_t depth(ir::ValueId v) const { return depth_[v.id]; }
  /// Position of an operation in the text.
  std::size_t position(const ir::Op& op) const { return place_.at(&op).position; }
  /// Number of operations around it.
  std::size_t depth(const ir::Op& op) const { return place_.at(&op).depth; }
  /// Loads to be saved when this operation (the outermost one around them) runs.
  const std::vector<SavedLoad>& saved_loads(const ir::Op& op) const;
  /// True if nothing writes what the store has stored: it can be loaded as soon as the store has run, and ever after.
  bool is_last_write(const ir::Op& store) const;
  /// True if the root is written by accumulate anywhere.
  bool accumulated(ir::ValueId root) const { return accumulated_[root.id]; }
  /// True if a load reads the root; for scalars also if it may be stored to more than once.
  bool overwritten_or_read(ir::ValueId root) const;

private:
  struct RootAccess : Access {
    ir::ValueId root;
  };

  void index(const ir::Region& region);
  bool spread(const ir::Region& region);
  bool set(ir::ValueId v, bool on);
  bool any_active_use(const ir::Op& op) const;
  void find_saved_loads();
  bool is_written_later(const RootAccess& access) const;

  const ir::Function& function_;
  std::vector<bool> active_, accumulated_, loaded_;
  std::vector<ir::ValueId> root_;
  std::vector<const ir::Op*> definition_;
  std::vector<std::size_t> depth_;
  struct Place {
    std::size_t position, depth;
  };
  std::map<const ir::Op*, Place> place_;
  std::vector<const ir::Op*> around_; // while indexing
  std::vector<RootAccess> loads_, writes_;
  std::map<const ir::Op*, std::vector<SavedLoad>> saved_;
  mutable std::optional<Positions> positions_; // made when it is needed
};

} // namespace vmodel::passes
