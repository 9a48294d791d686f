// Calls with arguments over a value: of distributions, over what they draw, and of bijectors, over what they map.
#include "compiler/check/checker.h"

namespace vmodel::check {

std::optional<Checker::BoundCall>
Checker::bind_call(const CallSite& site, const std::vector<const ast::Argument*>& ordered, const Target& target) {
  BoundCall result;
  std::vector<const Expr*> arguments(ordered.size(), nullptr);
  bool good = true;
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    if (ordered[i] && ordered[i]->value->kind == ast::ExpressionKind::LearnHole && target.holes)
      continue;
    arguments[i] = ordered[i] ? expression(*ordered[i]->value) : site.callee.defaults[site.parameters[i]];
    if (!arguments[i]) {
      good = false;
      continue;
    }
    const Declaration* p = site.parameters[i];
    if (p->type.element == Element::real && arguments[i]->type.element == Element::integer)
      arguments[i] = to_real(arguments[i]);
    if (arguments[i]->type.element != p->type.element || !arguments[i]->type.tuple.empty()) {
      error(Code::wrong_arguments, arguments[i]->range,
            "argument '" + p->name + "' of '" + site.name + "' is " + type_text(arguments[i]->type) + ", not " +
                type_text(p->type));
      good = false;
    }
  }
  if (!good)
    return std::nullopt;

