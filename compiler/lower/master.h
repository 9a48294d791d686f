// The functions of a model: what they have in common.
#pragma once

#include "compiler/lower/emitter.h"

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace vmodel::lower {

/// Sizes by number: every size that metadata or the type of a parameter speaks of. The kernel `sizes`
/// computes them from data; all other functions receive them as parameters `size.K`.
class SizeTable {
public:
  std::size_t number(const Size& size);
  const std::vector<Size>& sizes() const { return sizes_; }

private:
  std::vector<Size> sizes_;
};

/// The statements of a model as they are lowered, and where its observations stand among them.
///
/// Observed values that are elements of data (or of a value computed outside of loops) have the position of the
/// element. Other targets have one for each turn of the loops around them: by the loops' indices where the loops'
/// limits and the target's shape are the same at each turn, and else in the order in which they come, by a counter. The
/// counter is a `var` that is added to the model's statements, so that the kernel `sizes` finds the number of all by
/// running them.
class ModelBody {
public:
  explicit ModelBody(const check::Program& program);

  const check::Block& statements() const { return statements_; }

  struct Place {
    /// The data, `let` or `var` of which the target is the whole or elements; null: positions of its own.
    const Declaration* declaration = nullptr;
    /// Without declaration and counter: the loops around it, outermost first, and how often they turn.
    struct Loop {
      const Statement* statement = nullptr;
      Size turns;
    };
    std::vector<Loop> loops;
    const Declaration* counter = nullptr; // counts the values observed before
  };
  const Place& place(const Statement& observe) const { return places_.at(&observe); }

private:
  void collect_inner(const check::Block& block, bool in_loop);
  check::Block rewritten(const check::Block& block, std::vector<const Statement*>& loops);
  Place find_place(const Statement& observe, const std::vector<const Statement*>& loops);
  Size turns(const Statement& loop);
  void count(const Statement& observe, const Declaration& counter, check::Block& into);

  check::Block statements_;
  std::map<const Statement*, Place> places_;
  std::set<const Declaration*> inner_; // declared in loops, or their indices
  std::deque<Declaration> declarations_;
  std::deque<Expr> expressions_;
  std::deque<Statement> made_;
};

/// Observed values in one flat array: by the data they are (elements of one array stand together).
struct Observation {
  std::string name;
  std::string distribution;
  std::string data; // name of the data declaration, or empty
  check::Shape shape;
  Size offset;
  SourceRange range;
};

/// Where a parameter's numbers stand.
struct ParameterLayout {
  const check::ModelParameter* parameter = nullptr;
  Size offset, size; // among the reported values
  Size unconstrained_offset, unconstrained_size;
};

/// One learnable of a family as it lies in phi; `statement` is the draw whose template declares it (null:
/// the family's own).
struct LearnableLayout {
  const check::Learnable* learnable = nullptr;
  const Statement* statement = nullptr;
  bool of_proposal = false;
  std::string name;
  check::Shape shape; // in terms of the family's sizes
  Size phi_offset, phi_size;
  Size phi_each;     // of a turn of the plates around the statement
  Size offset, size; // among the learned values
};

/// A variable that a family mixes over, as its coordinates lie in `mix`; `statement` is the draw whose template
/// declares it (null: the family's own).
struct MixLayout {
  const check::ModelParameter* variable = nullptr;
  const Statement* statement = nullptr;
  Size offset, size;
};

/// A draw that is mapped from a base, as its events lie in what the kernel FAMILY.round_trip maps forward and back;
/// `group` is the draw whose template has it (null: the family itself).
struct RoundTripLayout {
  const Statement* statement = nullptr;
  const Statement* group = nullptr;
  const DistributionExpr* mapped = nullptr; // the transformed one: the statement's, or what is joint in it
  bool of_proposal = false;
  Size events, base, image; // numbers: of events, and of an event before and after it is mapped
  Size base_offset, image_offset;
};

struct FamilyLayout {
  const check::Family* family = nullptr;
  std::vector<LearnableLayout> learnables;
  Size phi, values;
  Size proposal; // where in phi begins what the proposal learns
  std::vector<MixLayout> mixed;
  Size mix; // coordinates of all that it mixes over
  std::vector<RoundTripLayout> round_trips;
  Size base, image; // numbers of all their events
};

struct Layout {
  std::vector<ParameterLayout> parameters;
  Size dimension, reported_parameters, reported, observed;
  struct Quantity {
    const Declaration* declaration;
    Size offset, size;
  };
  std::vector<Quantity> quantities;
  std::vector<Observation> observations;
  std::map<const Declaration*, std::size_t> observation_of; // data, let or var -> observations
  std::map<const Statement*, std::size_t> observation_at;   // targets with positions of their own
  std::vector<FamilyLayout> families;
};

/// Number of elements of an array of this shape.
Size element_count(const check::Shape& shape);

Layout lay_out(const check::Program& program, const ModelBody& body, SizeTable& table);

struct MasterContext {
  ModuleContext& module;
  const ModelBody& body;
  SizeTable& table;
  const Layout& layout;
};

/// A function with the sizes and data as its first parameters, bound in the emitter's environment.
class Master {
public:
  /// with_sizes: false for the functions that compute sizes and shapes themselves.
  /// data_limit: only the data before this one (shape and bounds of a data field).
  Master(MasterContext& context, std::string name, bool with_sizes = true, const Declaration* data_limit = nullptr);

  /// Without sizes: data of compound extents (`real[N - 1]`) come flat, and get their shape here, behind the last
  /// argument and output.
  void shape_flat_data();

  Emitter& emitter() { return *emitter_; }
  ir::Builder& b() { return emitter_->builder(); }
  /// A flat f64 array as argument or output of the kernel.
  ValueId argument(const std::string& name, const Size& size, ir::Axis axis);
  ValueId output(const std::string& name, const Size& size, ir::Axis axis, ir::Element element = ir::Element::f64);
  /// A size of the table, or a constant: unlike Emitter::size it reads nothing that the statements may have changed.
  ValueId tabled(const Size& size);
  /// Ends the function and adds it to the module.
  void finish();

  // ---- parameters of the model (parameters.cpp)
  /// The constrained value of a parameter whose coordinates start at `offset` of the flat array `z`.
  Value constrained(const check::ModelParameter& p, ValueId z, ValueId offset);
  /// Stores the coordinates of a constrained value to `z` from `offset` on.
  void store_unconstrained(const check::ModelParameter& p, const Value& x, ValueId z, ValueId offset);
  /// A site of the log determinant of the map at these coordinates; nothing for the identity.
  void log_determinant_site(const check::ModelParameter& p, ValueId z, ValueId offset, ir::SiteKind kind);

  // ---- the same three for anything with a bijector
  struct Map {
    const check::Bijector* bijector = nullptr;
    const std::vector<const Expr*>* arguments = nullptr;
    const Expr* location = nullptr; // noncentered
    const Expr* scale = nullptr;
  };
  Value forward(const Map& map, const std::vector<Dim>& shape, ValueId flat, ValueId offset);
  /// `x` is a copy: this puts another environment in the place of the one in which it may stand.
  void inverse(const Map& map, Value x, ValueId flat, ValueId offset);

private:
  struct Event;
  Event event_of(const Map& map, const std::vector<Dim>& shape);
  Dim flat_extent(const Size& size) const;

  MasterContext& context_;
  ir::Function function_;
  std::unique_ptr<Emitter> emitter_;
  std::vector<ValueId> size_parameters_;
  std::vector<const Declaration*> flat_;
};

/// The map from the coordinates of a parameter or learnable to its value.
Master::Map map_of(const check::ModelParameter& p);
Master::Map map_of(const check::Learnable& l);

void lower_model(MasterContext& context);
void lower_unconstrain(MasterContext& context);
void lower_sizes_and_data(MasterContext& context);
void lower_checks(MasterContext& context);
void lower_family(MasterContext& context, const FamilyLayout& family);
/// The kernels FAMILY.initial and FAMILY.learned.
void lower_initial(MasterContext& context, const FamilyLayout& family);
void lower_learned(MasterContext& context, const FamilyLayout& family);
/// What follows from the data, as far as the family needs it: values of the model that bounds, locations and sizes
/// read, and the family's own, which its learnables may read.
void run_load_time(Master& master, const MasterContext& context, const check::Family& family);
std::string metadata(MasterContext& context, const SourceManager& sources);

/// Emits a site for `value ~ distribution`; observe sites yield the position of an element of the value (its batch
/// indices, then those within the event) by `position`, which may be empty. `density`: in place of the distribution's
/// own at the value. The value is a copy: lowering the distribution changes the environment, in which it may stand.
void emit_site(Emitter& emitter, ir::SiteKind kind, const std::string& name, const DistributionExpr& distribution,
               Value value, const std::function<ValueId(Indices)>& position,
               const std::function<ValueId(Indices)>& density = {});

} // namespace vmodel::lower
