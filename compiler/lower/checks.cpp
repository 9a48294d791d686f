// Conditions on data, checked once at load: `require`s, sizes, and the index ranges that could not be proved.
// They run in an integer skeleton of the model: its load-time statements, without the rest.
#include "compiler/lower/check_search.h"
#include "compiler/lower/master.h"
#include "compiler/lower/reads.h"

#include <algorithm>
#include <deque>
#include <set>

namespace vmodel::lower {

using check::ExprKind;
using check::StatementKind;
using ir::Opcode;

namespace {

class Checks {
public:
  explicit Checks(MasterContext& context) : context_(context), master_(context, "checks"), e_(master_.emitter()) {}

  void run() {
    e_.model_statement = [this](const Statement& s) {
      if (const auto found = checked_.find(&s); found != checked_.end())
        statement(*found->second);
    };
    const check::Program& program = context_.module.program;
    for (const Declaration* d : program.model.data) {
      for (const Size& size : d->type.shape)
        sizes_of_data_.insert(size.text());
    }
    e_.block(skeleton(context_.body.statements(), {}));
    for (const check::Family& family : program.families) {
      for (const check::LearnedCall& call : family.learned_calls)
        learned(call, call.range);
      for (const check::Learnable& learnable : family.learnables) {
        declared(*learnable.declaration);
        expression(learnable.initial);
        distribution(learnable.start);
      }
      e_.block(skeleton(family.body, {}));
    }
    master_.finish();
  }

private:
  /// The statements whose values are known at load, each statement preceded by a marker at which its checks are made.
  check::Block skeleton(const check::Block& block, const Reads& unknown) {
    const auto is_known = [&](const Declaration* d, const Expr* value) {
      return d && (d->load_time || callee_depth_ > 0) && unknown.count(d) == 0 &&
             (!value || value->load_time || callee_depth_ > 0);
    };
    check::Block result;
    for (const Statement* s : block) {
      Statement& marker = made_.emplace_back();
      marker.kind = StatementKind::factor;
      marker.range = s->range;
      checked_[&marker] = s;
      result.push_back(&marker);
      switch (s->kind) {
      case StatementKind::let:
        if (is_known(s->declaration, s->value))
          result.push_back(s);
        break;
      case StatementKind::let_tuple:
        if (std::all_of(s->declarations.begin(), s->declarations.end(),
                        [&](const Declaration* d) { return is_known(d, s->value); }))
          result.push_back(s);
        break;
      case StatementKind::var:
        if (is_known(s->declaration, s->value))
          result.push_back(s);
        break;
      case StatementKind::assign: {
        const Expr* base = s->target->kind == ExprKind::index ? s->target->operands[0] : s->target;
        if (is_known(base->declaration, s->value))
          result.push_back(s);
        break;
      }
      case StatementKind::for_:
      case StatementKind::if_: {
        Reads limits;
        for (const Expr* e : {s->value, s->from, s->to})
          collect(e, limits);
        if (reads_any(limits, unknown))
          break;
        Statement& copy = made_.emplace_back(*s);
        copy.body = skeleton(s->body, unknown);
        copy.otherwise = skeleton(s->otherwise, unknown);
        result.push_back(&copy);
        break;
      }
      default: break;
      }
    }
    return result;
  }

  static bool reads_any(const Reads& reads, const Reads& unknown) {
    return std::any_of(reads.begin(), reads.end(), [&](const Declaration* d) { return unknown.count(d) > 0; });
  }

  /// Adds the names of a callee's body whose values follow from unknown ones, also by conditions and loops.
  static void spread(const check::Block& block, const Reads& around, Reads& unknown) {
    for (const Statement* s : block) {
      Reads reads = around;
      for (const Expr* e : {s->value, s->from, s->to})
        collect(e, reads);
      const bool is_element = s->target && s->target->kind == ExprKind::index;
      if (is_element)
        collect(s->target, reads);
      if (reads_any(reads, unknown)) {
        if (s->declaration)
          unknown.insert(s->declaration);
        unknown.insert(s->declarations.begin(), s->declarations.end());
        if (s->kind == StatementKind::assign && s->target)
          unknown.insert((is_element ? s->target->operands[0] : s->target)->declaration);
      }
      const bool nested = s->kind == StatementKind::for_ || s->kind == StatementKind::if_;
      spread(s->body, nested ? reads : around, unknown);
      spread(s->otherwise, nested ? reads : around, unknown);
    }
  }

