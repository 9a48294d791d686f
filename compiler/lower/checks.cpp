// Conditions on data, checked once at load: `require`s, and the index ranges that could not be proved.
// They run in an integer skeleton of the model: its load-time statements, without the rest.
#include "compiler/lower/master.h"

#include <deque>

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
    e_.block(skeleton(context_.body.statements()));
    for (const check::Family& family : context_.module.program.families)
      e_.block(skeleton(family.body));
    master_.finish();
  }

private:
  /// The statements that are load-time, each preceded by a marker at which its checks are made.
  check::Block skeleton(const check::Block& block) {
    check::Block result;
    for (const Statement* s : block) {
      Statement& marker = made_.emplace_back();
      marker.kind = StatementKind::factor;
      marker.range = s->range;
      checked_[&marker] = s;
      result.push_back(&marker);
      switch (s->kind) {
      case StatementKind::let:
      case StatementKind::let_tuple:
        if (s->value->load_time)
          result.push_back(s);
        break;
      case StatementKind::var:
        if (s->declaration->load_time && (!s->value || s->value->load_time))
          result.push_back(s);
        break;
      case StatementKind::assign: {
        const Expr* base = s->target->kind == ExprKind::index ? s->target->operands[0] : s->target;
        if (base->declaration && base->declaration->load_time && s->value->load_time)
          result.push_back(s);
        break;
      }
      case StatementKind::for_:
      case StatementKind::if_: {
        Statement& copy = made_.emplace_back(*s);
        copy.body = skeleton(s->body);
        copy.otherwise = skeleton(s->otherwise);
        result.push_back(&copy);
        break;
      }
      default: break;
      }
    }
    return result;
  }

  void statement(const Statement& s) {
    if (s.kind == StatementKind::require) {
      fail_unless(e_.scalar(*s.value), s.text.empty() ? "a requirement of the model does not hold" : s.text,
                  s.value->range, {});
    }
    for (const Expr* e : {s.value, s.target, s.from, s.to})
      expression(e);
    distribution(s.distribution);
  }

  void distribution(const DistributionExpr* d) {
    if (!d)
      return;
    for (const Expr* a : d->arguments)
      expression(a);
    for (const DistributionExpr* c : d->components)
      distribution(c);
    for (const Expr* e : {d->weights, d->lower, d->upper})
      expression(e);
  }

  /// True if every name in the expression has a value here (a callee's varying arguments have none).
  bool known(const Expr* e) const {
    if (!e)
      return true;
    if (e->kind == ExprKind::name && !e_.environment.count(e->declaration))
      return false;
    if (e->kind == ExprKind::size) {
      for (const auto& [key, atom] : e->size.atoms()) {
        if (atom.declaration && !e_.environment.count(atom.declaration))
          return false;
      }
    }
    for (const Expr* operand : e->operands) {
      if (!known(operand))
        return false;
    }
    for (const check::Index& i : e->indices) {
      if (!known(i.at) || !known(i.from) || !known(i.to))
        return false;
    }
    return true;
  }

  bool known(const Size& size) const {
    for (const auto& [key, atom] : size.atoms()) {
      if (atom.declaration ? !e_.environment.count(atom.declaration) : !known(atom.expression))
        return false;
    }
    return true;
  }

  void expression(const Expr* e) {
    if (!e)
      return;
    if (e->kind == ExprKind::comprehension) {
      comprehension(*e);
      return;
    }
    for (const Expr* operand : e->operands)
      expression(operand);
    distribution(e->distribution);
    if (e->kind == ExprKind::index)
      index(*e);
    if (e->kind == ExprKind::call && !e->function->builtin && !e->function->size_names.empty())
      callee(*e);
  }

  void comprehension(const Expr& e) {
    for (const check::Generator& g : e.generators) {
      if (!known(g.from) || !known(g.to))
        return;
    }
    ir::Builder& b = e_.builder();
    std::vector<ValueId> first;
    std::vector<Dim> extents;
    for (const check::Generator& g : e.generators) {
      first.push_back(e_.scalar(*g.from));
      extents.push_back(b.dim(e_.range_extent(first.back(), e_.scalar(*g.to))));
    }
    b.for_each(extents, [&](Indices i) {
      const Environment outer = e_.environment;
      for (std::size_t g = 0; g < e.generators.size(); ++g)
        e_.environment[e.generators[g].index] = b.add(first[g], i[g]);
      expression(e.operands[0]);
      e_.environment = outer;
    });
  }

  void callee(const Expr& call) {
    const Environment outer = e_.environment;
    Environment inner;
    for (const Declaration* name : call.function->size_names) {
      const auto found = call.sizes.find(name->name);
      if (found != call.sizes.end() && known(found->second))
        inner[name] = e_.size(found->second);
    }
    for (std::size_t k = 0; k < call.operands.size(); ++k) {
      const Expr& operand = *call.operands[k];
      if (operand.load_time && operand.type.shape.empty() && known(&operand))
        inner[call.function->parameters[k]] = e_.expression(operand);
    }
    e_.environment = std::move(inner);
    check::Block body = skeleton(call.function->body);
    // Load-time lets of a callee may still read arguments that vary: only what is known stays.
    std::erase_if(body, [&](const Statement* s) {
      return s->kind == StatementKind::return_ || (s->kind == StatementKind::let && !known(s->value));
    });
    std::erase_if(body, [&](const Statement* s) {
      return (s->kind == StatementKind::for_ && (!known(s->from) || !known(s->to))) ||
             (s->kind == StatementKind::if_ && !known(s->value));
    });
    e_.block(body);
    e_.environment = outer;
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
        fail_unless(inside(at), "index {0} is outside 1..{1}", i.range, {at, extent});
        break;
      }
      case check::Index::Kind::gather: {
        const Value indices = e_.expression(*i.at);
        b.for_each(e_.shape_of(indices), [&](Indices k) {
          const ValueId at = e_.element(indices, k);
          fail_unless(inside(at), "index {0} is outside 1..{1}", i.range, {at, extent});
        });
        break;
      }
      case check::Index::Kind::range: {
        const ValueId from = e_.scalar(*i.from), to = e_.scalar(*i.to);
        // An empty range needs no elements.
        const ValueId empty = b.compare(Opcode::lt, to, from);
        fail_unless(b.logical_or(empty, b.logical_and(inside(from), inside(to))), "range {0}:{1} is outside 1..{2}",
                    i.range, {from, to, extent});
        break;
      }
      case check::Index::Kind::all: break;
      }
    }
  }

  void fail_unless(ValueId condition, const std::string& text, SourceRange range, const std::vector<ValueId>& values) {
    auto& messages = context_.module.messages;
    e_.builder().require(condition, std::to_string(messages.size()), values);
    messages.push_back({text, range});
  }

  MasterContext& context_;
  Master master_;
  Emitter& e_;
  std::deque<Statement> made_;
  std::map<const Statement*, const Statement*> checked_;
};

} // namespace

void lower_checks(MasterContext& context) {
  Checks(context).run();
}

} // namespace vmodel::lower
