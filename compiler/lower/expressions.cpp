// Expressions: array-valued ones become builds, which the pass `fuse` substitutes into their uses.
#include "compiler/ir/typing.h"
#include "compiler/lower/emitter.h"

#include <numeric>

namespace vmodel::lower {

using check::ExprKind;
using check::Operator;
using ir::Opcode;

ir::Element element_of(const check::Type& type) {
  switch (type.element) {
  case check::Element::real: return ir::Element::f64;
  case check::Element::integer: return ir::Element::index;
  case check::Element::boolean: return ir::Element::boolean;
  }
  return ir::Element::f64;
}

// ---------------------------------------------------------------- sizes

ValueId Emitter::size(const Size& s) {
  std::int64_t denominator = 1;
  for (const auto& [monomial, coefficient] : s.terms())
    denominator = std::lcm(denominator, coefficient.denominator);
  ValueId total = b.index(0);
  for (const auto& [monomial, coefficient] : s.terms()) {
    ValueId term = b.index(coefficient.numerator * (denominator / coefficient.denominator));
    for (const auto& [key, power] : monomial) {
      const check::SizeAtom& atom = s.atoms().at(key);
      const ValueId value = atom.declaration ? bound(atom.declaration).id : scalar(*atom.expression);
      for (int p = 0; p < power; ++p)
        term = b.mul(term, value);
    }
    total = b.add(total, term);
  }
  return denominator == 1 ? total : b.binary(Opcode::idiv, total, b.index(denominator));
}

std::vector<Dim> Emitter::dims(const check::Shape& shape) {
  std::vector<Dim> result;
  for (const Size& s : shape)
    result.push_back(dim(s));
  return result;
}

ValueId Emitter::range_extent(ValueId from, ValueId to) {
  return b.binary(Opcode::max, b.index(0), b.add(b.sub(to, from), b.index(1)));
}

// ---------------------------------------------------------------- elements

ValueId Emitter::element(const Value& value, Indices indices) {
  const ir::Type& type = b.function().type(value.id);
  if (type.rank() == 0 && !type.reference)
    return value.id;
  return b.load(value.id, indices);
}

std::vector<Dim> Emitter::shape_of(const Value& value) {
  return b.function().type(value.id).dims;
}

Value Emitter::slice(const Value& value, Indices leading) {
  if (leading.empty())
    return value;
  const std::vector<Dim> shape = shape_of(value);
  if (shape.size() <= leading.size())
    return element(value, leading);
  const std::vector<Dim> rest(shape.begin() + static_cast<std::ptrdiff_t>(leading.size()), shape.end());
  const std::vector<ValueId> head(leading.begin(), leading.end());
  const ir::Element kind = b.function().type(value.id).element;
  return b.build(rest, kind, [&](Indices tail) {
    std::vector<ValueId> all = head;
    all.insert(all.end(), tail.begin(), tail.end());
    return b.load(value.id, all);
  });
}

ValueId Emitter::flat_position(std::span<const Dim> extents, Indices indices) {
  ValueId position = b.index(0);
  for (std::size_t k = 0; k < indices.size(); ++k) {
    position = b.add(k == 0 ? position : b.mul(position, b.extent(extents[k])), indices[k]);
  }
  return position;
}

Value Emitter::elementwise(const check::Shape& shape, const std::vector<Value>& operands,
                           const std::function<ValueId(std::span<const ValueId>)>& f, ir::Element kind) {
  const auto apply = [&](Indices indices) {
    std::vector<ValueId> scalars;
    for (const Value& operand : operands)
      scalars.push_back(element(operand, indices));
    return f(scalars);
  };
  if (shape.empty())
    return apply({});
  // The operands know their extents; using theirs saves computing sizes again.
  std::vector<Dim> extents;
  for (const Value& operand : operands) {
    if (rank_of(operand) == shape.size()) {
      extents = shape_of(operand);
      break;
    }
  }
  if (extents.empty())
    extents = dims(shape);
  return b.build(extents, kind, apply);
}

ValueId Emitter::scalar_binary(Operator op, ValueId x, ValueId y) {
  switch (op) {
  case Operator::add: return b.add(x, y);
  case Operator::sub: return b.sub(x, y);
  case Operator::mul: return b.mul(x, y);
  case Operator::div: return b.div(x, y);
  case Operator::pow: return b.binary(Opcode::pow, x, y);
  case Operator::logical_and: return b.logical_and(x, y);
  case Operator::logical_or: return b.logical_or(x, y);
  case Operator::lt: return b.compare(Opcode::lt, x, y);
  case Operator::le: return b.compare(Opcode::le, x, y);
  case Operator::gt: return b.compare(Opcode::gt, x, y);
  case Operator::ge: return b.compare(Opcode::ge, x, y);
  case Operator::eq: return b.compare(Opcode::eq, x, y);
  case Operator::ne: return b.compare(Opcode::ne, x, y);
  case Operator::neg:
  case Operator::logical_not: break;
  }
  return {};
}

// ---------------------------------------------------------------- expressions

Value Emitter::expression(const Expr& e) {
  b.set_range(e.range);
  const auto lower_operands = [&] {
    std::vector<Value> operands;
    for (const Expr* operand : e.operands)
      operands.push_back(expression(*operand));
    return operands;
  };
  switch (e.kind) {
  case ExprKind::real_literal: return b.constant(e.real);
  case ExprKind::int_literal: return b.index(e.integer);
  case ExprKind::bool_literal: return b.boolean(e.integer != 0);
  case ExprKind::size: return size(e.size);
  case ExprKind::name: {
    const Value& value = bound(e.declaration);
    if (!value.id || !b.function().type(value.id).reference)
      return value;
    if (e.declaration->write_once)
      return b.freeze(value.id);
    // A mutable array as a whole: its value now, whatever is stored later.
    const std::vector<Dim> extents = shape_of(value);
    return b.build(extents, b.function().type(value.id).element, [&](Indices i) { return b.load(value.id, i); });
  }
  case ExprKind::to_real:
    return elementwise(e.type.shape, lower_operands(), [&](Indices x) { return b.to_real(x[0]); }, ir::Element::f64);
  case ExprKind::unary:
    return elementwise(
        e.type.shape, lower_operands(),
        [&](Indices x) { return e.op == Operator::neg ? b.neg(x[0]) : b.logical_not(x[0]); }, element_of(e.type));
  case ExprKind::binary:
  case ExprKind::compare:
    return elementwise(
        e.type.shape, lower_operands(), [&](Indices x) { return scalar_binary(e.op, x[0], x[1]); }, element_of(e.type));
  case ExprKind::conditional: {
    const ValueId condition = scalar(*e.operands[0]);
    // Each side is computed inside its own region, so that neither leaks what it should not.
    const auto choose = [&](Indices i) {
      return b.if_(
          condition, [&] { return std::vector{element(expression(*e.operands[1]), i)}; },
          [&] { return std::vector{element(expression(*e.operands[2]), i)}; })[0];
    };
    if (e.type.shape.empty())
      return choose({});
    return b.build(dims(e.type.shape), element_of(e.type), choose);
  }
  case ExprKind::index: return index(e);
  case ExprKind::transpose: {
    const Value x = expression(*e.operands[0]);
    const std::vector<Dim> shape = shape_of(x);
    const std::vector<Dim> turned{shape[1], shape[0]};
    return b.build(turned, element_of(e.type), [&](Indices i) { return b.load(x.id, {i[1], i[0]}); });
  }
  case ExprKind::matmul: {
    const Value x = expression(*e.operands[0]);
    const Value y = expression(*e.operands[1]);
    const std::vector<Dim> xs = shape_of(x), ys = shape_of(y);
    // Above the diagonal of a triangular factor there are zeros. A vector's product goes through all of a row: several
    // rows then share each load.
    const check::SupportKind support = e.operands[0]->type.support.kind;
    const bool is_triangular =
        (support == check::SupportKind::cov_cholesky || support == check::SupportKind::corr_cholesky) &&
        xs.size() == 2 && ys.size() == 2;
    const auto dot = [&](Indices row, Indices column) {
      const std::vector<ValueId> r(row.begin(), row.end()), c(column.begin(), column.end());
      const std::vector<Dim> inner{is_triangular ? b.dim(b.add(r[0], b.index(1))) : xs.back()};
      return b.sum(inner, [&](Indices k) {
        std::vector<ValueId> left = r, right{k[0]};
        left.push_back(k[0]);
        right.insert(right.end(), c.begin(), c.end());
        return b.mul(b.load(x.id, left), b.load(y.id, right));
      });
    };
    std::vector<Dim> extents(xs.begin(), xs.end() - 1);
    extents.insert(extents.end(), ys.begin() + 1, ys.end());
    const std::size_t rows = xs.size() - 1;
    if (extents.empty())
      return dot({}, {});
    return b.build(extents, ir::Element::f64, [&](Indices i) { return dot(i.first(rows), i.subspan(rows)); });
  }
  case ExprKind::array: return materialised(lower_operands(), e.type.shape, element_of(e.type));
  case ExprKind::comprehension: {
    std::vector<ValueId> first;
    std::vector<Dim> extents;
    for (const check::Generator& g : e.generators) {
      const ValueId from = scalar(*g.from);
      first.push_back(from);
      extents.push_back(b.dim(range_extent(from, scalar(*g.to))));
    }
    const std::size_t outer = extents.size();
    const check::Shape inner_shape(e.type.shape.begin() + static_cast<std::ptrdiff_t>(outer), e.type.shape.end());
    for (const Dim& d : dims(inner_shape))
      extents.push_back(d);
    const ValueId element_before = random_element_;
    Value result = b.build(extents, element_of(e.type), [&](Indices i) {
      for (std::size_t g = 0; g < outer; ++g)
        environment[e.generators[g].index] = b.add(first[g], i[g]);
      // Draws inside are numbered by the position, in the draw that is being made around it.
      random_element_ = element_before ? element_before : b.index(0);
      for (std::size_t g = 0; g < outer; ++g) {
        const bool equal =
            !element_before || (same_each_turn(e.generators[g].from) && same_each_turn(e.generators[g].to));
        random_element_ = numbered(random_element_, i[g], b.extent(extents[g]), equal);
      }
      return element(expression(*e.operands[0]), i.subspan(outer));
    });
    random_element_ = element_before;
    return result;
  }
  case ExprKind::tuple: {
    Value result;
    result.tuple = lower_operands();
    return result;
  }
  case ExprKind::tuple_element: return expression(*e.operands[0]).tuple.at(e.position);
  case ExprKind::call: return call(*e.function, e.sizes, lower_operands(), e.lifted);
  case ExprKind::builtin: return builtin(e);
  case ExprKind::method: return method(e);
  case ExprKind::unconstrained:
    if (!unconstrained)
      ir::internal_error("lowering: unconstrained(...) outside of a family in @" + b.function().name);
    return unconstrained(e);
  }
  return {};
}

Value Emitter::materialised(const std::vector<Value>& parts, const check::Shape& shape, ir::Element kind) {
  const std::vector<Dim> extents = dims(shape);
  const ValueId memory = b.alloc(extents, kind, false);
  const std::span<const Dim> inner(extents.begin() + 1, extents.end());
  for (std::size_t k = 0; k < parts.size(); ++k) {
    const ValueId position = b.index(static_cast<std::int64_t>(k));
    if (inner.empty()) {
      const ValueId at[] = {position};
      b.store(memory, at, parts[k].id);
      continue;
    }
    b.for_each(inner, [&](Indices i) {
      std::vector<ValueId> at{position};
      at.insert(at.end(), i.begin(), i.end());
      b.store(memory, at, b.load(parts[k].id, i));
    });
  }
  return b.freeze(memory);
}

// ---------------------------------------------------------------- indexing

std::vector<ValueId> Emitter::base_indices(const Expr& e, Indices result) {
  std::vector<ValueId> at;
  const ValueId one = b.index(1);
  std::size_t k = 0;
  for (const check::Index& index : e.indices) {
    switch (index.kind) {
    case check::Index::Kind::scalar: at.push_back(b.sub(scalar(*index.at), one)); break;
    case check::Index::Kind::range: at.push_back(b.add(result[k++], b.sub(scalar(*index.from), one))); break;
    case check::Index::Kind::all: at.push_back(result[k++]); break;
    case check::Index::Kind::gather: {
      const ValueId i[] = {result[k++]};
      at.push_back(b.sub(element(expression(*index.at), i), one));
      break;
    }
    }
  }
  while (k < result.size())
    at.push_back(result[k++]);
  return at;
}

Value Emitter::index(const Expr& e) {
  const Expr& base_expr = *e.operands[0];
  // A `var` under construction is read element by element from its memory, not as a whole.
  Value base;
  if (base_expr.kind == ExprKind::name)
    base = bound(base_expr.declaration);
  if (!base.id)
    base = expression(base_expr);
  if (e.type.shape.empty())
    return b.load(base.id, base_indices(e, {}));
  std::vector<Dim> extents;
  const std::vector<Dim> shape = shape_of(base);
  std::size_t axis = 0;
  for (const check::Index& index : e.indices) {
    switch (index.kind) {
    case check::Index::Kind::scalar: break;
    case check::Index::Kind::range:
      extents.push_back(b.dim(range_extent(scalar(*index.from), scalar(*index.to))));
      break;
    case check::Index::Kind::all: extents.push_back(shape[axis]); break;
    case check::Index::Kind::gather: extents.push_back(shape_of(expression(*index.at))[0]); break;
    }
    ++axis;
  }
  for (; axis < shape.size(); ++axis)
    extents.push_back(shape[axis]);
  return b.build(extents, element_of(e.type), [&](Indices i) { return b.load(base.id, base_indices(e, i)); });
}

} // namespace vmodel::lower
