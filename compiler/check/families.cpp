// Families: their statements, and the family against its model.
#include "compiler/check/checker.h"

#include <algorithm>
#include <cctype>

namespace vmodel::check {

const ModelParameter* Checker::parameter_of(const Declaration* d) const {
  if (context_->mixed && d->kind == DeclarationKind::mixed) {
    for (const ModelParameter& m : *context_->mixed) {
      if (m.declaration == d)
        return &m;
    }
  }
  for (const ModelParameter& p : program_->model.parameters) {
    if (p.declaration == d)
      return &p;
  }
  return nullptr;
}

namespace {

/// Names that draw statements of a family's body name as targets.
void targets_in(const ast::Block& block, std::set<std::string>& names) {
  const std::function<void(const ast::Expression&)> target = [&](const ast::Expression& e) {
    if (const auto* name = ast::as_if<ast::NameReference>(e))
      names.insert(name->name);
    if (const auto* index = ast::as_if<ast::Index>(e))
      target(*index->base);
    if (const auto* tuple = ast::as_if<ast::Tuple>(e)) {
      for (const auto& element : tuple->elements)
        target(*element);
    }
    if (const auto* call = ast::as_if<ast::Call>(e)) {
      for (const ast::Argument& a : call->arguments)
        target(*a.value);
    }
  };
  for (const auto& s : block.statements) {
    if (const auto* sample = ast::as_if<ast::Sample>(*s))
      target(*sample->target);
    if (const auto* loop = ast::as_if<ast::For>(*s))
      targets_in(loop->body, names);
    if (const auto* plate = ast::as_if<ast::Plate>(*s))
      targets_in(plate->body, names);
    if (const auto* branches = ast::as_if<ast::If>(*s)) {
      for (const auto& branch : branches->branches)
        targets_in(branch.body, names);
      if (branches->otherwise)
        targets_in(*branches->otherwise, names);
    }
  }
}

} // namespace

const ast::Name& family_name(const ast::Item& item) {
  return item.kind == ast::ItemKind::FamilyAlias ? ast::as<ast::FamilyAlias>(item).name
                                                 : ast::as<ast::FamilyBlock>(item).name;
}

const std::vector<ast::Parameter>& family_parameters(const ast::Item& item) {
  return item.kind == ast::ItemKind::FamilyAlias ? ast::as<ast::FamilyAlias>(item).parameters
                                                 : ast::as<ast::FamilyBlock>(item).parameters;
}

std::optional<std::string> Checker::check_family(const ast::Item& item, const ast::Call* call, SourceRange place) {
  const bool alias = item.kind == ast::ItemKind::FamilyAlias;
  const ast::Name& name = family_name(item);
  const ast::Name& model = alias ? ast::as<ast::FamilyAlias>(item).model : ast::as<ast::FamilyBlock>(item).model;
  const auto& parameters = family_parameters(item);
  if (model.text != program_->model.name) {
    auto report = error(Code::unknown_name, model.range, "no model named '" + model.text + "'");
    if (!program_->model.name.empty())
      report.hint("the model of this file is '" + program_->model.name + "'");
    return std::nullopt;
  }
  for (const ast::Item* other : family_items_) {
    if (other == &item)
      break;
    if (family_name(*other).text != name.text)
      continue;
    error(Code::duplicate_name, name.range, "a second family named '" + name.text + "'")
        .label(family_name(*other).range, "the first");
    return std::nullopt;
  }
  Family family;
  family.name = name.text;
  family.range = name.range;
  Context context;
  context.kind = BlockKind::family;
  context.scopes.resize(2);
  context.facts = model_context_.facts;
  context.learnables = &family.learnables;
  context.learned_calls = &family.learned_calls;
  context.mixed = &family.mixed;
  for (const Declaration* d : program_->model.data)
    context.scopes.front().push_back(d);
  for (const ModelParameter& p : program_->model.parameters) {
    context.scopes.front().push_back(p.declaration);
    context.dependencies.add_root(p.declaration->name);
  }
  ContextGuard guard(*this, context);
  const std::set<const Declaration*> used_before = parameters_used_;
  const std::size_t before = diagnostics_.error_count();
  rest_.clear();
  if (!bind_family_parameters(parameters, call, place, family))
    return std::nullopt;
  // Arguments make a family of its own, unless there is the same already.
  for (const Family& other : program_->families) {
    if (call && other.name == family.name)
      return family.name;
  }
  std::set<std::string> targets;
  if (alias) {
    const auto& value = ast::as<ast::FamilyAlias>(item).value;
    for (const ModelParameter& p : program_->model.parameters)
      rest_.push_back(p.declaration);
    Size dimension;
    for (const ModelParameter& p : program_->model.parameters)
      dimension = dimension + p.unconstrained_size;
    const DistributionExpr* d = family_call(*value, dimension);
    if (!d)
      return std::nullopt;
    Statement* s = make(StatementKind::draw, item.range);
    s->declarations = rest_;
    s->distribution = d;
    s->name = "rest";
    s->unconstrained_scale = true;
    family.body.push_back(s);
  } else {
    const auto& block = ast::as<ast::FamilyBlock>(item).body;
    targets_in(block, targets);
    for (const ModelParameter& p : program_->model.parameters) {
      if (targets.count(p.declaration->name) == 0)
        rest_.push_back(p.declaration);
    }
    context.dependencies.add_block(block);
    collect_later_names(block);
    statements(block.statements, family.body);
    if (diagnostics_.error_count() == before && !family.mixed.empty()) {
      report_unused_mixes(family.mixed);
      if (diagnostics_.error_count() == before && !context.proposal_range.valid())
        add_default_proposal(family);
    }
  }
  parameters_used_ = used_before;
  if (diagnostics_.error_count() == before) {
    check_cover(family.body, StatementKind::assign, {});
    report_family_coverage(family, targets, name.range);
    if (diagnostics_.error_count() == before)
      check_family_order(family);
  }
  program_->families.push_back(std::move(family));
  return program_->families.back().name;
}

/// The arguments of a family for the model become `let`s at its top, by their defaults or by the call in a `fit`.
bool Checker::bind_family_parameters(const std::vector<ast::Parameter>& parameters, const ast::Call* call,
                                     SourceRange place, Family& family) {
  std::vector<const ast::Expression*> given(parameters.size(), nullptr);
  std::size_t position = 0;
  for (std::size_t i = 0; call && i < call->arguments.size(); ++i) {
    const ast::Argument& a = call->arguments[i];
    std::size_t k = position;
    if (a.name) {
      for (k = 0; k < parameters.size() && parameters[k].name.text != a.name->text; ++k) {
      }
    } else {
      ++position;
    }
    if (k >= parameters.size() || given[k]) {
      error(Code::wrong_arguments, a.range,
            "the family '" + family.name + "' has no such argument" + (k < parameters.size() ? " twice" : ""));
      return false;
    }
    given[k] = a.value.get();
  }
  std::string suffix;
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    const ast::Parameter& p = parameters[k];
    TypeRules rules;
    rules.allow_bool = true;
    rules.what = "argument";
    const auto t = type(p.type, rules);
    if (!t)
      return false;
    const ast::Expression* source = given[k] ? given[k] : p.default_value.get();
    if (!source) {
      error(Code::wrong_arguments, place, "the family '" + family.name + "' without its argument '" + p.name.text + "'")
          .label(p.name.range, "it has no default");
      return false;
    }
    const Expr* value = convert(expression(*source), *t, "argument '" + p.name.text + "'");
    if (!value ||
        !require_load_time(value, "argument '" + p.name.text + "'", "the arguments of a family follow from the data"))
      return false;
    Declaration* d = declare(DeclarationKind::let, p.name.text, *t, p.name.range);
    if (!argument_in_support(value, *d, family.name, {}))
      return false;
    d->type.support = {};
    d->load_time = true;
    intervals_[d] = interval(value);
    if (value->type.element == Element::integer) {
      int_ranges_[d] = int_range(value);
      if (value->kind == ExprKind::array)
        known_lists_[d] = value;
      if (value->type.is_scalar())
        known_sizes_[d] = to_size(value);
    }
    enter(d);
    Statement* s = make(StatementKind::let, p.name.range);
    s->declaration = d;
    s->value = value;
    family.body.push_back(s);
    if (given[k])
      suffix += "_" + p.name.text + "_" + canonical(value);
  }
  for (char& c : suffix) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0)
      c = '_';
  }
  family.name += suffix;
  return true;
}

