// Literals, names, operators, conditionals, arrays and comprehensions.
#include "compiler/check/checker.h"
#include "compiler/check/names.h"

namespace vmodel::check {

// ---------------------------------------------------------------- nodes

Expr* Checker::make(ExprKind kind, SourceRange range, Type type, std::vector<const Expr*> operands) {
  program_->expressions.emplace_back();
  Expr& e = program_->expressions.back();
  e.kind = kind;
  e.range = range;
  e.type = std::move(type);
  e.operands = std::move(operands);
  e.load_time = true;
  for (const Expr* operand : e.operands)
    e.load_time = e.load_time && operand->load_time;
  return &e;
}

const Expr* Checker::int_literal(std::int64_t value, SourceRange range) {
  Type type;
  type.element = Element::integer;
  Expr* e = make(ExprKind::int_literal, range, type);
  e->integer = value;
  return e;
}

const Expr* Checker::size_expr(const Size& size, SourceRange range) {
  if (const auto value = size.as_constant())
    return int_literal(*value, range);
  Type type;
  type.element = Element::integer;
  Expr* e = make(ExprKind::size, range, type);
  e->size = size;
  return e;
}

const Expr* Checker::name_expr(const Declaration* declaration, SourceRange range) {
  Expr* e = make(ExprKind::name, range, declaration->type);
  e->declaration = declaration;
  e->load_time = declaration->load_time;
  return e;
}

const Expr* Checker::to_real(const Expr* e) {
  if (!e || e->type.element == Element::real)
    return e;
  if (e->kind == ExprKind::int_literal) {
    Expr* literal = make(ExprKind::real_literal, e->range, {});
    literal->real = static_cast<double>(e->integer);
    return literal;
  }
  Type type = e->type;
  type.element = Element::real;
  type.support = {};
  return make(ExprKind::to_real, e->range, type, {e});
}

// ---------------------------------------------------------------- expressions

const Expr* Checker::expression(const ast::Expression& e) {
  switch (e.kind) {
  case ast::ExpressionKind::IntLiteral: return int_literal(ast::as<ast::IntLiteral>(e).value, e.range);
  case ast::ExpressionKind::RealLiteral: {
    Expr* result = make(ExprKind::real_literal, e.range, {});
    result->real = ast::as<ast::RealLiteral>(e).value;
    return result;
  }
  case ast::ExpressionKind::BoolLiteral: {
    Type type;
    type.element = Element::boolean;
    Expr* result = make(ExprKind::bool_literal, e.range, type);
    result->integer = ast::as<ast::BoolLiteral>(e).value ? 1 : 0;
    return result;
  }
  case ast::ExpressionKind::NameReference: {
    const Declaration* d = find_or_report(ast::as<ast::NameReference>(e).name, e.range);
    if (!d)
      return nullptr;
    if (d->kind == DeclarationKind::instance) {
      error(Code::type_mismatch, e.range, "'" + d->name + "' is a net or bijector, not a value")
          .label(d->range, "declared here")
          .hint("a net is applied: " + d->name + "(x)");
      return nullptr;
    }
    // In a version of its item the name of a length is a number.
    if (const auto fixed = known_sizes_.find(d); fixed != known_sizes_.end() && d->kind == DeclarationKind::size_name)
      return size_expr(fixed->second, e.range);
    if (d->kind == DeclarationKind::param) {
      parameters_used_.insert(d);
    }
    return name_expr(d, e.range);
  }
  case ast::ExpressionKind::LearnHole: {
    auto report = error(Code::misplaced_learn, e.range, "`learn` stands where nothing says what is to be learned");
    report.hint(context_->kind == BlockKind::family
                    ? "a bare `learn` is a whole argument of a distribution; otherwise declare it: learn m: real[N];"
                    : "`learn` belongs to families");
    return nullptr;
  }
  case ast::ExpressionKind::Unary: return unary(ast::as<ast::Unary>(e));
  case ast::ExpressionKind::Binary: return binary(ast::as<ast::Binary>(e));
  case ast::ExpressionKind::Conditional: return conditional(ast::as<ast::Conditional>(e));
  case ast::ExpressionKind::Call: return call(ast::as<ast::Call>(e));
  case ast::ExpressionKind::MethodCall: return method_call(ast::as<ast::MethodCall>(e));
  case ast::ExpressionKind::Index: return index(ast::as<ast::Index>(e));
  case ast::ExpressionKind::Transpose: return transpose(ast::as<ast::Transpose>(e));
  case ast::ExpressionKind::Array: return array(ast::as<ast::Array>(e));
  case ast::ExpressionKind::Comprehension: return comprehension(ast::as<ast::Comprehension>(e));
  case ast::ExpressionKind::Tuple: {
    std::vector<const Expr*> elements;
    Type type;
    bool good = true;
    for (const auto& element : ast::as<ast::Tuple>(e).elements) {
      const Expr* value = expression(*element);
      good = good && value;
      if (value)
        type.tuple.push_back(value->type);
      elements.push_back(value);
    }
    return good ? make(ExprKind::tuple, e.range, type, elements) : nullptr;
  }
  }
  return nullptr;
}

const Expr* Checker::scalar_int(const ast::Expression& e, const std::string& what) {
  const Expr* value = expression(e);
  if (!value)
    return nullptr;
  if (value->type.is_scalar() && value->type.element == Element::integer)
    return value;
  auto report = error(Code::type_mismatch, e.range, what + " is " + type_text(value->type) + ", not an int");
  if (e.kind == ast::ExpressionKind::Binary && ast::as<ast::Binary>(e).op == ast::BinaryOperator::divide) {
    report.hint("int / int is real; write div(a, b)");
  }
  return nullptr;
}

const Expr* Checker::unary(const ast::Unary& e) {
  const Expr* a = expression(*e.operand);
  if (!a)
    return nullptr;
  const bool negate = e.op == ast::UnaryOperator::negate;
  const bool good = a->type.tuple.empty() && (a->type.element == Element::boolean) != negate;
  if (!good) {
    error(Code::type_mismatch, e.range, std::string("'") + (negate ? "-" : "!") + "' of " + type_text(a->type));
    return nullptr;
  }
  if (negate && a->kind == ExprKind::int_literal)
    return int_literal(-a->integer, e.range);
  if (negate && a->kind == ExprKind::real_literal) {
    Expr* literal = make(ExprKind::real_literal, e.range, {});
    literal->real = -a->real;
    return literal;
  }
  Type type = a->type;
  type.support = {};
  Expr* result = make(ExprKind::unary, e.range, type, {a});
  result->op = negate ? Operator::neg : Operator::logical_not;
  return result;
}

std::optional<Shape> Checker::broadcast(const Expr* a, const Expr* b, SourceRange range, std::string_view op) {
  if (a->type.rank() == 0)
    return b->type.shape;
  if (b->type.rank() == 0)
    return a->type.shape;
  const std::string quoted = "'" + std::string(op) + "'";
  if (a->type.rank() != b->type.rank()) {
    auto report = error(Code::shape_mismatch, range,
                        quoted + " of arrays of rank " + std::to_string(a->type.rank()) + " and " +
                            std::to_string(b->type.rank()) + ": " + shape_text(a->type.shape) + " and " +
                            shape_text(b->type.shape));
    const bool product = op == "*" && a->type.rank() <= 2 && b->type.rank() <= 2 &&
                         same_size(a->type.shape.back(), b->type.shape.front());
    if (product) {
      report.hint("the matrix product is '@'");
    } else {
      report.hint("only scalars are repeated; say what is meant with a comprehension, [... for i in 1:N]");
    }
    return std::nullopt;
  }
  if (same_shape(a->type.shape, b->type.shape))
    return a->type.shape;
  const bool product = op == "*" && a->type.rank() == 2 && same_size(a->type.shape[1], b->type.shape[0]);
  if (product) {
    error(Code::shape_mismatch, range,
          quoted + " of different shapes: " + shape_text(a->type.shape) + " and " + shape_text(b->type.shape))
        .hint("the matrix product is '@'");
    return std::nullopt;
  }
  report_shapes(range, quoted + " of different shapes", a->type.shape, b->type.shape);
  return std::nullopt;
}

const Expr* Checker::binary(const ast::Binary& e) {
  // The left spine of a long sum is walked without recursion.
  std::vector<const ast::Binary*> spine{&e};
  while (spine.back()->left->kind == ast::ExpressionKind::Binary)
    spine.push_back(&ast::as<ast::Binary>(*spine.back()->left));
  const Expr* a = expression(*spine.back()->left);
  for (auto node = spine.rbegin(); node != spine.rend(); ++node) {
    const Expr* b = expression(*(*node)->right);
    if (!a || !b) {
      a = nullptr;
      continue;
    }
    if (!a->type.tuple.empty() || !b->type.tuple.empty()) {
      error(Code::type_mismatch, (*node)->range, "'" + std::string(to_string((*node)->op)) + "' of a tuple")
          .hint("take it apart: let (a, b) = ...;");
      a = nullptr;
      continue;
    }
    switch ((*node)->op) {
    case ast::BinaryOperator::add: a = arithmetic(**node, Operator::add, a, b); break;
    case ast::BinaryOperator::subtract: a = arithmetic(**node, Operator::sub, a, b); break;
    case ast::BinaryOperator::multiply: a = arithmetic(**node, Operator::mul, a, b); break;
    case ast::BinaryOperator::divide: a = arithmetic(**node, Operator::div, a, b); break;
    case ast::BinaryOperator::power: a = arithmetic(**node, Operator::pow, a, b); break;
    case ast::BinaryOperator::matrix_multiply: a = matrix_product(**node, a, b); break;
    case ast::BinaryOperator::equal: a = comparison(**node, Operator::eq, a, b); break;
    case ast::BinaryOperator::not_equal: a = comparison(**node, Operator::ne, a, b); break;
    case ast::BinaryOperator::less: a = comparison(**node, Operator::lt, a, b); break;
    case ast::BinaryOperator::less_equal: a = comparison(**node, Operator::le, a, b); break;
    case ast::BinaryOperator::greater: a = comparison(**node, Operator::gt, a, b); break;
    case ast::BinaryOperator::greater_equal: a = comparison(**node, Operator::ge, a, b); break;
    case ast::BinaryOperator::logical_and: a = comparison(**node, Operator::logical_and, a, b); break;
    case ast::BinaryOperator::logical_or: a = comparison(**node, Operator::logical_or, a, b); break;
    }
  }
  return a;
}

const Expr* Checker::arithmetic(const ast::Binary& e, Operator op, const Expr* a, const Expr* b) {
  const std::string_view text = to_string(e.op);
  if (a->type.element == Element::boolean || b->type.element == Element::boolean) {
    error(Code::type_mismatch, e.range,
          "'" + std::string(text) + "' of " + type_text(a->type) + " and " + type_text(b->type))
        .hint("write condition ? 1 : 0");
    return nullptr;
  }
  const auto shape = broadcast(a, b, e.range, text);
  if (!shape)
    return nullptr;
  // int / int and powers are real: nothing is rounded silently.
  const bool real = a->type.element == Element::real || b->type.element == Element::real || op == Operator::div ||
                    op == Operator::pow;
  Type type;
  type.element = real ? Element::real : Element::integer;
  type.shape = *shape;
  if (real) {
    a = to_real(a);
    b = to_real(b);
  }
  Expr* result = make(ExprKind::binary, e.range, type, {a, b});
  result->op = op;
  if (!real && type.shape.empty()) {
    if (const auto value = to_size(result).as_constant();
        value && a->kind == ExprKind::int_literal && b->kind == ExprKind::int_literal) {
      return int_literal(*value, e.range);
    }
  }
  return result;
}

const Expr* Checker::comparison(const ast::Binary& e, Operator op, const Expr* a, const Expr* b) {
  const std::string_view text = to_string(e.op);
  const bool logical = op == Operator::logical_and || op == Operator::logical_or;
  const bool a_bool = a->type.element == Element::boolean, b_bool = b->type.element == Element::boolean;
  const bool equality = op == Operator::eq || op == Operator::ne;
  if (logical ? !(a_bool && b_bool) : (a_bool != b_bool || (a_bool && !equality))) {
    error(Code::type_mismatch, e.range,
          "'" + std::string(text) + "' of " + type_text(a->type) + " and " + type_text(b->type));
    return nullptr;
  }
  const auto shape = broadcast(a, b, e.range, text);
  if (!shape)
    return nullptr;
  Type type;
  type.element = Element::boolean;
  type.shape = *shape;
  if (!logical && a->type.element != b->type.element) {
    a = to_real(a);
    b = to_real(b);
  }
  Expr* result = make(logical ? ExprKind::binary : ExprKind::compare, e.range, type, {a, b});
  result->op = op;
  return result;
}

const Expr* Checker::matrix_product(const ast::Binary& e, const Expr* a, const Expr* b) {
  const std::size_t left = a->type.rank(), right = b->type.rank();
  if (a->type.element == Element::boolean || b->type.element == Element::boolean || left == 0 || right == 0 ||
      left > 2 || right > 2) {
    auto report = error(Code::shape_mismatch, e.range, "'@' of " + type_text(a->type) + " and " + type_text(b->type));
    report.hint(left == 0 || right == 0 ? "the product with a scalar is '*'" : "'@' takes vectors and matrices");
    return nullptr;
  }
  if (!same_size(a->type.shape.back(), b->type.shape.front())) {
    auto report =
        error(Code::shape_mismatch, e.range,
              "'@' of " + shape_text(a->type.shape) + " and " + shape_text(b->type.shape) + ": the inner sizes " +
                  a->type.shape.back().text() + " and " + b->type.shape.front().text() + " differ");
    if (!a->type.shape.back().as_constant() || !b->type.shape.front().as_constant()) {
      report.hint("if they are always equal, say so: require " + a->type.shape.back().text() +
                  " == " + b->type.shape.front().text() + ";");
    }
    return nullptr;
  }
  Type type;
  type.shape.assign(a->type.shape.begin(), a->type.shape.end() - 1);
  type.shape.insert(type.shape.end(), b->type.shape.begin() + 1, b->type.shape.end());
  return make(ExprKind::matmul, e.range, type, {to_real(a), to_real(b)});
}

const Expr* Checker::conditional(const ast::Conditional& e) {
  const Expr* condition = expression(*e.condition);
  ++context_->conditional_depth;
  const Expr* a = expression(*e.if_true);
  const Expr* b = expression(*e.if_false);
  --context_->conditional_depth;
  if (!condition || !a || !b)
    return nullptr;
  if (condition->type.element != Element::boolean || !condition->type.is_scalar()) {
    auto report = error(Code::type_mismatch, e.condition->range,
                        "the condition is " + type_text(condition->type) + ", not a bool");
    if (condition->type.element == Element::integer && condition->type.is_scalar())
      report.hint("compare it: ... != 0");
    if (condition->type.rank() > 0)
      report.hint("choose element by element: [c[i] ? a[i] : b[i] for i in 1:N]");
    return nullptr;
  }
  if (a->type.tuple.size() != b->type.tuple.size() || a->type.rank() != b->type.rank() ||
      !same_shape(a->type.shape, b->type.shape) ||
      (a->type.element == Element::boolean) != (b->type.element == Element::boolean)) {
    error(Code::type_mismatch, e.range,
          "the two sides of '?:' are " + type_text(a->type) + " and " + type_text(b->type));
    return nullptr;
  }
  if (!a->type.tuple.empty()) {
    error(Code::type_mismatch, e.range, "'?:' of tuples").hint("choose for each element");
    return nullptr;
  }
  if (a->type.element != b->type.element) {
    a = to_real(a);
    b = to_real(b);
  }
  Type type = a->type;
  type.support = {};
  return make(ExprKind::conditional, e.range, type, {condition, a, b});
}

const Expr* Checker::transpose(const ast::Transpose& e) {
  const Expr* a = expression(*e.operand);
  if (!a)
    return nullptr;
  if (a->type.rank() != 2) {
    auto report = error(Code::shape_mismatch, e.range, "the transpose of " + type_text(a->type));
    report.hint(a->type.rank() == 1 ? "u @ v is the scalar product, outer(u, v) the matrix of products"
                                    : "only matrices have a transpose");
    return nullptr;
  }
  Type type;
  type.element = a->type.element;
  type.shape = {a->type.shape[1], a->type.shape[0]};
  return make(ExprKind::transpose, e.range, type, {a});
}

const Expr* Checker::array(const ast::Array& e) {
  std::vector<const Expr*> elements;
  bool good = true, any_real = false, any_int = false, any_bool = false;
  for (const auto& element : e.elements) {
    const Expr* value = expression(*element);
    good = good && value;
    if (!value)
      continue;
    any_real = any_real || value->type.element == Element::real;
    any_int = any_int || value->type.element == Element::integer;
    any_bool = any_bool || value->type.element == Element::boolean;
    elements.push_back(value);
  }
  if (!good)
    return nullptr;
  Type type;
  if (elements.empty()) {
    type.element = Element::integer; // which becomes real where a real array is wanted
    type.shape = {Size::constant(0)};
    return make(ExprKind::array, e.range, type);
  }
  for (const Expr* element : elements) {
    const Expr* first = elements.front();
    if (!element->type.tuple.empty()) {
      error(Code::type_mismatch, element->range, "a tuple in an array");
      return nullptr;
    }
    if (element->type.rank() != first->type.rank() || !same_shape(element->type.shape, first->type.shape) ||
        (any_bool && (any_real || any_int))) {
      error(Code::type_mismatch, element->range,
            "the elements of an array differ: " + type_text(first->type) + " and " + type_text(element->type))
          .label(first->range, "the first element");
      return nullptr;
    }
  }
  if (any_real) {
    for (const Expr*& element : elements)
      element = to_real(element);
  }
  type.element = elements.front()->type.element;
  type.shape = elements.front()->type.shape;
  type.shape.insert(type.shape.begin(), Size::constant(static_cast<std::int64_t>(elements.size())));
  return make(ExprKind::array, e.range, type, elements);
}

Checker::Limits Checker::loop_range(const ast::Range& range) {
  if (!range.last) {
    const Expr* value = expression(*range.first);
    if (!value)
      return std::nullopt;
    auto report = error(Code::type_mismatch, range.range, "a loop over " + type_text(value->type));
    report.hint(value->type.rank() == 0 ? "write 1:n" : "loop over the positions: for i in 1:size(...)");
    return std::nullopt;
  }
  const Expr* from = scalar_int(*range.first, "the start of the range");
  const Expr* to = scalar_int(*range.last, "the end of the range");
  if (!from || !to)
    return std::nullopt;
  const char* hint = "loops and comprehensions run over ranges that follow from the data";
  if (!require_load_time(from, "the start of the range", hint) || !require_load_time(to, "the end of the range", hint))
    return std::nullopt;
  return std::pair{from, to};
}

Declaration* Checker::enter_loop_index(const ast::Name& variable, const Limits& limits) {
  Type type;
  type.element = Element::integer;
  Declaration* d = declare(DeclarationKind::loop_index, variable.text, type, variable.range);
  d->load_time = true;
  enter(d);
  if (limits) {
    const Size from = to_size(limits->first), to = to_size(limits->second);
    int_ranges_[d] = {{from}, {to}};
    context_->facts.add_bounds(d->name, {{from}, {to}});
  } else {
    poisoned_.insert(d);
  }
  return d;
}

const Expr* Checker::comprehension(const ast::Comprehension& e) {
  ScopeGuard scope(*this);
  std::vector<Generator> generators;
  Shape outer;
  bool good = true;
  for (const ast::Generator& g : e.generators) {
    const auto range = loop_range(g.over);
    const Declaration* d = enter_loop_index(g.variable, range);
    if (!range) {
      good = false;
      continue;
    }
    for (const Generator& before : generators) {
      std::set<const Declaration*> names;
      for (const Expr* end : {range->first, range->second}) {
        names_in(end, names);
        const Size size = to_size(end); // held for the loop
        for (const auto& [key, atom] : size.atoms()) {
          names.insert(atom.declaration);
          names_in(atom.expression, names);
        }
      }
      if (names.count(before.index) == 0)
        continue;
      error(Code::shape_mismatch, g.over.range,
            "the range of '" + d->name + "' depends on '" + before.index->name + "', and an array has equal rows")
          .hint("sums may be nested: sum([sum([... for " + d->name + " in ...]) for " + before.index->name +
                " in ...])");
      return nullptr;
    }
    outer.push_back(to_size(range->second) - to_size(range->first) + Size::constant(1));
    good = stable_size(outer.back(), g.over.range) && good;
    generators.push_back({d, range->first, range->second});
  }
  ++context_->loop_depth;
  const Expr* element = expression(*e.element);
  --context_->loop_depth;
  if (!element || !good)
    return nullptr;
  if (!element->type.tuple.empty()) {
    error(Code::type_mismatch, element->range, "a tuple in a comprehension");
    return nullptr;
  }
  for (const Size& s : element->type.shape) {
    for (const Generator& g : generators) {
      if (s.atoms().count(g.index->name) == 0)
        continue;
      error(Code::shape_mismatch, element->range,
            "the elements of the comprehension have different shapes: the size " + s.text() + " depends on '" +
                g.index->name + "'")
          .hint("keep ragged values flat and slice them");
      return nullptr;
    }
  }
  Type type;
  type.element = element->type.element;
  type.shape = outer;
  type.shape.insert(type.shape.end(), element->type.shape.begin(), element->type.shape.end());
  Expr* result = make(ExprKind::comprehension, e.range, type, {element});
  result->generators = std::move(generators);
  for (const Generator& g : result->generators)
    result->load_time = result->load_time && g.from->load_time && g.to->load_time;
  return result;
}

} // namespace vmodel::check
