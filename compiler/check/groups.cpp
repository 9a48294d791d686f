// Groups: parameters, or elements of them, that a family draws together, and their coordinates as expressions.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {

/// What draws of the block are of.
DeclarationKind Checker::drawn_kind() const {
  return context_->in_proposal                 ? DeclarationKind::mixed
         : context_->kind == BlockKind::family ? DeclarationKind::param
                                               : DeclarationKind::drawn;
}

// ---------------------------------------------------------------- what stands in a group

const Part* Checker::whole_part(const Declaration* d) {
  const ModelParameter* own = parameter_of(d);
  program_->parts.push_back({d, nullptr, own ? *own : ModelParameter{d, nullptr, {}, {}, false, nullptr, nullptr}});
  return &program_->parts.back();
}

/// Elements of a parameter: their map is that of the whole, with the bounds that stand at them.
const Part* Checker::part_of_elements(const ast::Index& e, DeclarationKind kind) {
  const auto* name = ast::as_if<ast::NameReference>(*e.base);
  const Declaration* d = name ? find_or_report(name->name, name->range) : nullptr;
  if (!name)
    error(Code::not_a_parameter, e.range, "a draw of something that is not a parameter");
  if (!d || !is_drawn_here(d, kind, e.range))
    return nullptr;
  const Expr* elements = expression(e);
  if (!elements || splits_values(*d, *elements) || gathers(*elements))
    return nullptr;
  Type type = d->type;
  type.shape = elements->type.shape;
  type.support.lower = element_bound(d->type.support.lower, *elements);
  type.support.upper = element_bound(d->type.support.upper, *elements);
  const ModelParameter* whole = parameter_of(d);
  ModelParameter own;
  own.declaration = declare(d->kind, d->name, type, e.range);
  if (!choose_bijector(type, false, own.bijector, own.bijector_arguments, own.unconstrained_size, e.range))
    return nullptr;
  own.noncentered = whole && whole->noncentered;
  if (own.noncentered) {
    own.location = element_bound(whole->location, *elements);
    own.scale = element_bound(whole->scale, *elements);
  }
  program_->parts.push_back({d, elements, own});
  return &program_->parts.back();
}

bool Checker::is_drawn_here(const Declaration* d, DeclarationKind kind, SourceRange range) {
  if (d->kind == kind)
    return true;
  error(Code::not_a_parameter, range,
        "'" + d->name + "' is not " +
            (kind == DeclarationKind::mixed        ? "what the family mixes over"
             : context_->kind == BlockKind::family ? "a parameter of the model"
                                                   : "what the family draws"))
      .label(d->range, "declared here");
  return false;
}

/// True, with an error, where the elements are parts of what has its support as a whole.
bool Checker::splits_values(const Declaration& d, const Expr& elements) {
  const auto own = static_cast<std::size_t>(d.type.support.event_rank());
  bool splits = false;
  for (std::size_t axis = d.type.rank() - own; axis < elements.indices.size(); ++axis)
    splits = splits || elements.indices[axis].kind != Index::Kind::all;
  if (splits) {
    error(Code::support_mismatch, elements.range, "the elements of " + type_text(d.type) + " are not drawn one by one")
        .label(d.range, "declared here");
  }
  return splits;
}

/// True, with an error, where the elements are picked by an array of ints, which may name one twice.
bool Checker::gathers(const Expr& elements) {
  for (const Index& index : elements.indices) {
    if (index.kind != Index::Kind::gather)
      continue;
    error(Code::not_assignable, index.range, "a draw of elements by an index array")
        .hint("draw one at a time, in a plate or loop over all of them");
    return true;
  }
  return false;
}

/// The coordinates of one turn stand together only if the leading axes have one position each, and the others all.
bool Checker::has_coordinates(const Part& part) {
  if (!part.elements)
    return true;
  bool behind = false;
  for (const Index& index : part.elements->indices) {
    if (index.kind == Index::Kind::scalar && !behind)
      continue;
    behind = true;
    if (index.kind == Index::Kind::all)
      continue;
    not_supported_yet(part.elements->range, "a slice in a group of coordinates",
                      "a group holds parameters and what single positions of their first axes hold: x[i], x[i, :]");
    return false;
  }
  return true;
}