  void statement(const Statement& s) {
    if (s.kind == StatementKind::require && known(s.value)) {
      fail_unless(e_.scalar(*s.value), s.text.empty() ? "a requirement does not hold" : s.text, s.value->range, {});
    }
    for (const Expr* e : {s.value, s.target, s.from, s.to})
      expression(e);
    for (const check::Part* part : s.parts)
      expression(part->elements);
    distribution(s.distribution, s.kind == StatementKind::observe ? s.target : nullptr);
    if (s.declaration && callee_depth_ == 0)
      declared(*s.declaration);
    else if (s.declaration)
      sizes(s.declaration->type);
  }

  /// Sizes, from which the places of all values follow, and what the bounds read. Sizes of data were checked when they
  /// were read.
  void declared(const Declaration& d) {
    const check::Support& support = d.type.support;
    for (std::size_t axis = 0; axis < d.type.shape.size(); ++axis) {
      const Size& size = d.type.shape[axis];
      const bool simplex = support.kind == check::SupportKind::simplex && axis + 1 == d.type.shape.size();
      const std::int64_t least = simplex ? 1 : 0;
      if (never_below(size, least) || !known(size))
        continue;
      const ValueId extent = e_.size(size);
      fail_unless(e_.builder().compare(Opcode::ge, extent, e_.builder().index(least)),
                  simplex ? "'" + d.name + "' is a simplex of {0} elements, and has to have one at least"
                          : "the size `" + size.text() + "` of '" + d.name + "' is {0}, which is negative",
                  d.range, {extent});
    }
    sizes(d.type);
    expression(support.lower);
    expression(support.upper);
  }

  void sizes(const check::Type& type) {
    for (const Size& size : type.shape) {
      for (const auto& [key, atom] : size.atoms())
        expression(atom.expression);
    }
  }

  bool never_below(const Size& size, std::int64_t least) const {
    if (const auto constant = size.as_constant())
      return *constant >= least;
    if (least == 0 && sizes_of_data_.count(size.text()) > 0)
      return true;
    const check::SizeAtom& atom = size.atoms().begin()->second;
    if (!atom.declaration || !(size == Size::atom(atom)))
      return false;
    const Expr* lower = atom.declaration->type.support.lower;
    return lower && lower->kind == ExprKind::int_literal && lower->integer >= least;
  }

  void distribution(const DistributionExpr* d, const Expr* value = nullptr) {
    if (!d)
      return;
    if (d->kind == check::DistributionKind::named && !d->distribution->library &&
        (search_.of_member(*d) || has_bounded_ints(d->distribution->parameters)))
      member(*d, value);
    for (const Expr* a : d->arguments)
      expression(a);
    if (d->kind == check::DistributionKind::family)
      generic(*d);
    for (const DistributionExpr* c : d->components)
      distribution(c);
    for (const Expr* e : {d->weights, d->lower, d->upper})
      expression(e);
    for (const check::BijectorStep* step : d->steps)
      bijector(*step);
  }

  /// A generic family: its arguments, and with them those of the nets and bijectors that it learns.
  void generic(const DistributionExpr& d) {
    const check::FamilyTemplate& family = *d.family;
    Environment inner;
    for (const Declaration* name : family.size_names) {
      const auto size = d.sizes.find(name->name);
      if (size != d.sizes.end() && known(size->second))
        inner[name] = e_.size(size->second);
    }
    for (std::size_t k = 0; k < d.arguments.size(); ++k) {
      if (known(d.arguments[k]))
        inner[family.parameters[k]] = e_.expression(*d.arguments[k]);
    }
    arguments_in_bounds(family.parameters, inner, d.range);
    std::swap(e_.environment, inner);
    for (const check::LearnedCall& call : family.learned_calls)
      learned(call, call.range.file == d.range.file ? call.range : d.range);
    std::swap(e_.environment, inner);
  }

  /// The arguments of a net or bijector that is learned.
  void learned(const check::LearnedCall& call, SourceRange range) {
    Environment inner;
    for (const Declaration* name : call.size_names) {
      const auto size = call.sizes.find(name->name);
      if (size != call.sizes.end() && known(size->second))
        inner[name] = e_.size(size->second);
    }
    for (std::size_t k = 0; k < call.arguments.size(); ++k) {
      if (known(call.arguments[k]))
        inner[call.parameters[k]] = e_.expression(*call.arguments[k]);
    }
    arguments_in_bounds(call.parameters, inner, range);
  }

