// The state and the parts of the checker. Internal to compiler/check.
//
// Every function that makes a node returns null after it has reported an error, and null operands are
// passed on silently: one mistake gives one diagnostic.
#pragma once

#include "compiler/check/check.h"
#include "compiler/check/dependencies.h"
#include "compiler/check/facts.h"
#include "compiler/check/interval.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vmodel::check {

/// A learned function: `apply` takes x, the parameters, and what the net learns.
struct Net {
  std::string name;
  std::vector<const Declaration*> parameters;
  std::vector<const Declaration*> size_names;
  std::vector<Learnable> learnables;
  std::vector<LearnedCall> learned_calls;
  Type from, to;
  Function* apply = nullptr;
  SourceRange range; // of the name
};

/// A callable of the file or the library; checked when it is first used.
struct Callable {
  enum class State : std::uint8_t { untouched, signature, body, done, failed };
  const ast::Item* item = nullptr;
  bool library = false;
  /// The file's alias with a dot ("shapes."), also of the file that imports it; empty for the file itself. Names in the
  /// body are looked up with it first.
  std::string prefix;
  State state = State::untouched;
  Function* function = nullptr;
  Distribution* distribution = nullptr;
  Bijector* bijector = nullptr;
  Net* net = nullptr;
  FamilyTemplate* family = nullptr;
  /// Nets, bijectors and generic families: their parameters with those that are functions.
  std::vector<const Declaration*> parameters;
  /// What this version of one is checked for: what its parameters of type `function` mean, and its size names that are
  /// numbers (lengths of lists), with their declarations.
  std::map<std::string, std::vector<Callable*>> functions;
  std::map<std::string, Size> fixed_sizes;
  std::vector<const Declaration*> fixed_names;
  std::string version; // part of the symbols of this version; empty for the only one
  /// What members see beside the parameters: learnables, nets and bijectors.
  std::vector<const Declaration*> learned;
  std::map<const Declaration*, const Expr*> defaults; // of parameters
  /// Arguments on which conditions, sizes or loop bounds of the body depend, and the place that does.
  std::map<std::string, SourceRange> load_time_arguments;
};

/// The size names of a net, bijector or generic family.
const std::vector<const Declaration*>& size_names_of(const Callable& callable);

/// Where statements and expressions stand; decides what is allowed.
enum class BlockKind : std::uint8_t { model, family, family_template, function, member, sampler, signature };

/// A plate around what is checked; its body's scopes begin at `scope`.
struct OpenPlate {
  const Statement* statement;
  std::size_t scope;
};

/// Names, facts and rules of the block that is being checked. Bodies of callables have their own.
struct Context {
  BlockKind kind{};
  std::vector<std::vector<const Declaration*>> scopes;
  std::map<std::string, SourceRange> declared_later; // of the whole block, for "declare it above"
  Facts facts;
  Dependencies dependencies;
  Callable* callable = nullptr; // function, member, ...
  bool in_quantity = false;
  int loop_depth = 0;
  int conditional_depth = 0;     // a loop's extreme index may not be reached
  std::vector<OpenPlate> plates; // which count as loops, too
  std::vector<Type> results;     // of the function
  std::string site_prefix;
  std::map<std::string, int> site_names;
  std::vector<Learnable>* learnables = nullptr; // of the family; holes become learnables of it
  std::vector<LearnedCall>* learned_calls = nullptr;
  std::vector<ModelParameter>* mixed = nullptr; // of the family: what it mixes over
  std::set<std::string> drawn_with_mixed;       // names in draws that depend on what is mixed over
  SourceRange proposal_range;                   // of the `proposal`, once there is one
  bool in_proposal = false;
};

/// Bindings of a callee's names at a use.
struct Binding {
  std::map<std::string, Size> sizes; // size names and int parameters
  std::map<const Declaration*, const Expr*> arguments;
};

