// The typed AST: the value that checking returns and lowering takes. Interface header.
//
// All nodes live in the Program's arena and are referred to by plain pointers. Everything is resolved:
// names to declarations, defaults filled in, named arguments in order, element types and shapes known
// (symbolically), lifting and broadcasting made explicit.
#pragma once

#include "compiler/check/size.h"
#include "compiler/diagnostics/source.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace vmodel::check {

struct Expr;
struct Statement;
struct Function;
struct Distribution;
struct FamilyTemplate;
struct DistributionExpr;
struct Bijector;
struct BijectorStep;
struct Part;

// ---------------------------------------------------------------- types

enum class Element : std::uint8_t { real, integer, boolean };

/// Supports other than the plain and bounded ones constrain the last one or two axes jointly.
enum class SupportKind : std::uint8_t { all, bounded, simplex, ordered, positive_ordered, corr_cholesky, cov_cholesky };

struct Support {
  SupportKind kind = SupportKind::all;
  const Expr* lower = nullptr; // bounded: scalar, or an array of the type's full shape
  const Expr* upper = nullptr;
  /// Axes at the end of the shape that one value of the support takes: 0, 1 (vectors), 2 (matrices).
  int event_rank() const {
    switch (kind) {
    case SupportKind::all:
    case SupportKind::bounded: return 0;
    case SupportKind::simplex:
    case SupportKind::ordered:
    case SupportKind::positive_ordered: return 1;
    default: return 2;
    }
  }
};

/// `simplex<K>[N]` is real with shape [N, K]; `cov_cholesky<K>` has shape [K, K]. `int` and `bool` have
/// no support but bounds.
struct Type {
  Element element = Element::real;
  Shape shape; // the full shape, the support's own axes last
  Support support;
  std::vector<Type> tuple; // not empty: a tuple (function results only), the rest is unused

  std::size_t rank() const { return shape.size(); }
  bool is_scalar() const { return shape.empty() && tuple.empty(); }
};

// ---------------------------------------------------------------- declarations

enum class DeclarationKind : std::uint8_t {
  data,
  param,
  let,
  var,
  quantity,
  loop_index, // 1-based int, of `for` or a comprehension
  learn,      // a learnable of a family
  instance,   // `learn net: mlp(...)`: a net or bijector with its learnables; in the checker only
  argument,   // of a fn, distribution or generic family; also x of log_density(x), p of quantile(p)
  size_name,  // bound by a signature: K in `u: real[K]`
  drawn,      // the x of a generic family; families for a model name its `param` declarations themselves
  mixed,      // a variable that a family integrates out: `mix eps: real[8] ~ normal(0, 1);`
};

struct Declaration {
  DeclarationKind kind{};
  std::string name;
  Type type;
  SourceRange range;
  bool load_time = false; // depends on data (and loop indices) only
  /// `var` and `param` with element-wise definitions: each element is written exactly once, before it
  /// is read (proved by the cover analysis).
  bool write_once = false;
};

// ---------------------------------------------------------------- expressions

enum class ExprKind : std::uint8_t {
  real_literal,
  int_literal,
  bool_literal,
  name,          // declaration
  size,          // a size as an int value (`size` below): size names, dim(...), size(x)
  to_real,       // int -> real, elementwise: operands[0]
  unary,         // op: neg, not; elementwise
  binary,        // op: add sub mul div idiv pow; and or; elementwise after broadcasting of scalars
  compare,       // op: lt le gt ge eq ne; elementwise
  conditional,   // operands: condition (scalar), a, b; a branch when the condition is load-time, else a select
  index,         // operands[0] indexed by `indices`
  transpose,     // rank 2
  matmul,        // rank 2 @ 2, 2 @ 1, 1 @ 2, 1 @ 1
  array,         // [a, b, c]: operands of equal type, stacked along a new first axis
  comprehension, // [body for i in a:b, ...]: generators, operands[0] = body (any rank)
  tuple,
  tuple_element, // operands[0] is a tuple, `position`
  call,          // function; operands in parameter order
  builtin,       // an operation of the library declared `builtin fn`: builtin_name; elementwise or as documented
  method,        // distribution.log_density(x), cdf, log_cdf, log_ccdf, quantile, sample, entropy: method, operands
  unconstrained, // the flat vector of unconstrained coordinates of `declarations` (families)
};

enum class Operator : std::uint8_t {
  neg,
  logical_not,
  add,
  sub,
  mul,
  div,
  pow,
  logical_and,
  logical_or,
  lt,
  le,
  gt,
  ge,
  eq,
  ne
};

enum class Method : std::uint8_t { log_density, cdf, log_cdf, log_ccdf, quantile, sample, entropy };