  void bijector(const check::BijectorStep& step) {
    if (!step.bijector) {
      over_ranges({step.turns}, [&] {
        for (const check::BijectorStep* inner : step.body)
          bijector(*inner);
      });
      return;
    }
    for (const Expr* a : step.arguments)
      expression(a);
    const check::Bijector& b = *step.bijector;
    for (const std::optional<check::Member>* m :
         {&b.forward, &b.inverse, &b.log_det, &b.forward_and_log_det, &b.inverse_and_log_det}) {
      if (*m && (search_.has_checks((*m)->body) || (b.learnables.empty() && has_bounded_ints(b.parameters))))
        bijector_member(step, **m);
    }
  }

  /// True if every name in the expression has a value here (a callee's varying arguments have none).
  bool known(const Expr* e) const {
    Reads reads, inner;
    collect(e, reads);
    own_indices(e, inner);
    return std::all_of(reads.begin(), reads.end(),
                       [&](const Declaration* d) { return e_.environment.count(d) > 0 || inner.count(d) > 0; });
  }

  bool known(const Size& size) const {
    Reads reads, inner;
    collect(size, reads);
    for (const auto& [key, atom] : size.atoms())
      own_indices(atom.expression, inner);
    return std::all_of(reads.begin(), reads.end(),
                       [&](const Declaration* d) { return e_.environment.count(d) > 0 || inner.count(d) > 0; });
  }

  /// The indices of comprehensions inside of an expression.
  static void own_indices(const Expr* e, Reads& indices) {
    if (!e)
      return;
    for (const check::Generator& g : e->generators)
      indices.insert(g.index);
    for (const Expr* operand : e->operands)
      own_indices(operand, indices);
    for (const check::Index& i : e->indices) {
      for (const Expr* x : {i.at, i.from, i.to})
        own_indices(x, indices);
    }
  }

  void expression(const Expr* e) {
    if (!e)
      return;
    if (e->kind == ExprKind::comprehension) {
      comprehension(*e);
      return;
    }
    if (e->kind == ExprKind::conditional && (e->operands[0]->load_time || callee_depth_ > 0) && known(e->operands[0])) {
      // What is not taken may be out of range.
      expression(e->operands[0]);
      const auto side = [&](std::size_t k) {
        expression(e->operands[k]);
        return std::vector<ValueId>{};
      };
      e_.builder().if_(e_.scalar(*e->operands[0]), [&] { return side(1); }, [&] { return side(2); });
      return;
    }
    for (const Expr* operand : e->operands)
      expression(operand);
    for (const check::Part* part : e->parts)
      expression(part->elements);
    for (const check::Index& i : e->indices) {
      for (const Expr* x : {i.at, i.from, i.to})
        expression(x);
    }
    distribution(e->distribution,
                 e->method == check::Method::log_density && !e->operands.empty() ? e->operands[0] : nullptr);
    if (e->kind == ExprKind::index)
      index(*e);
    if (e->check_at_load)
      divisor(*e);
    if (e->kind == ExprKind::call &&
        (search_.has_checks(e->function->body) || has_bounded_ints(e->function->parameters)))
      callee(*e);
  }

  void comprehension(const Expr& e) {
    over_ranges(e.generators, [&] { expression(e.operands[0]); });
  }

  void over_ranges(const std::vector<check::Generator>& generators, const std::function<void()>& body) {
    for (const check::Generator& g : generators) {
      expression(g.from);
      expression(g.to);
    }
    for (const check::Generator& g : generators) {
      if (!known(g.from) || !known(g.to))
        return;
    }
    ir::Builder& b = e_.builder();
    std::vector<ValueId> first;
    std::vector<Dim> extents;
    for (const check::Generator& g : generators) {
      first.push_back(e_.scalar(*g.from));
      extents.push_back(b.dim(e_.range_extent(first.back(), e_.scalar(*g.to))));
    }
    b.for_each(extents, [&](Indices i) {
      const Environment outer = e_.environment;
      for (std::size_t g = 0; g < generators.size(); ++g)
        e_.environment[generators[g].index] = b.add(first[g], i[g]);
      body();
      e_.environment = outer;
    });
  }