/// `learn name: net(...)[n]`: where its learnables are, and how its members are called.
struct Instance {
  Callable* callable = nullptr; // a net or bijector
  std::vector<const Expr*> arguments;
  Binding binding;
  Shape batch; // of an array of them
  std::vector<const Declaration*> learnables;
};

/// The value that a distribution expression is for.
struct Target {
  bool known = false;
  Shape shape;
  const Type* type = nullptr; // the declared type of a parameter
  std::string name;           // as the user calls it: "theta"
  SourceRange range;
  std::string site;          // prefix of the names of `learn` holes
  bool holes = false;        // `learn` may stand for arguments
  bool allow_suffix = false; // arguments may have the last axes of the batch only
};

class Checker {
public:
  Checker(const Library& library, DiagnosticEngine& diagnostics, const CheckOptions& options);
  void check_file(const ast::File& file);
  void check_library_items();
  std::unique_ptr<Program> take() { return std::move(program_); }

private:
  // ---- nodes
  Expr* make(ExprKind kind, SourceRange range, Type type, std::vector<const Expr*> operands = {});
  const Expr* int_literal(std::int64_t value, SourceRange range);
  const Expr* size_expr(const Size& size, SourceRange range);
  const Expr* name_expr(const Declaration* declaration, SourceRange range);
  const Expr* to_real(const Expr* e);
  Statement* make(StatementKind kind, SourceRange range);
  Declaration* declare(DeclarationKind kind, const std::string& name, Type type, SourceRange range);
  DiagnosticBuilder error(Code code, SourceRange range, std::string message) {
    return diagnostics_.report(code, range, std::move(message));
  }
  void not_supported_yet(SourceRange range, const std::string& construct, const std::string& hint = {});

  // ---- names and scopes (scopes.cpp)
  class ScopeGuard;
  class ContextGuard;
  void enter(const Declaration* declaration); // checks for a second declaration
  const Declaration* find(std::string_view name) const;
  const Declaration* find_or_report(const std::string& name, SourceRange range);
  void report_unknown_value(const std::string& name, SourceRange range);
  bool poisoned(const Declaration* d) const { return poisoned_.count(d) != 0; }
  void collect_later_names(const ast::Block& block);
  std::vector<Callable*> find_callables(const std::string& name);
  std::vector<Callable*> library_callables(const std::string& name);
  template <typename T>
  Callable* find_callable(const std::string& name);
  bool is_callable(const std::string& name);
  void report_unknown_callable(const std::string& name, SourceRange range, ast::ItemKind wanted);
  std::vector<std::string> visible_names() const;
  std::vector<std::string> callable_names(ast::ItemKind kind);

  // ---- types (types.cpp)
  struct TypeRules {
    bool allow_int = true, allow_bool = false;
    bool support_allowed = true;
    std::string what; // "param", for messages
  };
  std::optional<Type> type(const ast::Type& type, const TypeRules& rules);
  std::optional<Size> size(const ast::Expression& e, const char* what);
  bool bounds(const ast::Type& type, Type& result);
  bool same_shape(const Shape& a, const Shape& b);
  bool same_size(const Size& a, const Size& b) { return context_->facts.equal(a, b); }
  void report_shapes(SourceRange range, const std::string& message, const Shape& a, const Shape& b);
  const Expr* convert(const Expr* e, const Type& to, const std::string& what);