/// One position of an index expression.
struct Index {
  enum class Kind : std::uint8_t { scalar, range, all, gather } kind = Kind::scalar;
  const Expr* at = nullptr;   // scalar: a 1-based int; gather: an int array of rank 1
  const Expr* from = nullptr; // range: first position (1-based), never null after checking
  const Expr* to = nullptr;   // range: last position
  /// The index could not be proved to be in range while compiling: check once at load.
  bool check_at_load = false;
  SourceRange range;
};

struct Generator {
  const Declaration* index = nullptr;
  const Expr* from = nullptr;
  const Expr* to = nullptr;
};

struct Expr {
  ExprKind kind{};
  Type type;
  SourceRange range;
  bool load_time = false;

  double real = 0;
  std::int64_t integer = 0; // int and bool literals
  Operator op{};
  const Declaration* declaration = nullptr; // name
  Size size;                                // size
  std::vector<const Expr*> operands;
  std::vector<Index> indices;
  std::vector<Generator> generators;
  std::size_t position = 0;
  const Function* function = nullptr; // call
  std::string builtin_name;           // builtin
  bool check_at_load = false;         // div, mod: nothing says that the divisor is not zero
  /// call, builtin: the callee is scalar in every argument and is applied elementwise over this shape
  /// (empty: not lifted). Operands are scalars or have this shape.
  Shape lifted;
  std::map<std::string, Size> sizes;              // call: the callee's size names in terms of the caller's sizes
  const DistributionExpr* distribution = nullptr; // method
  Method method{};
  std::vector<const Declaration*> declarations; // unconstrained
  std::vector<const Part*> parts;               // unconstrained: see Statement
};

// ---------------------------------------------------------------- distributions

enum class DistributionKind : std::uint8_t {
  named,        // a `distribution` of the library or the user, with arguments
  flat,         // density 1
  uniform_on,   // `~ uniform()`: uniform over the declared bounded type
  mixture,      // weights; components: one (mixed over its last batch axis) or several
  truncated,    // base, lower, upper
  joint,        // base: its batch is one event
  sorted,       // base: K draws sorted, with log K!
  unnormalised, // base: its kernel on the declared support
  transformed,  // base, then `steps`: its draws, mapped
  family,       // families: a generic family applied to a flat vector (mean_field() ...)
};

/// `learn` in a family (named, or a bare hole named SITE.PARAMETER).
struct Learnable {
  const Declaration* declaration = nullptr; // its type gives shape and support
  const Expr* initial = nullptr;            // null: the default of its support
  const DistributionExpr* start = nullptr;  // the initial value is a draw by the fit's seed
  const Bijector* bijector = nullptr;       // null: identity. `real<lower=0>`: softplus
  std::vector<const Expr*> bijector_arguments;
  Size unconstrained_size;  // total
  bool of_proposal = false; // learned by the proposal of what is mixed over
};

/// A variable with the map to its unconstrained coordinates: a parameter of the model, or one that a family mixes over.
struct ModelParameter {
  const Declaration* declaration = nullptr;
  const Bijector* bijector = nullptr;          // null: identity
  std::vector<const Expr*> bijector_arguments; // bounds; may read earlier parameters
  Size unconstrained_size;                     // total, e.g. N * (K - 1)
  bool noncentered = false;                    // coordinate is (x - location) / scale
  const Expr* location = nullptr;
  const Expr* scale = nullptr;
};

/// What stands in a group: a parameter, or elements of one, `a[j]`.
struct Part {
  const Declaration* whole = nullptr;
  const Expr* elements = nullptr; // an index expression; null: the whole
  /// The map of the coordinates of these elements; its declaration has their type.
  ModelParameter parameter;
};

struct DistributionExpr {
  DistributionKind kind{};
  SourceRange range;
  Element element = Element::real;
  Shape batch; // in terms of the caller's sizes; values observed have shape batch + event
  Shape event;
  const Distribution* distribution = nullptr; // named
  /// named: in order; each has its declared rank, or axes of the batch before it, which are the *last* axes of `batch`
  /// (all of them, except below a mixture, joint or sorted: in `mixture(w, normal(mu, sigma))` over y[N] the component
  /// has batch [N, K] and mu may be [K] or [N, K]). family: template arguments.
  std::vector<const Expr*> arguments;
  std::map<std::string, Size> sizes; // named, family: size names bound; family: int arguments, too
  /// mixture; base of truncated, joint, sorted, unnormalised, transformed. Batch of a component: the outer batch,
  /// followed by [K] for the one component of a mixture, by the event for joint, sorted, and unnormalised over a scalar
  /// base.
  std::vector<const DistributionExpr*> components;
  const Expr* weights = nullptr; // mixture: simplex over the last axis (shape [K] or batch + [K])
  const Expr* lower = nullptr;   // truncated; transformed: of its values, where its steps say so
  const Expr* upper = nullptr;
  std::vector<const BijectorStep*> steps; // transformed: in order of their forward maps
  SupportKind image = SupportKind::all;   // transformed: what its values fill
  const FamilyTemplate* family = nullptr; // family
  /// family: the family's learnables with their sizes in terms of the caller's, as far as shapes go.
  std::vector<Learnable> learnables;
  std::vector<Size> mixed; // family: numbers of coordinates of what it mixes over, in terms of the caller's sizes
  /// Bounds of the declared type by which a prior is truncated and normalised (`param tau: real<lower=0> ~ cauchy(0,
  /// 5)`). The checker wraps such a prior into `truncated`, so lowering sees nothing special.
};

