// Appends operations to a function. Interface header.
#pragma once

#include "compiler/ir/fold.h"
#include "compiler/ir/module.h"

#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace vmodel::ir {

/// Appends to the innermost open region. Every method checks operand types (a violation is a bug of
/// the compiler and stops with an internal error that names the operation). Constants and trivially
/// foldable arithmetic (x + 0, x * 1, constant operands) are folded at once, so that callers need no
/// special cases.
class Builder {
public:
  explicit Builder(Function& function);

  Function& function() { return function_; }
  /// Operations appended from now on carry this range.
  void set_range(SourceRange range) { range_ = range; }
  SourceRange range() const { return range_; }

  // parameters (only before the first operation)
  ValueId parameter(std::string name, Type type, Axis axis);

  // scalars
  ValueId constant(double value);
  ValueId index(std::int64_t value);
  ValueId boolean(bool value);
  ValueId unary(Opcode opcode, ValueId x);
  ValueId binary(Opcode opcode, ValueId x, ValueId y);
  ValueId compare(Opcode opcode, ValueId x, ValueId y);
  ValueId select(ValueId condition, ValueId a, ValueId b);
  ValueId logical_and(ValueId a, ValueId b);
  ValueId logical_or(ValueId a, ValueId b);
  ValueId logical_not(ValueId a);
  ValueId is_nan(ValueId x);
  ValueId to_real(ValueId x);
  ValueId to_index(ValueId x);
  ValueId stop(ValueId x);
  ValueId only_derivative(ValueId x);
  ValueId strong_mul(ValueId linear, ValueId coefficient);
  ValueId lane_sum(ValueId x);
  ValueId add(ValueId x, ValueId y) { return binary(Opcode::add, x, y); }
  ValueId sub(ValueId x, ValueId y) { return binary(Opcode::sub, x, y); }
  ValueId mul(ValueId x, ValueId y) { return binary(Opcode::mul, x, y); }
  ValueId div(ValueId x, ValueId y) { return binary(Opcode::div, x, y); }
  ValueId neg(ValueId x) { return unary(Opcode::neg, x); }

  // extents
  Dim dim(ValueId extent);        // folds constants
  ValueId extent(const Dim& dim); // the index value of a dim (a constant op if needed)
  ValueId product(std::span<const Dim> dims);

  // arrays and memory
  using Indices = std::span<const ValueId>;
  ValueId load(ValueId array, Indices indices);
  ValueId load(ValueId array, std::initializer_list<ValueId> indices);
  ValueId build(std::span<const Dim> extents, Element element, const std::function<ValueId(Indices)>& body);
  ValueId alloc(std::span<const Dim> extents, Element element, bool zeroed);
  void store(ValueId reference, Indices indices, ValueId value);
  void accumulate(ValueId reference, Indices indices, ValueId value);
  ValueId freeze(ValueId reference);

  // control flow; bodies append to this builder while they run
  /// kind: add|max|min|and|or. Returns one value a yielded value; a body that yields nothing makes a
  /// loop for its effects whose iterations do not depend on each other.
  std::vector<ValueId> reduce(const std::string& kind, std::span<const Dim> extents,
                              const std::function<std::vector<ValueId>(Indices)>& body);
  ValueId sum(std::span<const Dim> extents, const std::function<ValueId(Indices)>& body);
  void for_each(std::span<const Dim> extents, const std::function<void(Indices)>& body);
  /// Sequential; body(index, carried) returns the next carried values.
  std::vector<ValueId>
  loop(const Dim& extent, std::span<const ValueId> initial, bool reverse,
       const std::function<std::vector<ValueId>(ValueId index, std::span<const ValueId> carried)>& body);
  std::vector<ValueId> if_(ValueId condition, const std::function<std::vector<ValueId>()>& then_body,
                           const std::function<std::vector<ValueId>()>& else_body);
  std::vector<ValueId> while_(std::span<const ValueId> initial,
                              const std::function<ValueId(std::span<const ValueId>)>& condition,
                              const std::function<std::vector<ValueId>(std::span<const ValueId>)>& body);
  /// Result types may name extents that are values of the caller.
  std::vector<ValueId> call(const std::string& callee, std::span<const ValueId> arguments, std::vector<Type> results);

  // statements
  struct SiteBodies {
    std::function<ValueId(Indices)> density; // log density of the event at these batch indices: f64
    std::function<ValueId(Indices)> sample;  // a draw of the event (scalar, or array of the event's shape)
    std::function<ValueId(Indices)> support; // bool: the value is in the support
    std::function<ValueId(Indices)> entropy; // f64
    /// The position (index) of the event among all observed values: if set, the second yield of the
    /// density, sample and support regions.
    std::function<ValueId(Indices)> position;
    /// The positions of all elements of an event (an index array of the event's shape), for the sample region where
    /// they need not be neighbours; unset: they follow the position, row-major.
    std::function<ValueId(Indices)> positions;
  };
  void site(SiteKind kind, const std::string& name, std::span<const Dim> batch, const SiteBodies& bodies);
  void output(const std::string& name, ValueId value);
  /// `values` are what the message speaks of.
  void require(ValueId condition, const std::string& message_id, std::span<const ValueId> values = {});
  ValueId random(const std::string& kind, std::int64_t site, ValueId element, ValueId attempt);

  /// Ends the body: its results.
  void yield(std::vector<ValueId> values);

  /// Appends a finished operation (used by passes that copy operations); returns its results.
  const std::vector<ValueId>& append(Op op);
  /// Opens and closes a region by hand (used by passes).
  void open_region();
  Region close_region(std::vector<ValueId> yields);

  /// The value of a constant that this builder made or found; nothing for other values.
  std::optional<Constant> constant_value(ValueId v) const;
  /// A new operation with new results of these types, without folding.
  std::vector<ValueId> emit(Opcode opcode, std::vector<ValueId> operands, std::vector<Type> results,
                            std::vector<Region> regions = {}, std::string symbol = {}, std::int64_t integer = 0);

private:
  // Element, bits of the value: constants are made once in a region and those inside it.
  using ConstantKey = std::pair<Element, std::int64_t>;

  ValueId make(const Constant& constant);
  ValueId scalar(Opcode opcode, std::vector<ValueId> operands, Type result);
  ValueId identity(Opcode opcode, ValueId x, ValueId y) const;
  std::vector<ValueId> extents(std::span<const Dim> dims);
  std::vector<ValueId> arguments(std::span<const ValueId> extents);
  Type type_of(ValueId v, Opcode user) const;
  void note_constant(const Op& op);

  Function& function_;
  SourceRange range_{};
  std::vector<Region> open_;                              // innermost last; closed regions move into their operation
  std::vector<std::map<ConstantKey, ValueId>> constants_; // one an open region
  std::vector<std::optional<Constant>> known_;            // by value
};

} // namespace vmodel::ir