  // ---- sizes of expressions (size_expressions.cpp)
  Size to_size(const Expr* e);
  Size instantiate(const Size& size, const Binding& binding);
  Shape instantiate(const Shape& shape, const Binding& binding);
  const Expr* instantiate(const Expr* e, const Binding& binding);
  Type instantiate(const Type& type, const Binding& binding);
  bool bind_size(const Size& declared, const Size& actual, Binding& binding,
                 const std::vector<const Declaration*>& size_names);
  bool bind_shape(const Shape& declared, const Shape& actual, Binding& binding,
                  const std::vector<const Declaration*>& size_names);
  bool bind_remaining(const std::vector<std::pair<Size, Size>>& pending, Binding& binding,
                      const std::vector<const Declaration*>& size_names);
  bool require_load_time(const Expr* e, const std::string& what, const std::string& hint);
  /// Whether the value is known at load where that holds for the int arguments of the callable around it.
  bool follows_from_arguments(const Expr* e) const;
  /// A var may change between two uses of its name: its value is no size.
  bool mentions_var(const Size& size) const;
  bool stable_size(const Size& size, SourceRange range);
  std::set<std::string> roots_of(const Expr* e, const Context& context) const;
  IntRange int_range(const Expr* e);
  IntRange int_range_of_call(const Expr* e);
  /// Of div and mod: shows that the divisor is not zero, or marks it to be checked at load.
  bool prove_divisor(Expr& division);

  // ---- expressions (expressions.cpp, index.cpp, calls.cpp, methods.cpp)
  const Expr* expression(const ast::Expression& e);
  const Expr* scalar_int(const ast::Expression& e, const std::string& what);
  const Expr* unary(const ast::Unary& e);
  const Expr* binary(const ast::Binary& e);
  const Expr* arithmetic(const ast::Binary& e, Operator op, const Expr* a, const Expr* b);
  const Expr* comparison(const ast::Binary& e, Operator op, const Expr* a, const Expr* b);
  const Expr* matrix_product(const ast::Binary& e, const Expr* a, const Expr* b);
  const Expr* conditional(const ast::Conditional& e);
  const Expr* transpose(const ast::Transpose& e);
  const Expr* array(const ast::Array& e);
  const Expr* comprehension(const ast::Comprehension& e);
  std::optional<Shape> broadcast(const Expr* a, const Expr* b, SourceRange range, std::string_view op);
  const Expr* index(const ast::Index& e);
  std::optional<Index> index_entry(const ast::IndexEntry& entry, const Size& extent, const Expr* base,
                                   std::size_t axis);
  /// Values at the first and last turn of the loops that are open.
  std::pair<Size, Size> loop_extremes(const Size& size) const;
  bool prove_index(const Expr* at, const Size& extent, Index& index, const Expr* base, std::size_t axis);
  using Limits = std::optional<std::pair<const Expr*, const Expr*>>;
  Limits loop_range(const ast::Range& range);
  /// The index of a loop within limits, in the innermost scope; poisoned where they are not known.
  Declaration* enter_loop_index(const ast::Name& variable, const Limits& limits);
  const Expr* call(const ast::Call& e);
  const Expr* size_call(const ast::Call& e, const std::string& name);
  const Expr* dim_call(const ast::Call& e);
  const Expr* unconstrained_call(const ast::Call& e, DeclarationKind kind = DeclarationKind::param);
  const Expr* overloaded_call(const ast::Call& e, const std::string& name, const std::vector<Callable*>& candidates);
  const Expr* build_call(SourceRange range, Callable& callee, const std::vector<const Expr*>& arguments);
  /// Arguments in the order of the parameters; null entries where a default applies.
  bool order_arguments(const std::vector<ast::Argument>& arguments, const std::vector<const Declaration*>& parameters,
                       const std::string& callee, SourceRange range, std::vector<const ast::Argument*>& ordered,
                       const std::map<const Declaration*, const Expr*>& defaults, bool report);
  const Expr* method_call(const ast::MethodCall& e);
  bool is_distribution_call(const ast::Expression& e);
  bool distribution_load_time(const DistributionExpr* d) const;

  // ---- callables (functions.cpp)
  bool check_signature(Callable& callable);
  bool check_body(Callable& callable);
  bool check_callable(Callable& callable) { return check_signature(callable) && check_body(callable); }
  bool parameters(const std::vector<ast::Parameter>& list, Callable& callable, std::vector<const Declaration*>& result,
                  std::vector<const Declaration*>& size_names);
  void predeclare_sizes(const ast::Type& type, std::vector<const Declaration*>& size_names,
                        const std::vector<ast::Parameter>& list);
  bool function_body(Callable& callable);
  bool distribution_members(Callable& callable);
  bool bijector_members(Callable& callable);
  bool family_template_body(Callable& callable);
  std::optional<Block> member_body(const ast::Body& body, const std::vector<Type>& results, SourceRange range);
  bool returned_value(const Expr* value, SourceRange range, Statement& statement);