/// What a transformed distribution does to its base's draws: a bijector with its arguments, or `body` for each turn of
/// a range.
struct BijectorStep {
  SourceRange range;
  const Bijector* bijector = nullptr; // null: a range
  bool inverted = false;              // maps back; a range: its last turn comes first
  /// Of the bijector's inputs, in order; each has its declared rank, or axes before it, which are the last ones of
  /// the value's axes before those of an event.
  std::vector<const Expr*> arguments;
  std::map<std::string, Size> sizes; // size names bound
  Shape from, to;                    // an event before and after the step
  Generator turns;
  std::vector<const BijectorStep*> body;
};

/// The step that cannot map in this direction; null: none.
const BijectorStep* without_direction(const std::vector<const BijectorStep*>& steps, bool forward);

// ---------------------------------------------------------------- statements

enum class StatementKind : std::uint8_t {
  let,       // declaration = value
  let_tuple, // declarations = components of value
  var,       // declaration, value or null (no fill)
  assign,    // target (name or index expression into a var) = value; add: +=
  for_,      // index over from:to, body; is_plate: no turn reads what another one gives
  if_,       // condition (load-time outside of functions' selects), body, otherwise
  while_,    // condition, body; in sample() only
  require,   // value: load-time bool; text
  observe,   // target ~ distribution
  prior,     // target (param, or an element or slice of one) ~ distribution
  factor,    // value
  quantity,  // declaration = value
  draw,      // family: target ~ distribution on the constrained scale; or group (declarations, parts) ~ distribution
  mix,       // family: declaration ~ distribution, which is integrated out
  proposal,  // family: body draws what is mixed over, given the parameters
  return_,   // value; last statement of a function or member
};

struct Statement {
  StatementKind kind{};
  SourceRange range;
  const Declaration* declaration = nullptr;
  std::vector<const Declaration*> declarations; // let_tuple; draw of a group: the model's parameters, in order
  const Expr* target = nullptr;                 // assign, observe, prior, draw
  const Expr* value = nullptr;                  // value or condition
  const Expr* from = nullptr;                   // for_
  const Expr* to = nullptr;
  bool add = false;      // assign: +=
  bool is_plate = false; // for_
  const DistributionExpr* distribution = nullptr;
  std::string text;                 // require: message
  std::string name;                 // observe, prior, factor, draw: name of the site, unique in the block
  bool unconstrained_scale = false; // draw: the target is unconstrained(...) or a group under a generic family
  /// Draw of a group: in order, where it is one of values on the constrained scale, or one of them is of elements.
  /// Their parameters, which may then be there twice, are the declarations.
  std::vector<const Part*> parts;
  /// Draw by a generic family in plates: their loops, outermost first. What it learns has an axis for each.
  std::vector<const Statement*> plates;
  std::vector<const Statement*> body;
  std::vector<const Statement*> otherwise;
};

using Block = std::vector<const Statement*>;

// ---------------------------------------------------------------- items

/// A user's or library function, checked once with its size names as atoms. Bodies of library functions
/// are checked when they are first used.
struct Function {
  std::string name;   // as it is called: with the alias of its import
  std::string symbol; // of the lowered function: unique, also where a file and the library have one name
  std::vector<const Declaration*> parameters;
  std::vector<const Declaration*> size_names;
  std::vector<Type> results; // one, or several for a tuple
  Block body;                // ends in return_
  bool builtin = false;      // no body; `name` says which operation
  SourceRange range;
};

/// A member of a distribution or bijector: arguments are declarations of its own, the distribution's
/// parameters are in scope.
struct Member {
  std::vector<const Declaration*> parameters;
  Block body; // ends in return_
};