  /// The known arguments against the bounds of their parameters; all that the bounds read is in `inner`.
  void arguments_in_bounds(const std::vector<const Declaration*>& parameters, Environment inner, SourceRange range) {
    ir::Builder& b = e_.builder();
    for (const Declaration* p : parameters) {
      const check::Support& support = p->type.support;
      if (inner.count(p) == 0 || p->type.element != check::Element::integer ||
          support.kind != check::SupportKind::bounded)
        continue;
      for (const bool low : {true, false}) {
        const Expr* bound = low ? support.lower : support.upper;
        std::swap(e_.environment, inner);
        const Value limit = bound && known(bound) ? e_.expression(*bound) : Value();
        const Value argument = e_.environment.at(p);
        std::swap(e_.environment, inner);
        if (!limit.id)
          continue;
        const auto one = [&](Indices i) {
          const ValueId x = e_.element(argument, i), l = e_.element(limit, i);
          fail_unless(b.compare(low ? Opcode::ge : Opcode::le, x, l),
                      "'" + p->name + "' is {0}, " + (low ? "below" : "above") + " its bound {1}", range, {x, l});
        };
        if (e_.rank_of(argument) == 0)
          one({});
        else
          b.for_each(e_.shape_of(argument), one);
      }
    }
  }

  void callee(const Expr& call) {
    Environment inner;
    std::vector<std::pair<const Declaration*, Value>> elements; // of a function of scalars applied to arrays
    for (const Declaration* name : call.function->size_names) {
      const auto found = call.sizes.find(name->name);
      if (found != call.sizes.end() && known(found->second))
        inner[name] = e_.size(found->second);
    }
    for (std::size_t k = 0; k < call.operands.size(); ++k) {
      const Expr& operand = *call.operands[k];
      const Declaration* parameter = call.function->parameters[k];
      if (!(operand.load_time || callee_depth_ > 0) || !known(&operand))
        continue;
      const Value value = e_.expression(operand);
      if (parameter->type.is_scalar() && !operand.type.shape.empty())
        elements.emplace_back(parameter, value);
      else
        inner[parameter] = value;
    }
    const auto run = [&](const Environment& arguments) {
      arguments_in_bounds(call.function->parameters, arguments, call.range);
      if (search_.has_checks(call.function->body))
        run_callee(call.function->body, call.function->parameters, arguments);
    };
    if (elements.empty()) {
      run(inner);
      return;
    }
    e_.builder().for_each(e_.shape_of(elements[0].second), [&](Indices i) {
      Environment here = inner;
      for (const auto& [parameter, value] : elements)
        here[parameter] = e_.element(value, i);
      run(here);
    });
  }

  void run_callee(const check::Block& body, const std::vector<const Declaration*>& parameters, Environment inner) {
    Reads unknown;
    for (const Declaration* p : parameters) {
      if (inner.count(p) == 0)
        unknown.insert(p);
    }
    for (std::size_t before = parameters.size() + 1; before != unknown.size();) {
      before = unknown.size();
      spread(body, {}, unknown);
    }
    ++callee_depth_;
    std::swap(e_.environment, inner);
    e_.block(skeleton(body, unknown));
    std::swap(e_.environment, inner);
    --callee_depth_;
  }

  /// The body of a distribution's log density for each of the batch; `value` may be unknown (null).
  void member(const DistributionExpr& d, const Expr* value) {
    const check::Distribution& named = *d.distribution;
    for (const Size& size : d.batch) {
      if (!known(size))
        return;
    }
    Environment sizes;
    for (const Declaration* name : named.size_names) {
      if (known(d.sizes.at(name->name)))
        sizes[name] = e_.size(d.sizes.at(name->name));
    }
    const auto if_known = [&](const Expr* e) {
      return e && (e->load_time || callee_depth_ > 0) && known(e) ? e_.expression(*e) : Value();
    };
    std::vector<Value> arguments;
    for (const Expr* argument : d.arguments)
      arguments.push_back(if_known(argument));
    const Value x = if_known(value);
    std::vector<const Declaration*> parameters = named.parameters;
    parameters.insert(parameters.end(), named.log_density->parameters.begin(), named.log_density->parameters.end());
    const auto at = [&](const Value& v, std::size_t own, Indices batch) {
      const std::size_t rank = e_.rank_of(v);
      return rank > own ? e_.slice(v, batch.last(std::min(rank - own, batch.size()))) : v;
    };
    const auto one = [&](Indices batch) {
      Environment inner = sizes;
      for (std::size_t k = 0; k < arguments.size(); ++k) {
        if (arguments[k].id)
          inner[named.parameters[k]] = at(arguments[k], named.parameters[k]->type.rank(), batch);
      }
      if (x.id)
        inner[named.log_density->parameters[0]] = at(x, d.event.size(), batch);
      arguments_in_bounds(named.parameters, inner, d.range);
      if (search_.has_checks(named.log_density->body))
        run_callee(named.log_density->body, parameters, inner);
    };
    if (d.batch.empty())
      one({});
    else
      e_.builder().for_each(e_.dims(d.batch), one);
  }