  // ---- calls over a value (argument_binding.cpp)
  /// A call of something with parameters, of which `on` is an event of the value's type.
  struct CallSite {
    const ast::Call& call;
    std::string name;
    Callable& callee;
    const std::vector<const Declaration*>& parameters;
    const std::vector<const Declaration*>& size_names;
    const Type& on;
    std::string verb; // "draws", for messages
  };
  struct BoundCall {
    std::vector<const Expr*> arguments;
    Binding binding;
    Shape batch;
    std::map<std::string, Size> sizes;
  };
  std::optional<BoundCall> bind_call(const CallSite& site, const std::vector<const ast::Argument*>& ordered,
                                     const Target& target);

  /// False, with an error, where constant arguments break a `require` of the callee's body (requirements.cpp).
  bool requirements_hold(const std::string& name, const Block& body, const std::vector<const Declaration*>& parameters,
                         const std::vector<const Expr*>& arguments, const std::map<std::string, Size>& sizes,
                         SourceRange range);

  // ---- bijectors (bijectors.cpp)
  /// A step as it is written, with the inversions around it.
  struct WrittenStep {
    const ast::Expression* expression = nullptr; // a bijector, or the comprehension
    bool inverted = false;
    std::vector<WrittenStep> body; // of a comprehension
  };
  bool written_steps(const ast::Expression& e, bool inverted, std::vector<WrittenStep>& steps);
  Callable* bijector_of(const ast::Expression& e);
  /// Axes of an event before and after the steps.
  struct EventAxes {
    std::size_t before = 0, after = 0;
  };
  std::optional<EventAxes> event_axes(const std::vector<WrittenStep>& steps);
  const BijectorStep* bijector_step(const WrittenStep& written, bool backward, Shape& shape, const Target& target);
  bool bijector_steps(const std::vector<WrittenStep>& written, bool backward, Shape& shape, const Target& target,
                      std::vector<const BijectorStep*>& steps);
  const DistributionExpr* transformed(const ast::Call& e, const Target& target);
  bool image_of(const std::vector<const BijectorStep*>& steps, Support& support);
  /// The step from which no log determinant can be had; null: none.
  static const BijectorStep* without_log_det(const std::vector<const BijectorStep*>& steps);
  bool report_without_density(const DistributionExpr* d, const std::string& why, bool own_draw = false);

  // ---- versions and instances of nets, bijectors and generic families (versions.cpp, instances.cpp)
  struct VersionedCall {
    Callable* callable = nullptr;
    std::vector<const Expr*> arguments; // without functions
    Binding binding;
  };
  Callable* version(Callable& base, const std::map<std::string, std::vector<Callable*>>& functions,
                    const std::map<std::string, Size>& fixed);
  Callable* sample_version(Callable& base);
  std::vector<Callable*> function_argument(const ast::Expression& e);
  const Expr* call_with_functions(const ast::Call& e, Callable& base);
  std::optional<VersionedCall> versioned_call(const std::vector<ast::Argument>& arguments,
                                              const std::vector<Callable*>& candidates, const std::string& name,
                                              SourceRange range);
  bool bind_versioned(VersionedCall& call, const std::string& name, SourceRange range);
  void learn_instance(const ast::LearnInstance& s);
  struct InstanceUse {
    const Declaration* declaration = nullptr;
    const Instance* instance = nullptr;
    std::vector<const Expr*> learned; // the learnables, at the indices that are given
  };
  const Declaration* instance_named(const ast::Expression& e) const;
  std::optional<InstanceUse> instance_use(const ast::Expression& e);
  const Expr* apply_net(const ast::Call& e);
  const BijectorStep* instance_step(const WrittenStep& written, BijectorStep* step, bool backward, Shape& shape,
                                    const Target& target);
  bool learn_members(Callable& callable, const std::vector<ast::StatementPtr>& statements,
                     std::vector<Learnable>& learnables, std::vector<LearnedCall>& learned_calls,
                     const std::vector<const Declaration*>& parameters,
                     const std::vector<const Declaration*>& size_names);
  bool net_members(Callable& callable);
  /// What bodies of a callable see: size names, parameters, what is learned.
  Context callable_context(BlockKind kind, Callable& callable, const std::vector<const Declaration*>& parameters,
                           const std::vector<const Declaration*>& size_names);
  /// The argument x of a member, in its body.
  const Declaration* enter_argument(const ast::Name& name, const Type& type);
  const DistributionExpr* instantiate(const DistributionExpr* d, const Binding& binding);
  /// Element `position` (1-based) of a list that is written out, through names and slices; null: not known.
  const Expr* list_element(const Expr* list, std::int64_t position) const;