/// The variables of that kind, parameters or what is mixed over, and the elements of such, that the expression names.
std::optional<std::vector<const Part*>> Checker::parts_of(const ast::Expression& e, DeclarationKind kind) {
  if (const auto* index = ast::as_if<ast::Index>(e)) {
    const Part* part = part_of_elements(*index, kind);
    return part ? std::optional(std::vector{part}) : std::nullopt;
  }
  const auto* name = ast::as_if<ast::NameReference>(e);
  if (!name) {
    error(Code::not_a_parameter, e.range, "a group with something in it that is not a parameter")
        .hint("groups hold parameters and elements of them: (a, b) ~ full_rank();");
    return std::nullopt;
  }
  const Declaration* d = find(name->name);
  if (!d && name->name == "rest") {
    std::vector<const Part*> parts;
    for (const Declaration* r : rest_)
      parts.push_back(whole_part(r));
    return parts;
  }
  if (!d) {
    report_unknown_value(name->name, e.range);
    return std::nullopt;
  }
  if (poisoned(d) || !is_drawn_here(d, kind, e.range))
    return std::nullopt;
  return std::vector{whole_part(d)};
}

std::optional<std::vector<const Part*>> Checker::parts_of(const std::vector<ast::Argument>& list,
                                                          DeclarationKind kind) {
  std::vector<const Part*> all;
  for (const ast::Argument& a : list) {
    const auto parts = parts_of(*a.value, kind);
    if (!parts || !std::all_of(parts->begin(), parts->end(), [this](const Part* p) { return has_coordinates(*p); }))
      return std::nullopt;
    all.insert(all.end(), parts->begin(), parts->end());
  }
  return all;
}

bool Checker::has_elements(const std::vector<const Part*>& parts) {
  return std::any_of(parts.begin(), parts.end(), [](const Part* p) { return p->elements != nullptr; });
}

Size Checker::dimension_of(const std::vector<const Part*>& parts) {
  Size total;
  for (const Part* p : parts)
    total = total + p->parameter.unconstrained_size;
  return total;
}

namespace {

std::vector<const Declaration*> declarations_of(const std::vector<const Part*>& parts) {
  std::vector<const Declaration*> result;
  for (const Part* p : parts)
    result.push_back(p->whole);
  return result;
}

std::string group_name(const std::vector<const Part*>& parts) {
  std::string name;
  for (const Part* p : parts)
    name += (name.empty() ? "" : "+") + p->whole->name;
  return name;
}

} // namespace

// ---------------------------------------------------------------- as expressions

const Expr* Checker::dim_call(const ast::Call& e) {
  if (context_->kind != BlockKind::family) {
    error(Code::misplaced_statement, e.range, "'dim' outside of a family for a model")
        .hint("the size of an array is size(x)");
    return nullptr;
  }
  const auto parts = parts_of(e.arguments, DeclarationKind::param);
  return parts ? size_expr(dimension_of(*parts), e.range) : nullptr;
}

const Expr* Checker::unconstrained_call(const ast::Call& e, DeclarationKind kind) {
  if (context_->kind != BlockKind::family) {
    error(Code::misplaced_statement, e.range, "'unconstrained' outside of a family for a model");
    return nullptr;
  }
  const auto parts = parts_of(e.arguments, kind);
  if (!parts)
    return nullptr;
  Type type;
  type.shape = {dimension_of(*parts)};
  Expr* result = make(ExprKind::unconstrained, e.range, type);
  result->declarations = declarations_of(*parts);
  if (has_elements(*parts))
    result->parts = *parts;
  result->load_time = false;
  return result;
}

// ---------------------------------------------------------------- draws

