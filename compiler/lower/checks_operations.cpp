// Checks at load of single operations: indices and divisors.
#include "compiler/lower/checks.h"

namespace vmodel::lower {

using check::ExprKind;
using ir::Opcode;

namespace {

/// `[{2},{3}]` for the values first .. last - 1 of a message.
std::string places(std::size_t first, std::size_t last) {
  std::string text;
  for (std::size_t k = first; k < last; ++k)
    text += (k == first ? "[{" : ",{") + std::to_string(k) + "}";
  return text + "]";
}

/// Which array an index expression goes into, if it has a name.
std::string of_array(const Expr& e) {
  const Expr& base = *e.operands[0];
  return base.kind == ExprKind::name ? " of '" + base.declaration->name + "'" : "";
}

std::string outside_text(const std::string& name, const Expr& e) {
  return name.empty() ? "index {0}" + of_array(e) + " is outside 1..{1}" : name + " is {0}, outside 1..{1}";
}

} // namespace

void Checks::divisor(const Expr& division) {
  const Expr& e = *division.operands[1];
  if (!known(&e))
    return;
  const Value value = e_.expression(e);
  ir::Builder& b = e_.builder();
  const std::string name = e.kind == ExprKind::name ? "'" + e.declaration->name : "the divisor";
  const auto check = [&](Indices i) {
    std::vector<ValueId> values;
    for (const ValueId place : i)
      values.push_back(b.add(place, b.index(1)));
    const std::string place = i.empty() ? "" : places(0, values.size());
    fail_unless(b.compare(Opcode::ne, e_.element(value, i), b.index(0)),
                name + place + (e.kind == ExprKind::name ? "'" : "") + " is 0 in '" + division.builtin_name + "'",
                division.range, values);
  };
  if (e_.rank_of(value) == 0)
    check({});
  else
    b.for_each(e_.shape_of(value), check);
}

void Checks::index(const Expr& e) {
  const check::Shape& shape = e.operands[0]->type.shape;
  for (std::size_t axis = 0; axis < e.indices.size(); ++axis) {
    const check::Index& i = e.indices[axis];
    if (!i.check_at_load || !known(i.at) || !known(i.from) || !known(i.to) || !known(shape[axis]))
      continue;
    ir::Builder& b = e_.builder();
    const ValueId extent = e_.size(shape[axis]);
    const ValueId one = b.index(1);
    const auto inside = [&](ValueId at) {
      return b.logical_and(b.compare(Opcode::ge, at, one), b.compare(Opcode::le, at, extent));
    };
    switch (i.kind) {
    case check::Index::Kind::scalar: {
      const ValueId at = e_.scalar(*i.at);
      std::vector<ValueId> values = {at, extent};
      const std::string name = element_text(*i.at, values);
      fail_unless(inside(at), outside_text(name, e), i.range, values);
      break;
    }
    case check::Index::Kind::gather: {
      const Value indices = e_.expression(*i.at);
      b.for_each(e_.shape_of(indices), [&](Indices k) {
        const ValueId at = e_.element(indices, k);
        std::vector<ValueId> values = {at, extent};
        for (const ValueId place : k)
          values.push_back(b.add(place, one));
        const bool named = i.at->kind == ExprKind::name;
        fail_unless(inside(at), outside_text(named ? i.at->declaration->name + places(2, values.size()) : "", e),
                    i.range, values);
      });
      break;
    }
    case check::Index::Kind::range: {
      const ValueId from = e_.scalar(*i.from), to = e_.scalar(*i.to);
      // An empty range needs no elements; one that ends further before its start would have a negative size.
      const ValueId empty = b.compare(Opcode::eq, b.add(to, one), from);
      fail_unless(b.logical_or(empty, b.logical_and(inside(from), inside(to))),
                  "range {0}:{1}" + of_array(e) + " is outside 1..{2}", i.range, {from, to, extent});
      break;
    }
    case check::Index::Kind::all: break;
    }
  }
}

std::string Checks::element_text(const Expr& e, std::vector<ValueId>& values) {
  if (e.kind == ExprKind::name)
    return e.declaration->name;
  if (e.kind != ExprKind::index || e.operands[0]->kind != ExprKind::name)
    return "";
  for (const check::Index& i : e.indices) {
    if (i.kind != check::Index::Kind::scalar || !known(i.at))
      return "";
  }
  const std::size_t first = values.size();
  for (const check::Index& i : e.indices)
    values.push_back(e_.scalar(*i.at));
  return e.operands[0]->declaration->name + places(first, values.size());
}

} // namespace vmodel::lower