  /// The body of a bijector's member; where arguments have axes of a batch, for each of it.
  void bijector_member(const check::BijectorStep& step, const check::Member& m) {
    const check::Bijector& b = *step.bijector;
    Environment sizes;
    for (const Declaration* name : b.size_names) {
      if (known(step.sizes.at(name->name)))
        sizes[name] = e_.size(step.sizes.at(name->name));
    }
    std::vector<Value> arguments(step.arguments.size());
    std::vector<Dim> batch;
    const auto lead = [&](std::size_t k) { return e_.rank_of(arguments[k]) - b.inputs[k]->type.rank(); };
    for (std::size_t k = 0; k < arguments.size(); ++k) {
      const Expr* a = step.arguments[k];
      if (!(a->load_time || callee_depth_ > 0) || !known(a))
        continue;
      arguments[k] = e_.expression(*a);
      const std::vector<Dim> shape = e_.shape_of(arguments[k]);
      if (lead(k) > batch.size())
        batch.assign(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(lead(k)));
    }
    std::vector<const Declaration*> parameters = b.inputs;
    parameters.insert(parameters.end(), m.parameters.begin(), m.parameters.end());
    const auto one = [&](Indices at) {
      Environment inner = sizes;
      for (std::size_t k = 0; k < arguments.size(); ++k) {
        if (arguments[k].id)
          inner[b.inputs[k]] = lead(k) > 0 ? e_.slice(arguments[k], at.last(lead(k))) : arguments[k];
      }
      // Those of what is learned are held against their bounds where it is declared.
      if (b.learnables.empty())
        arguments_in_bounds(b.inputs, inner, step.range);
      if (!search_.has_checks(m.body))
        return;
      // What fails in the library is told where the user calls it.
      const std::optional<SourceRange> outer = place_;
      if (b.library && !place_)
        place_ = step.range;
      run_callee(m.body, parameters, inner);
      place_ = outer;
    };
    if (batch.empty())
      one({});
    else
      e_.builder().for_each(batch, one);
  }

  void divisor(const Expr& division) {
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

  void index(const Expr& e) {
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

  /// `[{2},{3}]` for the values first .. last - 1 of a message.
  static std::string places(std::size_t first, std::size_t last) {
    std::string text;
    for (std::size_t k = first; k < last; ++k)
      text += (k == first ? "[{" : ",{") + std::to_string(k) + "}";
    return text + "]";
  }

  static std::string outside_text(const std::string& name, const Expr& e) {
    return name.empty() ? "index {0}" + of_array(e) + " is outside 1..{1}" : name + " is {0}, outside 1..{1}";
  }

  /// Which array an index expression goes into, if it has a name.
  static std::string of_array(const Expr& e) {
    const Expr& base = *e.operands[0];
    return base.kind == ExprKind::name ? " of '" + base.declaration->name + "'" : "";
  }

  /// What a message calls a scalar index: the name, an element of an array (whose place is added to
  /// the values of the message), or nothing.
  std::string element_text(const Expr& e, std::vector<ValueId>& values) {
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

  void fail_unless(ValueId condition, const std::string& text, SourceRange range, const std::vector<ValueId>& values) {
    auto& messages = context_.module.messages;
    e_.builder().require(condition, std::to_string(messages.size()), values);
    messages.push_back({text, place_.value_or(range)});
  }

  MasterContext& context_;
  Master master_;
  Emitter& e_;
  std::deque<Statement> made_;
  std::map<const Statement*, const Statement*> checked_;
  CheckSearch search_;
  std::set<std::string> sizes_of_data_;
  std::optional<SourceRange> place_; // of a call from which the library is reached
  int callee_depth_ = 0; // in a callee nothing is marked as load-time: what is known follows from the arguments
};

} // namespace

void lower_checks(MasterContext& context) {
  Checks(context).run();
}

} // namespace vmodel::lower