/// Also library bijectors (the maps behind supports) are held in this form, see Bijector.
struct Distribution {
  std::string name;
  std::string symbol; // see Function
  bool library = false;
  std::vector<const Declaration*> parameters;
  std::vector<const Declaration*> size_names;
  Type on; // type of one event; bounds may read parameters
  bool discrete = false;
  std::optional<Member> log_density, cdf, log_cdf, log_ccdf, quantile, sample, entropy;
  SourceRange range; // of the name
  SourceRange whole; // of the declaration
};

/// What `learn name: net(...)` gives to a net or bijector, which may be one inside of another; bounds of its ints are
/// checked when the data are loaded.
struct LearnedCall {
  std::vector<const Declaration*> parameters;
  std::vector<const Declaration*> size_names;
  std::vector<const Expr*> arguments;
  std::map<std::string, Size> sizes;
  SourceRange range;
};

/// A map from the support of `from` onto that of `to`, and back; either direction may be missing. Those of the library
/// are also the maps between unconstrained coordinates and supports.
struct Bijector {
  std::string name;
  std::string symbol; // see Function
  bool library = false;
  std::vector<const Declaration*> parameters;
  std::vector<const Declaration*> size_names;
  std::vector<Learnable> learnables;
  std::vector<LearnedCall> learned_calls;
  std::vector<const Declaration*> inputs; // what its members take: the parameters, then what it learns
  Type from, to;
  std::optional<Member> forward, inverse;
  /// log |det d forward / dx| at x. A scalar one without it has the derivative of forward (or inverse).
  std::optional<Member> log_det;
  /// Value and log_det at once: (y, log_det) at x, (x, log_det at that x) at y.
  std::optional<Member> forward_and_log_det, inverse_and_log_det;
  SourceRange range; // of the name

  bool has_forward() const { return forward || forward_and_log_det; }
  bool has_inverse() const { return inverse || inverse_and_log_det; }
  /// All arguments and values are scalars: the derivative of a direction can be made.
  bool is_scalar() const;
  bool has_log_det() const { return log_det || forward_and_log_det || inverse_and_log_det || is_scalar(); }
};

struct Model {
  std::string name;
  SourceRange range;
  std::vector<const Declaration*> data;   // in order of declaration
  std::vector<std::string> data_names;    // the JSON field of each (`from "y.obs"`)
  std::vector<ModelParameter> parameters; // in order of declaration
  std::vector<const Declaration*> quantities;
  /// All statements in the order of the file. A parameter comes into being at its declaration, marked by a
  /// `prior` statement whose declaration is the parameter (distribution null when the prior is given
  /// element-wise later).
  Block body;
};

/// `family F(K: int = 4) on x: real[D] { ... }`: a learnable distribution on a flat vector.
struct FamilyTemplate {
  std::string name;
  std::vector<const Declaration*> parameters; // defaults are filled in at the use
  std::vector<const Declaration*> size_names; // D
  const Declaration* target = nullptr;        // x
  std::vector<Learnable> learnables;
  std::vector<LearnedCall> learned_calls;
  std::vector<ModelParameter> mixed; // what `mix` declares, in order
  Block body;
  SourceRange range;
};

/// A family for the model.
struct Family {
  std::string name;
  std::vector<Learnable> learnables;
  std::vector<LearnedCall> learned_calls;
  std::vector<ModelParameter> mixed; // what `mix` declares, in order; generic families in it may have more
  Block body;                        // let, for_, draw ... in an order in which bounds can be evaluated
  SourceRange range;
};

/// Whether densities of the family are integrals: it has a `mix`, or a generic family in it has.
bool is_mixed(const Family& family);

/// `fit NAME { ... }` after checking; unset settings are chosen by the runtime and printed.
struct Fit {
  std::string name;
  std::string family;
  std::string objective;                       // elbo, ...
  std::map<std::string, std::string> settings; // flattened: "objective.particles" -> "8", "optimizer" -> "adam",
                                               // "optimizer.rate" -> "0.01", "steps" -> "50000"
  SourceRange range;
  SourceRange start_range; // of the other fit's name in `start = First;`; invalid without one
};

/// The arena and the whole checked file.
struct Program {
  std::deque<Expr> expressions;
  std::deque<Statement> statements;
  std::deque<Declaration> declarations;
  std::deque<DistributionExpr> distribution_expressions;
  std::deque<BijectorStep> bijector_steps;
  std::deque<Part> parts;
  std::deque<Function> functions;
  std::deque<Distribution> distributions;
  std::deque<Bijector> bijectors;
  std::deque<FamilyTemplate> family_templates;

  Model model;
  std::vector<Family> families; // those of the file, then mean_field and full_rank unless declared
  std::vector<Fit> fits;
};

} // namespace vmodel::check