/// `(a, b) ~ d;`, `(a[j], b[j]) ~ d;`, `rest ~ f();`, `a[j] ~ f();`
void Checker::draw_group(const ast::Sample& s, bool generic, Block& into) {
  std::vector<const Part*> parts;
  std::vector<const ast::Expression*> written{s.target.get()};
  if (const auto* tuple = ast::as_if<ast::Tuple>(*s.target)) {
    written.clear();
    for (const auto& element : tuple->elements)
      written.push_back(element.get());
  }
  for (const ast::Expression* e : written) {
    const auto own = parts_of(*e, drawn_kind());
    if (!own)
      return;
    parts.insert(parts.end(), own->begin(), own->end());
  }
  std::set<std::string> seen;
  for (const Part* p : parts) {
    const std::string text = p->elements ? canonical(p->elements) : p->whole->name;
    if (!seen.insert(text).second) {
      error(Code::duplicate_draw, s.target->range, "'" + text + "' stands twice in the group");
      return;
    }
  }
  const auto* call = ast::as_if<ast::Call>(*s.distribution);
  const auto* callee = call ? ast::as_if<ast::NameReference>(*call->callee) : nullptr;
  // A misspelt name is more likely that of a family, unless a distribution can be meant.
  const bool unknown = callee && find_callables(callee->name).empty() && combinators().count(callee->name) == 0;
  note_mixed_draw(*s.distribution, declarations_of(parts));
  if (generic || (unknown && !has_elements(parts)))
    draw_by_family(s, parts, into);
  else
    draw_values(s, parts, into);
}

Statement* Checker::draw_of_parts(const ast::Sample& s, const std::vector<const Part*>& parts) {
  Statement* statement = make(StatementKind::draw, s.range);
  statement->declarations = declarations_of(parts);
  if (has_elements(parts))
    statement->parts = parts;
  const auto* name = ast::as_if<ast::NameReference>(*s.target);
  statement->name = site_name(nullptr, name ? name->name : group_name(parts));
  return statement;
}

void Checker::draw_by_family(const ast::Sample& s, const std::vector<const Part*>& parts, Block& into) {
  if (!all_around_are_plates()) {
    error(Code::misplaced_statement, s.range, "a group inside of a loop or condition")
        .hint("what a family learns is there once, or once for each turn of a plate: plate j in 1:J { ... }");
    return;
  }
  if (!std::all_of(parts.begin(), parts.end(), [this](const Part* p) { return has_coordinates(*p); }))
    return;
  const DistributionExpr* d = family_call(*s.distribution, dimension_of(parts));
  if (!d)
    return;
  if (parts.empty()) {
    error(Code::duplicate_draw, s.target->range, "`rest` is empty: every parameter is drawn by name")
        .hint("remove the statement");
    return;
  }
  Statement* statement = draw_of_parts(s, parts);
  statement->distribution = d;
  statement->unconstrained_scale = true;
  for (const OpenPlate& plate : context_->plates)
    statement->plates.push_back(plate.statement);
  into.push_back(statement);
}

/// By a distribution of vectors, whose values are those of all members, one after the other.
void Checker::draw_values(const ast::Sample& s, const std::vector<const Part*>& parts, Block& into) {
  Size total;
  for (const Part* p : parts) {
    const Type& type = p->parameter.declaration->type;
    if (type.support.kind != SupportKind::all || type.element != Element::real) {
      std::string members;
      for (const Part* member : parts)
        members +=
            (members.empty() ? "" : ", ") + (member->elements ? canonical(member->elements) : member->whole->name);
      error(Code::support_mismatch, p->elements ? p->elements->range : s.target->range,
            "'" + p->whole->name + "' is " + type_text(p->whole->type) +
                ", and the members of a group that a distribution draws fill the line")
          .label(p->whole->range, "declared here")
          .hint("draw the coordinates: unconstrained(" + members + ") ~ ...;");
      return;
    }
    Size size = Size::constant(1);
    for (const Size& extent : type.shape)
      size = size * extent;
    total = total + size;
  }
  Type type;
  type.shape = {total};
  const Declaration* group = declare(drawn_kind(), group_name(parts), type, s.target->range);
  Statement* statement = draw_of_parts(s, parts);
  statement->parts = parts;
  Target to;
  to.known = true;
  to.holes = true;
  to.range = s.target->range;
  to.shape = type.shape;
  to.type = &group->type;
  to.name = "the group";
  to.site = statement->name;
  const DistributionExpr* q = distribution(*s.distribution, to);
  if (q)
    q = match_prior(q, *group, s.distribution->range, true);
  if (!q || report_without_draw(q, "a family draws from it") ||
      report_without_density(q, "a family needs the density of its draws", true))
    return;
  statement->distribution = q;
  into.push_back(statement);
}

} // namespace vmodel::check