  // ---- distributions (distributions.cpp, supports.cpp)
  const DistributionExpr* distribution(const ast::Expression& e, const Target& target);
  const DistributionExpr* named(const ast::Call& e, const std::string& name, const Target& target);
  const DistributionExpr* combinator(const ast::Call& e, const std::string& name, const Target& target);
  const DistributionExpr* mixture(const ast::Call& e, const Target& target);
  const DistributionExpr* truncated_call(const ast::Call& e, const Target& target);
  const DistributionExpr* base_over_event(const ast::Call& e, DistributionKind kind, const Target& target);
  DistributionExpr* make(DistributionKind kind, SourceRange range);
  /// Rank of one event, without checking arguments; negative if unknown.
  int event_rank(const ast::Expression& e);
  bool argument_in_support(const Expr* argument, const Declaration& parameter, const std::string& callee,
                           const Binding& binding);
  void warn_of_bounded_values(const DistributionExpr* sorted, const Declaration& parameter);
  bool vector_in_support(const Expr* argument, const Support& wanted, const std::string& what);
  bool shares_in_support(const Expr* list, const std::string& what);
  const Expr* element_outside(const Expr* list, const Interval& limit, bool low);
  const Expr* hole(const ast::LearnHole& e, const Declaration& parameter, const Binding& binding, const Shape& batch,
                   const Target& target);
  Support support_of(const DistributionExpr* d);
  const DistributionExpr* match_prior(const DistributionExpr* d, const Declaration& parameter, SourceRange range,
                                      bool family);
  bool has_cdf(const DistributionExpr* d) const;
  const DistributionExpr* without_draw(const DistributionExpr* d) const;
  bool report_without_draw(const DistributionExpr* d, const std::string& why);
  const Expr* tighter(const char* builtin, const Expr* a, const Expr* b);
  std::string canonical(const Expr* e);
  std::string support_text(const Support& support, Element element);
  std::string type_text(const Type& type);
  std::string shape_text(const Shape& shape);

  // ---- signs (interval.cpp)
  Interval interval(const Expr* e);

  // ---- statements (statements.cpp)
  void block(const ast::Block& block, Block& into);
  void statements(const std::vector<ast::StatementPtr>& list, Block& into);
  void statement(const ast::Statement& s, Block& into);
  void let(const ast::Let& s, Block& into);
  void var(const ast::Var& s, Block& into);
  void assign(const ast::Assign& s, Block& into);
  void for_statement(const ast::For& s, Block& into);
  void if_statement(const ast::If& s, Block& into);
  void while_statement(const ast::While& s, Block& into);
  // ---- plates (plates.cpp)
  void plate(const ast::Plate& s, Block& into);
  bool all_around_are_plates() const;
  std::optional<Shape> turns_of_plates(SourceRange range);
  const Expr* at_this_turn(const Expr* all, SourceRange range);
  bool stays_in_turn(const Declaration* d, SourceRange range);
  struct VersionedCall;
  bool fits_plates(const VersionedCall& call, const Size& dimension, SourceRange range);
  void require(const ast::Require& s, Block& into);
  void return_statement(const ast::Return& s, Block& into);
  bool allowed(const ast::Statement& s);
  std::string site_name(const Expr* target, const std::string& fallback);

