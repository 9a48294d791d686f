// VIR: the intermediate representation. Typed SSA with structured control flow and symbolic shapes.
// Interface header: docs/architecture.md says what may rely on it. operations.md describes each
// operation; opcode.def lists them.
#pragma once

#include "compiler/diagnostics/source.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vmodel::ir {

enum class Opcode : std::uint16_t {
#define VIR_UNARY(name, derivative) name,
#define VIR_BINARY(name, d_dx, d_dy) name,
#define VIR_INTEGER(name) name,
#define VIR_COMPARE(name) name,
#define VIR_OP(name) name##_,
#include "compiler/ir/opcode.def"
};

/// The name of an operation as it stands in the textual form (without the trailing underscore).
const char* name(Opcode opcode);

/// Element types. `index` is a signed 64-bit integer; data of type int are index values too.
enum class Element : std::uint8_t { f64, f32, index, boolean };

/// A value of one function: a position in Function::values. Zero is "none".
struct ValueId {
  std::uint32_t id = 0;
  explicit operator bool() const { return id != 0; }
  bool operator==(const ValueId&) const = default;
  auto operator<=>(const ValueId&) const = default;
};

/// The extent of one axis: a constant, or an index value in scope where the array is defined.
struct Dim {
  std::int64_t constant = 0; // used when `value` is none
  ValueId value;
  bool operator==(const Dim&) const = default;
};

/// Scalars have rank 0. A reference is mutable memory (result of alloc, or an output parameter).
struct Type {
  Element element = Element::f64;
  bool reference = false;
  std::vector<Dim> dims;

  std::size_t rank() const { return dims.size(); }
  bool is_scalar() const { return dims.empty() && !reference; }
  bool operator==(const Type&) const = default;
};

/// What a value varies over. Every value is computed at the earliest axis that it allows: `load` once
/// for the data, `step` once for the family's parameters, `particle` in lanes.
enum class Axis : std::uint8_t { load, step, particle };

struct Op;

/// A list of operations with arguments (loop indices, carried values) and yielded values.
struct Region {
  std::vector<ValueId> arguments;
  std::vector<Op> ops;
  std::vector<ValueId> yields;
  bool absent = false; // an optional region of a site that is not there
};

/// Why a site is there; entry points choose by it.
enum class SiteKind : std::uint8_t { prior, observe, factor, jacobian, draw };

/// Regions of a site, by position.
enum class SiteRegion : std::uint8_t { density, sample, support, entropy };

struct Op {
  Opcode opcode{};
  std::vector<ValueId> operands;
  std::vector<ValueId> results;
  double number = 0;        // constant of type f64
  std::int64_t integer = 0; // constant of type index or boolean; flags as opcode.def says
  std::string symbol;       // callee, name of a site or output, kind of reduction or random number
  SiteKind site_kind = SiteKind::factor;
  std::vector<Region> regions;
  SourceRange range; // where in the model this comes from
};

struct Value {
  Type type;
  std::string hint; // a name for people, printed as %hint.id; may be empty
};

struct Parameter {
  ValueId value;
  std::string name; // unique within the function; how entry points are called by name
  Axis axis = Axis::load;
};

/// A function: parameters (later ones may use earlier index parameters as extents), one body.
/// The body region's yields are the results; entry points have no results, they store to references.
struct Function {
  std::string name;
  std::vector<Parameter> parameters;
  std::vector<Type> results;
  Region body;
  std::vector<Value> values{1}; // [0] is unused: ValueId 0 is "none"

  const Type& type(ValueId v) const { return values[v.id].type; }
  Type& type(ValueId v) { return values[v.id].type; }
  ValueId add_value(Type type, std::string hint = {});
};

/// A module: functions in an order in which callees come before callers.
struct Module {
  std::vector<Function> functions;
  Function* find(const std::string& name);
  const Function* find(const std::string& name) const;
};

/// Which group of opcode.def an operation belongs to.
bool is_unary(Opcode opcode);
bool is_binary(Opcode opcode);
bool is_compare(Opcode opcode);
/// Arithmetic on scalars without memory, effects or randomness: operands in, one value out. Integer division may
/// trap, so whether it may be done where it was not asked for is the caller's question.
bool is_pure_scalar(Opcode opcode);
/// True for operations that write memory or must not be removed or reordered (store, accumulate,
/// site, output, require, random is pure: its value is a function of its counter).
bool has_effect(Opcode opcode);

} // namespace vmodel::ir
