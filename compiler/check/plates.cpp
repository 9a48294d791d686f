// Plates in families: turns that are independent given what stands above, so that what is learned can be there once for
// each of them.
#include "compiler/check/checker.h"
#include "compiler/check/names.h"

#include <algorithm>

namespace vmodel::check {

void Checker::plate(const ast::Plate& s, Block& into) {
  const auto range = loop_range(s.over);
  ScopeGuard scope(*this);
  Statement* statement = make(StatementKind::for_, s.range);
  statement->is_plate = true;
  statement->declaration = enter_loop_index(s.variable, range);
  if (range) {
    statement->from = range->first;
    statement->to = range->second;
  }
  ++context_->loop_depth;
  context_->plates.push_back({statement, context_->scopes.size()});
  if (range) {
    block(s.body, statement->body);
  } else {
    // What is wrong inside is told all the same.
    Block lost;
    block(s.body, lost);
  }
  context_->plates.pop_back();
  --context_->loop_depth;
  if (range)
    into.push_back(statement);
}

bool Checker::all_around_are_plates() const {
  return context_->conditional_depth == 0 && static_cast<std::size_t>(context_->loop_depth) == context_->plates.size();
}

/// An axis for each plate that is open.
std::optional<Shape> Checker::turns_of_plates(SourceRange range) {
  Shape shape;
  for (const OpenPlate& plate : context_->plates) {
    const Size turns = to_size(plate.statement->to) - to_size(plate.statement->from) + Size::constant(1);
    for (const OpenPlate& outer : context_->plates) {
      if (turns.atoms().count(outer.statement->declaration->name) == 0)
        continue;
      error(Code::misplaced_learn, range,
            "what is learned once for each turn of a plate, in one whose range depends on '" +
                outer.statement->declaration->name + "'")
          .hint("declare an array above the plates");
      return std::nullopt;
    }
    shape.push_back(turns);
  }
  return shape;
}

/// Of an array with axes for the plates the element of this turn.
const Expr* Checker::at_this_turn(const Expr* all, SourceRange range) {
  if (context_->plates.empty())
    return all;
  Type type = all->type;
  type.shape.erase(type.shape.begin(), type.shape.begin() + static_cast<std::ptrdiff_t>(context_->plates.size()));
  Expr* result = make(ExprKind::index, range, type, {all});
  for (const OpenPlate& plate : context_->plates) {
    Index at;
    at.range = range;
    at.at = name_expr(plate.statement->declaration, range);
    const Expr* from = plate.statement->from;
    if (from->kind != ExprKind::int_literal || from->integer != 1) {
      // The first turn is the first element.
      Expr* before = make(ExprKind::binary, range, at.at->type, {from, int_literal(1, range)});
      before->op = Operator::sub;
      Expr* position = make(ExprKind::binary, range, at.at->type, {at.at, before});
      position->op = Operator::sub;
      at.at = position;
    }
    result->indices.push_back(at);
  }
  result->load_time = false;
  return result;
}

/// In plates the learnables of a generic family are arrays, which the turns have to have alike: the same number of
/// coordinates, and starts from the same arguments.
bool Checker::fits_plates(const VersionedCall& call, const Size& dimension, SourceRange range) {
  const FamilyTemplate& family = *call.callable->family;
  if (context_->plates.empty())
    return true;
  if (!family.mixed.empty()) {
    not_supported_yet(range, "what a family in a plate mixes over",
                      "semi-implicit families draw whole parameters, outside of plates");
    return false;
  }
  const auto changes = [&](const Declaration* d) {
    for (std::size_t k = context_->plates.front().scope - 1; k < context_->scopes.size(); ++k) {
      if (std::find(context_->scopes[k].begin(), context_->scopes[k].end(), d) != context_->scopes[k].end())
        return true;
    }
    return false;
  };
  std::set<const Declaration*> names;
  for (const auto& [key, atom] : dimension.atoms()) {
    names.insert(atom.declaration);
    names_in(atom.expression, names);
  }
  SourceRange place = range;
  bool differs = std::any_of(names.begin(), names.end(), changes);
  std::size_t position = 0;
  for (const Declaration* p : family.parameters) {
    const Expr* argument = call.arguments[position++];
    if (p->type.element == Element::real && call.callable->load_time_arguments.count(p->name) == 0)
      continue; // read by draws alone
    std::set<const Declaration*> own;
    names_in(argument, own);
    if (differs || !std::any_of(own.begin(), own.end(), changes))
      continue;
    differs = true;
    place = argument->range;
  }
  if (differs) {
    error(Code::misplaced_learn, place,
          "what '" + family.name + "' learns would differ in size or start from turn to turn")
        .label(context_->plates.back().statement->declaration->range, "of this plate")
        .hint("it is an array with an axis for the plate: all turns are alike");
    return false;
  }
  for (const Learnable& l : family.learnables) {
    for (const Expr* bound : {l.declaration->type.support.lower, l.declaration->type.support.upper}) {
      if (!bound || bound->type.is_scalar())
        continue;
      not_supported_yet(range, "in a plate, what learns within bounds that are arrays");
      return false;
    }
  }
  return true;
}

/// False, with an error, where turns of a plate would pass on what is assigned.
bool Checker::stays_in_turn(const Declaration* d, SourceRange range) {
  if (context_->plates.empty() || d->write_once)
    return true;
  const OpenPlate& plate = context_->plates.back();
  for (std::size_t k = plate.scope; k < context_->scopes.size(); ++k) {
    for (const Declaration* inner : context_->scopes[k]) {
      if (inner == d)
        return true;
    }
  }
  error(Code::not_assignable, range, "'" + d->name + "' is declared outside of the plate")
      .label(d->range, "declared here")
      .label(plate.statement->declaration->range, "the plate")
      .hint("the turns of a plate are independent; write a `for` loop");
  return false;
}

} // namespace vmodel::check
