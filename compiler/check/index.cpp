// Index expressions, and the proof that an index is in range.
#include "compiler/check/checker.h"

namespace vmodel::check {

const Expr* Checker::index(const ast::Index& e) {
  const Expr* base = expression(*e.base);
  std::vector<Index> indices;
  if (!base) {
    for (const ast::IndexEntry& entry : e.entries) {
      if (entry.first)
        expression(*entry.first);
      if (entry.last)
        expression(*entry.last);
    }
    return nullptr;
  }
  if (!base->type.tuple.empty()) {
    error(Code::invalid_index, e.range, "an index into a tuple").hint("take it apart: let (a, b) = ...;");
    return nullptr;
  }
  if (e.entries.size() > base->type.rank()) {
    auto report = error(Code::invalid_index, e.range,
                        std::to_string(e.entries.size()) + (e.entries.size() == 1 ? " index into " : " indices into ") +
                            type_text(base->type));
    if (base->kind == ExprKind::name)
      report.label(base->declaration->range, "declared here");
    return nullptr;
  }
  Type type;
  type.element = base->type.element;
  std::size_t gathers = 0;
  bool good = true;
  const std::size_t rank = base->type.rank();
  const std::size_t own = static_cast<std::size_t>(base->type.support.event_rank());
  bool own_axis_indexed = false;
  for (std::size_t axis = 0; axis < e.entries.size(); ++axis) {
    auto entry = index_entry(e.entries[axis], base->type.shape[axis], base, axis);
    if (!entry) {
      good = false;
      continue;
    }
    if (axis >= rank - own && entry->kind != Index::Kind::all)
      own_axis_indexed = true;
    switch (entry->kind) {
    case Index::Kind::scalar: break;
    case Index::Kind::all: type.shape.push_back(base->type.shape[axis]); break;
    case Index::Kind::range:
      type.shape.push_back(to_size(entry->to) - to_size(entry->from) + Size::constant(1));
      good = stable_size(type.shape.back(), entry->range) && good;
      break;
    case Index::Kind::gather:
      ++gathers;
      type.shape.push_back(entry->at->type.shape[0]);
      break;
    }
    indices.push_back(*entry);
  }
  if (!good)
    return nullptr;
  if (gathers > 1) {
    error(Code::invalid_index, e.range, "two index arrays in one index")
        .hint("pairs: [X[ii[n], jj[n]] for n in 1:N]; all combinations: [X[i, j] for ...]");
    return nullptr;
  }
  type.shape.insert(type.shape.end(), base->type.shape.begin() + static_cast<std::ptrdiff_t>(indices.size()),
                    base->type.shape.end());
  // What is known of the elements stays known where it is about elements.
  const Support& support = base->type.support;
  const bool scalar_bounds =
      (!support.lower || support.lower->type.is_scalar()) && (!support.upper || support.upper->type.is_scalar());
  if ((support.kind == SupportKind::bounded && scalar_bounds) || (own > 0 && !own_axis_indexed))
    type.support = support;
  Expr* result = make(ExprKind::index, e.range, type, {base});
  for (const Index& i : indices) {
    for (const Expr* part : {i.at, i.from, i.to})
      result->load_time = result->load_time && (!part || part->load_time);
  }
  result->indices = std::move(indices);
  return result;
}

std::optional<Index> Checker::index_entry(const ast::IndexEntry& entry, const Size& extent, const Expr* base,
                                          std::size_t axis) {
  Index result;
  result.range = entry.range;
  if (!entry.is_slice) {
    const Expr* at = expression(*entry.first);
    if (!at)
      return std::nullopt;
    if (at->type.element != Element::integer || at->type.rank() > 1) {
      auto report = error(Code::invalid_index, entry.range, "the index is " + type_text(at->type) + ", not an int");
      if (at->type.element == Element::real && at->type.is_scalar() &&
          entry.first->kind == ast::ExpressionKind::Binary &&
          ast::as<ast::Binary>(*entry.first).op == ast::BinaryOperator::divide) {
        report.hint("int / int is real; write div(a, b)");
      } else if (at->type.element == Element::boolean) {
        report.hint("gather the positions: x[indices]");
      }
      return std::nullopt;
    }
    result.at = at;
    result.kind = at->type.rank() == 0 ? Index::Kind::scalar : Index::Kind::gather;
    if (!prove_index(at, extent, result, base, axis))
      return std::nullopt;
    return result;
  }
  if (!entry.first && !entry.last) {
    result.kind = Index::Kind::all;
    return result;
  }
  result.kind = Index::Kind::range;
  result.from = entry.first ? scalar_int(*entry.first, "the start of the slice") : int_literal(1, entry.range);
  result.to = entry.last ? scalar_int(*entry.last, "the end of the slice") : size_expr(extent, entry.range);
  if (!result.from || !result.to)
    return std::nullopt;
  const char* hint = "the length of a slice follows from the data; choose elements with ?: instead";
  if (!require_load_time(result.from, "the start of the slice", hint) ||
      !require_load_time(result.to, "the end of the slice", hint)) {
    return std::nullopt;
  }
  // 1 <= from, to <= extent, from <= to + 1 (an empty slice is allowed).
  const Size from = to_size(result.from), to = to_size(result.to), one = Size::constant(1);
  const Facts& facts = context_->facts;
  const auto certain = [&](const Size& wrong) {
    const auto value = wrong.as_constant();
    return value && *value > 0;
  };
  if (certain(one - from) || certain(to - extent) || certain(from - to - one)) {
    error(Code::index_out_of_range, entry.range,
          "the slice " + from.text() + ":" + to.text() + " of an axis of size " + extent.text());
    return std::nullopt;
  }
  result.check_at_load = !(facts.at_most(one, from) && facts.at_most(to, extent) && facts.at_most(from, to + one));
  return result;
}

std::pair<Size, Size> Checker::loop_extremes(const Size& size) const {
  Size first = size, last = size;
  // Inner loops may run to the index of outer ones, hence several rounds.
  for (int round = 0; round < 4; ++round) {
    for (Size* end : {&first, &last}) {
      for (const auto& [key, atom] : std::map<std::string, SizeAtom>(end->atoms())) {
        const auto range = int_ranges_.find(atom.declaration);
        if (!atom.declaration || atom.declaration->kind != DeclarationKind::loop_index || range == int_ranges_.end())
          continue;
        const auto term = end->terms().find({{key, 1}});
        if (term == end->terms().end())
          continue;
        const bool rising = term->second.numerator > 0;
        const Size rest =
            *end - Size::atom(atom) * Size::constant(term->second.numerator).divided_by(term->second.denominator);
        if (rest.atoms().count(key) != 0)
          continue;
        *end = end->substitute(
            {{key, (end == &last) == rising ? range->second.upper.front() : range->second.lower.front()}});
      }
    }
  }
  return {first, last};
}

bool Checker::prove_index(const Expr* at, const Size& extent, Index& index, const Expr* base, std::size_t axis) {
  const Facts& facts = context_->facts;
  const Size one = Size::constant(1);
  const IntRange range = int_range(at);
  bool low = false, high = false;
  for (const Size& s : range.lower)
    low = low || facts.at_most(one, s);
  for (const Size& s : range.upper)
    high = high || facts.at_most(s, extent);
  if (low && high)
    return true;
  // Certainly wrong: the largest possible index is below 1, or the smallest beyond the end.
  const auto positive = [](const Size& s) {
    const auto value = s.as_constant();
    return value && *value > 0;
  };
  const std::string where = base->kind == ExprKind::name ? "'" + base->declaration->name + "'" : "the array";
  for (const Size& s : range.upper) {
    if (!positive(one - s))
      continue;
    auto report = error(Code::index_out_of_range, index.range, "index " + s.text() + " of " + where);
    report.hint("indices start at 1");
    return false;
  }
  for (const Size& s : range.lower) {
    if (!positive(s - extent))
      continue;
    auto report = error(Code::index_out_of_range, index.range,
                        "index " + s.text() + " of axis " + std::to_string(axis + 1) + " of " + where +
                            ", which has size " + extent.text());
    if (base->kind == ExprKind::name)
      report.label(base->declaration->range, "declared here");
    return false;
  }
  // At the end of its loop, the index leaves the axis: `for t in 1:T { x[t + 1] }`.
  if (context_->conditional_depth == 0 && at->type.is_scalar()) {
    const auto [first, last] = loop_extremes(to_size(at));
    if (positive(last - extent)) {
      error(Code::index_out_of_range, index.range,
            "index " + canonical(at) + " of " + where + " reaches " + last.text() + ", and the axis has size " +
                extent.text());
      return false;
    }
    if (positive(one - first)) {
      error(Code::index_out_of_range, index.range,
            "index " + canonical(at) + " of " + where + " starts at " + first.text())
          .hint("indices start at 1");
      return false;
    }
  }
  if (at->load_time) {
    index.check_at_load = true;
    return true;
  }
  const BlockKind kind = context_->kind;
  if (kind == BlockKind::function || kind == BlockKind::family_template || kind == BlockKind::member) {
    // Depends on arguments: they must be known at load where the function is called.
    if (require_load_time(at, "the index", "bound it: clamp(i, 1, " + extent.text() + ")")) {
      index.check_at_load = true;
      return true;
    }
    return false;
  }
  error(Code::unproved_index, index.range,
        "the index varies, and nothing says that it is between 1 and " + extent.text())
      .hint("bound it: clamp(i, 1, " + extent.text() + ")");
  return false;
}

} // namespace vmodel::check
