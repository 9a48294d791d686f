// What is known about the values of a function that is being built: how they were computed, index
// values as sums of others, and which were computed before (common subexpressions).
#pragma once

#include "compiler/ir/builder.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace vmodel::passes {

/// An index value as constant + sum of coefficient * value, values in increasing order.
struct Affine {
  std::int64_t constant = 0;
  std::vector<std::pair<ir::ValueId, std::int64_t>> terms;
  bool operator==(const Affine&) const = default;

  bool is_constant() const { return terms.empty(); }
  Affine plus(const Affine& other, std::int64_t factor) const;
  Affine times(std::int64_t factor) const;
};

/// The definition of a scalar in the new function.
struct Definition {
  ir::Opcode opcode{};
  std::vector<ir::ValueId> operands;
};

class Expressions {
public:
  explicit Expressions(ir::Builder& builder) : builder_(builder) {}

  // --- definitions
  void define(ir::ValueId v, ir::Opcode opcode, const std::vector<ir::ValueId>& operands);
  /// The definition if it has this opcode.
  const Definition* defined_as(ir::ValueId v, ir::Opcode opcode) const;

  // --- index arithmetic
  Affine affine(ir::ValueId v) const;
  void set_affine(ir::ValueId v, Affine affine);

  // --- values computed before; a key is any sequence of numbers
  using Key = std::vector<std::uint64_t>;
  ir::ValueId find(const Key& key) const;
  void insert(Key key, ir::ValueId v);
  /// Keys of results of operations with several of them.
  const std::vector<ir::ValueId>* find_all(const Key& key) const;
  void insert_all(Key key, std::vector<ir::ValueId> values);
  /// What is inserted between open and close is forgotten at close.
  void open_scope() { scopes_.emplace_back(); }
  void close_scope();

  /// The key of an operation without regions.
  static Key key(ir::Opcode opcode, std::vector<ir::ValueId> operands, const ir::Op& attributes);
  /// The key of any operation of the new function; values that it defines inside are numbered in
  /// order, so that equal regions have equal keys. `memory(reference)` tells states of memory apart.
  Key structural_key(const ir::Op& op, const std::function<std::uint64_t(ir::ValueId)>& memory) const;

private:
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };

  ir::Builder& builder_;
  std::unordered_map<std::uint32_t, Definition> definitions_;
  std::unordered_map<std::uint32_t, Affine> affine_;
  std::unordered_map<Key, std::vector<ir::ValueId>, Hash> known_; // looked up only, never walked
  std::vector<std::vector<Key>> scopes_{1};
};

/// True where exchanging the operands gives the same bits.
bool is_commutative(ir::Opcode opcode);

} // namespace vmodel::passes