void Checker::add_default_family(const std::string& name) {
  for (const Family& other : program_->families) {
    if (other.name == name)
      return;
  }
  for (Callable* callable : find_callables(name)) {
    if (callable->item->kind != ast::ItemKind::FamilyGeneric || !check_callable(*callable))
      continue;
    Family family;
    family.name = name;
    Size dimension;
    Statement* s = make(StatementKind::draw, {});
    for (const ModelParameter& p : program_->model.parameters) {
      dimension = dimension + p.unconstrained_size;
      s->declarations.push_back(p.declaration);
    }
    const bool needs_more =
        std::any_of(callable->parameters.begin(), callable->parameters.end(), [&](const Declaration* p) {
          return callable->defaults.count(p) == 0 && function_parameters_.count(p) == 0;
        });
    if (needs_more)
      continue;
    auto call = versioned_call({}, {callable}, name, {});
    const DistributionExpr* d = call ? family_expression(*call, dimension, {}) : nullptr;
    if (!d)
      return;
    s->distribution = d;
    s->name = "rest";
    s->unconstrained_scale = true;
    family.body.push_back(s);
    program_->families.push_back(std::move(family));
    return;
  }
}

Learnable Checker::learnable(const Declaration* declaration, const Expr* initial, SourceRange range) {
  Learnable result;
  if (!choose_bijector(declaration->type, true, result.bijector, result.bijector_arguments, result.unconstrained_size,
                       range))
    return {};
  result.declaration = declaration;
  result.initial = initial;
  return result;
}