  // The value first: its event binds sizes, and the rest of its shape is the batch.
  Binding binding;
  const std::size_t event_axes = site.on.rank();
  Shape batch;
  const bool known = target.known;
  if (known) {
    if (target.shape.size() < event_axes) {
      error(Code::shape_mismatch, site.call.range,
            "'" + site.name + "' " + site.verb + " " + type_text(site.on) + ", and " + target.name + " has shape " +
                shape_text(target.shape))
          .label(target.range, "this is " + target.name);
      return std::nullopt;
    }
    batch.assign(target.shape.begin(), target.shape.end() - static_cast<std::ptrdiff_t>(event_axes));
    for (std::size_t k = 0; k < event_axes; ++k) {
      const Size& actual = target.shape[batch.size() + k];
      if (bind_size(site.on.shape[k], actual, binding, site.size_names))
        continue;
      const bool bound_later = binding.sizes.empty() && !site.on.shape[k].as_constant();
      if (bound_later)
        continue; // compared below, when the arguments have bound the names
      report_shapes(site.call.range,
                    "'" + site.name + "' " + site.verb + " " + type_text(site.on) + ", and " + target.name +
                        " does not fit",
                    {instantiate(site.on.shape[k], binding)}, {actual});
      return std::nullopt;
    }
  }
  // Int arguments may be sizes.
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] && arguments[i]->type.is_scalar() && arguments[i]->type.element == Element::integer) {
      binding.sizes.emplace(site.parameters[i]->name, to_size(arguments[i]));
    }
  }
  bool batch_found = known;
  const Expr* batch_from = nullptr;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Expr* a = arguments[i];
    if (!a)
      continue;
    const Declaration* p = site.parameters[i];
    const std::size_t declared = p->type.rank();
    if (a->type.rank() < declared) {
      auto report = error(Code::wrong_arguments, a->range,
                          "argument '" + p->name + "' of '" + site.name + "' is " + type_text(a->type) + ", not " +
                              type_text(p->type));
      if (declared == 1 && a->type.rank() == 0)
        report.hint("repeat it: rep(value, K)");
      return std::nullopt;
    }
    const std::size_t extra = a->type.rank() - declared;
    for (std::size_t k = 0; k < declared; ++k) {
      const Size& actual = a->type.shape[extra + k];
      if (bind_size(p->type.shape[k], actual, binding, site.size_names))
        continue;
      const Size wanted = instantiate(p->type.shape[k], binding);
      report_shapes(a->range, "argument '" + p->name + "' of '" + site.name + "' does not fit", {wanted}, {actual});
      return std::nullopt;
    }
    if (extra == 0)
      continue;
    const Shape own(a->type.shape.begin(), a->type.shape.begin() + static_cast<std::ptrdiff_t>(extra));
    if (!batch_found) {
      batch = own;
      batch_found = true;
      batch_from = a;
      continue;
    }
    Shape wanted = batch;
    if (target.allow_suffix && own.size() < batch.size()) {
      wanted.assign(batch.end() - static_cast<std::ptrdiff_t>(own.size()), batch.end());
    }
    if (same_shape(own, wanted))
      continue;
    if (!known && batch_from) {
      report_shapes(a->range, "arguments of '" + site.name + "' of different shapes", batch_from->type.shape,
                    a->type.shape);
      return std::nullopt;
    }
    if (own.size() != wanted.size()) {
      auto report = error(Code::shape_mismatch, a->range,
                          "argument '" + p->name + "' of '" + site.name + "' has shape " + shape_text(a->type.shape) +
                              ", and " + target.name + " has shape " + shape_text(target.shape));
      report.label(target.range, "this is " + target.name);
      report.hint("an argument is one value for all, or has one for each: [... for i in 1:N]");
      return std::nullopt;
    }
    report_shapes(a->range,
                  "argument '" + p->name + "' of '" + site.name + "' does not have the shape of " + target.name, own,
                  wanted);
    return std::nullopt;
  }
  for (std::size_t k = 0; known && k < event_axes; ++k) {
    if (same_size(instantiate(site.on.shape[k], binding), target.shape[batch.size() + k]))
      continue;
    report_shapes(site.call.range, "'" + site.name + "' " + site.verb + " another shape than " + target.name,
                  instantiate(site.on.shape, binding),
                  Shape(target.shape.end() - static_cast<std::ptrdiff_t>(event_axes), target.shape.end()));
    return std::nullopt;
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i])
      continue;
    arguments[i] = hole(ast::as<ast::LearnHole>(*ordered[i]->value), *site.parameters[i], binding, batch, target);
    if (!arguments[i])
      return std::nullopt;
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    binding.arguments[site.parameters[i]] = arguments[i];
    const auto needed = site.callee.load_time_arguments.find(site.parameters[i]->name);
    if (needed == site.callee.load_time_arguments.end())
      continue;
    if (!require_load_time(arguments[i], "argument '" + site.parameters[i]->name + "' of '" + site.name + "'",
                           "a size or loop of '" + site.name + "' depends on it")) {
      return std::nullopt;
    }
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!argument_in_support(arguments[i], *site.parameters[i], site.name, binding))
      return std::nullopt;
  }
  for (const Declaration* size_name : site.size_names) {
    const auto bound = binding.sizes.find(size_name->name);
    if (bound != binding.sizes.end()) {
      result.sizes[size_name->name] = bound->second;
    } else {
      error(Code::shape_mismatch, site.call.range,
            "the size '" + size_name->name + "' of '" + site.name + "' is not known here");
      return std::nullopt;
    }
  }
  result.arguments = std::move(arguments);
  result.binding = std::move(binding);
  result.batch = std::move(batch);
  return result;
}

const Expr* Checker::hole(const ast::LearnHole& e, const Declaration& parameter, const Binding& binding,
                          const Shape& batch, const Target& target) {
  if (static_cast<std::size_t>(context_->loop_depth) != context_->plates.size()) {
    error(Code::misplaced_learn, e.range, "a bare `learn` in a loop")
        .hint("declare an array above the loop: learn m: real[N];");
    return nullptr;
  }
  const auto turns = turns_of_plates(e.range);
  if (!turns)
    return nullptr;
  Type type = instantiate(parameter.type, binding);
  if (type.element != Element::real) {
    error(Code::misplaced_learn, e.range,
          "argument '" + parameter.name + "' is " + type_text(type) + ", which cannot be learned");
    return nullptr;
  }
  type.shape.insert(type.shape.begin(), batch.begin(), batch.end());
  type.shape.insert(type.shape.begin(), turns->begin(), turns->end());
  Declaration* d = declare(DeclarationKind::learn, target.site + "." + parameter.name, type, e.range);
  Learnable l = learnable(d, nullptr, e.range);
  if (!l.declaration)
    return nullptr;
  context_->learnables->push_back(l);
  return at_this_turn(name_expr(d, e.range), e.range);
}

} // namespace vmodel::check
