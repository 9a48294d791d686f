// A family's functions: one pass through its statements each. Internal to compiler/lower.
#pragma once

#include "compiler/lower/master.h"

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vmodel::lower {

/// What a function of a family does with parameters and with what the family mixes over.
enum class FamilyPart : std::uint8_t {
  draw,             // FAMILY.draw: samples both
  round_trip,       // FAMILY.round_trip: the same, for what maps make of their bases, and back
  density,          // FAMILY.density: both are given
  mix,              // FAMILY.mix.draw: samples what is mixed over, at given parameters
  proposal,         // FAMILY.proposal.draw: the same by the proposal
  proposal_density, // FAMILY.proposal.density: both are given
};

/// Values that are sampled are stored to z or to `mix`.
class FamilyLowering {
public:
  FamilyLowering(MasterContext& context, const FamilyLayout& layout, FamilyPart part);
  void run();

private:
  /// A member of a group; `part`: elements of a parameter, null for the whole.
  struct Member {
    const ParameterLayout* parameter = nullptr;
    const check::Part* part = nullptr;
  };
  using Members = std::vector<Member>;

  // ---- statements (family.cpp)
  bool of_proposal() const {
    return kind_ == FamilyPart::proposal || kind_ == FamilyPart::proposal_density || proposing_;
  }
  /// Whether the coordinates stand in `mix`, and not in z.
  static bool is_mixed(const ParameterLayout& p) {
    return p.parameter->declaration->kind == check::DeclarationKind::mixed;
  }
  ValueId home(const ParameterLayout& p) const { return is_mixed(p) ? mix_ : z_; }
  void statements(const check::Block& body);
  void proposals();
  void mix(const Statement& s);
  void mix_within(const Statement& s, const Statement& inner);
  void site(const Statement& s, const std::string& name, const Value& value,
            const std::function<ValueId(Indices)>& density);
  const ParameterLayout* parameter(const Declaration* d) const;
  void find_partial(const check::Block& block);
  void bind(const ParameterLayout& p, const Value& value);
  void bind_given();
  void bind_learnables();
  void draw(const Statement& s);
  void element_draw(const Statement& s, const ParameterLayout& p);
  void complete(const ParameterLayout& p, bool by_coordinates);
  void store_coordinates(const ParameterLayout& p);
  void log_determinant(const ParameterLayout& p);
  /// The draws of a statement, with their densities where these come with them. `group`: the draw in whose generic
  /// family it is.
  Emitter::Draws drawn(const Statement& s, const std::vector<Dim>& shape, const Statement* group = nullptr);
  Value sampled(const Statement& s, const std::vector<Dim>& shape, const Statement* group, ValueId turn);

  // ---- groups (family_groups.cpp)
  Members members_of(const std::vector<const Declaration*>& declarations,
                     const std::vector<const check::Part*>& parts) const;
  Members members_of(const Statement& s) const;
  static Size dimension_of(const Members& members);
  static Size coordinates_in(const Member& m);
  /// Where the coordinates of a member begin in its home.
  ValueId first_coordinate(const Member& m);
  Value coordinates(const Expr& e);
  Value gathered(const Members& members);
  Value flat_value(const Members& members, const std::function<Value()>& sample);
  void copy_coordinates(const Members& members, const std::function<void(ValueId, ValueId)>& copy);
  /// Whether the coordinates that are drawn are values, and stored with those.
  static bool is_stored_as_values(const Member& m);
  static std::vector<Members> one_by_one(const Members& members);
  void store_elements(const Member& m, const std::function<ValueId(Indices)>& value);
  void coordinates_draw(const Statement& s);
  void values_draw(const Statement& s);
  /// The number of this turn among those of the plates around a group, or among the elements that the draws of `s` are
  /// of; none where there is one turn.
  ValueId turn_of(const Statement& s);
  /// number(batch indices) of a draw among all of the statement.
  std::function<ValueId(Indices)> numbers(ValueId turn, const std::vector<Dim>& batch);

  // ---- generic families (family_generic.cpp)
  void within(const Statement& s, const std::function<void()>& body);
  void group(const Statement& s);
  Value draw_generic(const Statement& group);

  // ---- maps forward and back (family_round_trips.cpp)
  void declare_round_trip();
  void propose_again();
  const RoundTripLayout* round_trip(const Statement& s, const Statement* group) const;
  Value joint_draws(const LoweredDistribution& d, Indices batch, ValueId number, const RoundTripLayout& layout);
  ValueId place_in_whole(const Statement& s, Indices batch);
  Emitter::Draws transformed_draws(const Statement& s, const Statement* group, const std::vector<Dim>& batch,
                                   const std::function<ValueId(Indices)>& number,
                                   const std::function<ValueId(Indices)>& place);
  void store_event(ValueId memory, const std::vector<ValueId>& head, const Value& value);
  Value each_element(const Value& event, ValueId first, const std::function<ValueId(ValueId x, ValueId at)>& f);
  void store_flat(const Value& event, ValueId first, ValueId memory);
  Value there_and_back(const LoweredDistribution& d, Indices batch, ValueId number, const RoundTripLayout& layout,
                       ValueId place);

  MasterContext& context_;
  const FamilyLayout& layout_;
  const FamilyPart kind_;
  const bool drawing_; // what the statements' draws are of is sampled
  Master master_;
  Emitter& e_;
  ir::Builder& b_;
  ValueId phi_, theta_, z_, mix_;
  ValueId shift_, base_, image_, back_; // of FAMILY.round_trip
  /// What is mixed over, by the draw whose generic family declares it (null: the family's own).
  std::map<const Statement*, std::vector<ParameterLayout>> mixed_;
  bool proposing_ = false;           // FAMILY.round_trip, after the family: its proposal
  const Statement* scope_ = nullptr; // the draw in whose generic family mixed variables are meant
  bool sampling_only_ = false;       // sites come in another pass
  std::map<const Statement*, Environment> inner_;
  ValueId turn_; // of the group that is drawn by a generic family
  /// Drawn by elements; true: their coordinates are what is drawn.
  std::vector<std::pair<const ParameterLayout*, bool>> partial_;
  /// Of groups: their coordinates, and where theirs begin.
  std::map<const ParameterLayout*, std::pair<ValueId, ValueId>> flat_;
  /// Draws of the generic family that is being lowered: densities that came with them.
  std::map<const Statement*, std::function<ValueId(Indices)>> own_densities_;
};

/// The turns that the statement's draws are made in, see FamilyLowering::turn_of.
Size turns_of(const Statement& s);
/// How many first axes of a parameter have one position each in an index expression.
std::size_t single_positions(const Expr& elements);

} // namespace vmodel::lower