void Checker::learn(const ast::Learn& s) {
  TypeRules rules;
  rules.what = "learnable";
  rules.allow_int = false;
  const auto t = type(s.type, rules);
  Declaration* d = declare(DeclarationKind::learn, s.name.text, t.value_or(Type{}), s.name.range);
  if (!t)
    poisoned_.insert(d);
  enter(d);
  if (context_->loop_depth > 0 || context_->conditional_depth > 0) {
    error(Code::misplaced_learn, s.range, "`learn` inside of a loop or condition")
        .hint("declare an array above: learn m: real[N];");
    return;
  }
  if (!t)
    return;
  for (const Expr* bound : {t->support.lower, t->support.upper}) {
    if (bound && !require_load_time(bound, "the bound", "the bounds of a learnable follow from the data"))
      return;
  }
  const DistributionExpr* start = nullptr;
  if (s.start) {
    Target to;
    to.known = true;
    to.shape = t->shape;
    to.type = &d->type;
    to.name = "'" + d->name + "'";
    to.range = s.name.range;
    start = distribution(*s.start, to);
    // Any reals are inside of the line.
    if (start && (t->support.kind != SupportKind::all || start->element != Element::real))
      start = match_prior(start, *d, s.start->range, true);
    if (!start || report_without_draw(start, "the initial value is a draw from it"))
      return;
    const std::function<bool(const DistributionExpr*)> at_load = [&](const DistributionExpr* part) {
      bool good = true;
      for (const Expr* a : part->arguments)
        good = require_load_time(a, "the initial value", "a learnable starts from the data") && good;
      for (const Expr* a : {part->weights, part->lower, part->upper})
        good = (!a || require_load_time(a, "the initial value", "a learnable starts from the data")) && good;
      for (const DistributionExpr* c : part->components)
        good = at_load(c) && good;
      return good;
    };
    if (!at_load(start))
      return;
  }
  const Expr* initial = nullptr;
  if (s.initial) {
    initial = expression(*s.initial);
    Type wanted = *t;
    if (initial && initial->type.is_scalar())
      wanted.shape.clear();
    wanted.support = {};
    initial = convert(initial, wanted, "the initial value of '" + s.name.text + "'");
    if (!initial || !require_load_time(initial, "the initial value", "a learnable starts from the data"))
      return;
    if (t->support.kind == SupportKind::bounded) {
      const Interval value = interval(initial);
      const bool low = t->support.lower && value.upper <= interval(t->support.lower).lower;
      const bool high = t->support.upper && value.lower >= interval(t->support.upper).upper;
      if (low || high) {
        error(Code::outside_support, s.initial->range,
              "the initial value is not inside of " + support_text(t->support, Element::real));
        return;
      }
    }
  }
  Learnable l = learnable(d, initial, s.range);
  if (!l.declaration)
    return;
  l.start = start;
  context_->learnables->push_back(l);
}