  // ---- models (model.cpp)
  void check_model(const ast::Model& model);
  void data(const ast::Data& s);
  void param(const ast::Param& s, Block& into);
  void observe(const ast::Observe& s, Block& into);
  void factor(const ast::Factor& s, Block& into);
  void quantity(const ast::Quantity& s, Block& into);
  void sample(const ast::Sample& s, Block& into); // element-wise priors, draws of families
  std::string shape_suffix(const Shape& shape);
  void element_prior(const ast::Sample& s, const Expr* target, Block& into);
  const Expr* element_bound(const Expr* bound, const Expr& target);
  void report_observed_twice();
  void report_missing_priors();
  void noncentered(const ast::Param& s, ModelParameter& parameter, const DistributionExpr* d);
  bool choose_bijector(const Type& type, bool learn, const Bijector*& bijector, std::vector<const Expr*>& arguments,
                       Size& unconstrained_size, SourceRange range);
  const Bijector* library_bijector(const std::string& name);

  // ---- families (families.cpp)
  /// A family for the model, with the arguments of the call (null: their defaults); gives its name.
  std::optional<std::string> check_family(const ast::Item& item, const ast::Call* call, SourceRange place);
  bool bind_family_parameters(const std::vector<ast::Parameter>& parameters, const ast::Call* call, SourceRange place,
                              Family& family);
  void add_default_family(const std::string& name);
  void learn(const ast::Learn& s);
  Learnable learnable(const Declaration* declaration, const Expr* initial, SourceRange range);
  void draw(const ast::Sample& s, Block& into);
  const DistributionExpr* family_call(const ast::Expression& e, const Size& dimension);
  bool choose_by_given(const ast::Call& call, std::vector<Callable*>& candidates);
  const DistributionExpr* family_expression(VersionedCall& call, const Size& dimension, SourceRange range);
  const ModelParameter* parameter_of(const Declaration* d) const;
  void check_family_order(const Family& family);
  void report_two_scales(const ModelParameter& p, const std::vector<const Statement*>& draws);
  void report_family_coverage(const Family& family, const std::set<std::string>& targets, SourceRange range);

  // ---- groups (groups.cpp)
  DeclarationKind drawn_kind() const;
  const Part* whole_part(const Declaration* d);
  const Part* part_of_elements(const ast::Index& e, DeclarationKind kind);
  bool is_drawn_here(const Declaration* d, DeclarationKind kind, SourceRange range);
  bool splits_values(const Declaration& d, const Expr& elements);
  bool gathers(const Expr& elements);
  bool has_coordinates(const Part& part);
  std::optional<std::vector<const Part*>> parts_of(const ast::Expression& e, DeclarationKind kind);
  std::optional<std::vector<const Part*>> parts_of(const std::vector<ast::Argument>& list, DeclarationKind kind);
  static bool has_elements(const std::vector<const Part*>& parts);
  static Size dimension_of(const std::vector<const Part*>& parts);
  void draw_group(const ast::Sample& s, bool generic, Block& into);
  Statement* draw_of_parts(const ast::Sample& s, const std::vector<const Part*>& parts);
  void draw_by_family(const ast::Sample& s, const std::vector<const Part*>& parts, Block& into);
  void draw_values(const ast::Sample& s, const std::vector<const Part*>& parts, Block& into);