const DistributionExpr* Checker::family_call(const ast::Expression& e, const Size& dimension) {
  const auto* call = ast::as_if<ast::Call>(e);
  const auto* callee = call ? ast::as_if<ast::NameReference>(*call->callee) : nullptr;
  if (!callee) {
    auto report = error(Code::type_mismatch, e.range, "this is not a family");
    if (const auto* name = ast::as_if<ast::NameReference>(e))
      report.hint("write " + name->name + "()");
    return nullptr;
  }
  std::vector<Callable*> found;
  for (Callable* callable : find_callables(callee->name)) {
    if (callable->item->kind == ast::ItemKind::FamilyGeneric)
      found.push_back(callable);
  }
  if (found.empty()) {
    static const std::set<std::string> later{"laplace", "coupling", "autoregressive", "implicit"};
    if (later.count(callee->name) != 0) {
      if (callee->name == "laplace") {
        not_supported_yet(e.range, "'laplace' inside of another family",
                          "as the whole family it needs no declaration: fit { family = laplace; }");
      } else {
        not_supported_yet(e.range, "the family '" + callee->name + "'");
      }
      return nullptr;
    }
    report_unknown_callable(callee->name, callee->range, ast::ItemKind::FamilyGeneric);
    return nullptr;
  }
  if (!choose_by_given(*call, found))
    return nullptr;
  auto versioned = versioned_call(call->arguments, found, callee->name, e.range);
  if (!versioned)
    return nullptr;
  return family_expression(*versioned, dimension, e.range);
}

/// Leaves those of one name that take `given`, what was drawn before, if the call has it, and else those that do not.
bool Checker::choose_by_given(const ast::Call& call, std::vector<Callable*>& candidates) {
  const auto given = std::find_if(call.arguments.begin(), call.arguments.end(),
                                  [](const ast::Argument& a) { return a.name && a.name->text == "given"; });
  const bool wanted = given != call.arguments.end();
  std::vector<Callable*> chosen;
  for (Callable* callable : candidates) {
    if (!check_signature(*callable))
      return false;
    const bool takes = std::any_of(callable->parameters.begin(), callable->parameters.end(),
                                   [](const Declaration* p) { return p->name == "given"; });
    if (takes == wanted)
      chosen.push_back(callable);
  }
  if (!chosen.empty()) {
    candidates = std::move(chosen);
    return true;
  }
  // A family of one's own may have it among its arguments whether it is wanted or not: the call says what is missing.
  if (!wanted)
    return true;
  const std::string& name = ast::as<ast::NameReference>(*call.callee).name;
  error(Code::wrong_arguments, given->range,
        "what '" + name + "' draws depends on nothing that was drawn before: no `given`")
      .hint("mean_field, full_rank, low_rank and student_mean_field have it; or write the dependence by hand: "
            "unconstrained(...) ~ transformed(normal(0, 1), ..., affine(m + C @ g, learn));");
  return false;
}

const DistributionExpr* Checker::family_expression(VersionedCall& call, const Size& dimension, SourceRange range) {
  const FamilyTemplate& family = *call.callable->family;
  const auto turns = turns_of_plates(range);
  if (!turns || !fits_plates(call, dimension, range))
    return nullptr;
  DistributionExpr* d = make(DistributionKind::family, range);
  d->family = &family;
  d->arguments = call.arguments;
  d->event = {dimension};
  if (!bind_size(family.target->type.shape[0], dimension, call.binding, family.size_names)) {
    report_shapes(range, "'" + family.name + "' draws another number of coordinates",
                  instantiate(family.target->type.shape, call.binding), {dimension});
    return nullptr;
  }
  d->sizes = call.binding.sizes;
  for (const Learnable& l : family.learnables) {
    Learnable& own = d->learnables.emplace_back(l);
    Type type = instantiate(l.declaration->type, call.binding);
    type.shape.insert(type.shape.begin(), turns->begin(), turns->end());
    own.declaration = declare(DeclarationKind::learn, l.declaration->name, type, l.declaration->range);
    own.unconstrained_size = instantiate(l.unconstrained_size, call.binding);
  }
  for (const ModelParameter& m : family.mixed)
    d->mixed.push_back(instantiate(m.unconstrained_size, call.binding));
  return d;
}

} // namespace vmodel::check