  // ---- semi-implicit families (mixes.cpp)
  void mix(const ast::Mix& s, Block& into);
  void proposal(const ast::Proposal& s, Block& into);
  void report_proposal_coverage(const Statement& proposal);
  void add_default_proposal(Family& family);
  void report_unused_mixes(const std::vector<ModelParameter>& mixed);
  void note_mixed_draw(const ast::Expression& distribution, const std::vector<const Declaration*>& drawn);

  // ---- cover analysis (cover.cpp)
  void check_cover(const Block& block, StatementKind writes, const std::vector<const Declaration*>& names);

  // ---- fits (fits.cpp)
  void check_fit(const ast::Fit& fit);
  void choose_for_mixture(Fit& fit, SourceRange range);
  void check_starts();
  std::string setting_value(const ast::Expression& e);
  void settings_call(const std::string& name, const ast::Expression& e, Fit& fit);

  // ---- imports and items (checker.cpp)
  void collect_items(const ast::File& file, bool imported, const std::string& prefix);
  void import(const ast::Import& item, const std::string& prefix);
  /// How a callable is called in the lowered module: unique, although an import or the library may have the same name.
  std::string unique_name(const Callable& callable, const std::string& name) const;

  const Library& library_;
  DiagnosticEngine& diagnostics_;
  const CheckOptions& options_;
  std::unique_ptr<Program> program_;
  std::multimap<std::string, std::unique_ptr<Callable>> callables_;     // of the file and its imports
  std::multimap<std::string, std::unique_ptr<Callable>> library_items_; // looked up so far
  std::set<std::string> library_names_taken_;
  std::set<std::string> imported_;
  std::vector<const ast::Model*> models_;
  std::vector<const ast::Item*> family_items_;
  std::vector<const ast::Fit*> fit_items_;
  Context* context_ = nullptr;
  Context model_context_;
  std::set<const Declaration*> poisoned_;
  std::map<const Declaration*, Size> known_sizes_;        // of int lets, and of sizes that are numbers in a version
  std::map<const Declaration*, const Expr*> known_lists_; // of lets that are lists of ints
  std::map<const Declaration*, Instance> instances_;
  std::map<std::string, std::unique_ptr<Callable>> versions_;
  std::set<const Declaration*> function_parameters_;
  std::deque<Net> nets_;
  std::map<const Declaration*, Interval> intervals_;  // of lets and vars
  std::map<const Declaration*, IntRange> int_ranges_; // of lets and vars
  std::map<const Declaration*, SourceRange> var_without_fill_;
  std::set<const Declaration*> pending_priors_; // params whose prior comes element-wise
  std::set<const Declaration*> parameters_used_;
  std::vector<const Declaration*> rest_; // of the family being checked
  bool model_checked_ = false;
};

/// Opens a scope of names while it lives.
class Checker::ScopeGuard {
public:
  explicit ScopeGuard(Checker& checker) : context_(*checker.context_) { context_.scopes.emplace_back(); }
  ~ScopeGuard() { context_.scopes.pop_back(); }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

private:
  Context& context_;
};

/// Makes a context the current one while it lives.
class Checker::ContextGuard {
public:
  ContextGuard(Checker& checker, Context& context) : checker_(checker), before_(checker.context_) {
    checker.context_ = &context;
  }
  ~ContextGuard() { checker_.context_ = before_; }
  ContextGuard(const ContextGuard&) = delete;
  ContextGuard& operator=(const ContextGuard&) = delete;

private:
  Checker& checker_;
  Context* before_;
};

/// Whether a function is given for the parameter: `activation: function`.
bool takes_function(const ast::Parameter& p);

const ast::Name& family_name(const ast::Item& item);
const std::vector<ast::Parameter>& family_parameters(const ast::Item& item);

/// Names of the operations on distributions; no callable has one of them.
const std::set<std::string>& combinators();

/// The best match of a misspelt name, or nothing.
std::optional<std::string> nearest(const std::string& name, const std::vector<std::string>& candidates);

/// "a, b and c".
std::string listed(const std::vector<std::string>& words);

} // namespace vmodel::check
