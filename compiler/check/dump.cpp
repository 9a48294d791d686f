// The typed AST as text: one statement a line, types and resolved names shown.
#include "compiler/check/check.h"

#include <cstdio>

namespace vmodel::check {
namespace {

std::string number(double x) {
  char buffer[40];
  for (int digits = 6; digits <= 17; ++digits) {
    std::snprintf(buffer, sizeof buffer, "%.*g", digits, x);
    if (std::strtod(buffer, nullptr) == x)
      break;
  }
  std::string text = buffer;
  if (text.find_first_of(".en") == std::string::npos)
    text += ".0";
  return text;
}

const char* operator_text(Operator op) {
  static const char* const texts[] = {"-", "!", "+", "-", "*", "/", "^", "&&", "||", "<", "<=", ">", ">=", "==", "!="};
  return texts[static_cast<std::size_t>(op)];
}

class Dumper {
public:
  std::string run(const Program& program) {
    if (!program.model.name.empty())
      model(program.model);
    for (const Family& family : program.families) {
      line("family " + family.name);
      ++indent_;
      for (const Learnable& l : family.learnables)
        learnable(l);
      block(family.body);
      --indent_;
    }
    for (const Fit& fit : program.fits) {
      line("fit" + (fit.name.empty() ? "" : " " + fit.name));
      ++indent_;
      if (!fit.family.empty())
        line("family = " + fit.family);
      for (const auto& [name, value] : fit.settings)
        line(name + " = " + value);
      --indent_;
    }
    for (const Function& f : program.functions) {
      if (f.builtin || f.body.empty())
        continue;
      std::string text = "fn " + f.name + signature(f.parameters) + " ->";
      for (const Type& t : f.results)
        text += " " + type(t);
      callable(text, f.size_names, f.body);
    }
    for (const Distribution& d : program.distributions) {
      line("distribution " + d.name + signature(d.parameters) + " on " + type(d.on));
      ++indent_;
      member("log_density", d.log_density);
      member("cdf", d.cdf);
      member("log_cdf", d.log_cdf);
      member("log_ccdf", d.log_ccdf);
      member("quantile", d.quantile);
      member("sample", d.sample);
      member("entropy", d.entropy);
      --indent_;
    }
    for (const Bijector& b : program.bijectors) {
      line("bijector " + b.name + signature(b.parameters) + " on " + type(b.from) + " -> " + type(b.to));
      ++indent_;
      member("forward", b.forward);
      member("inverse", b.inverse);
      member("log_det", b.log_det);
      member("forward_and_log_det", b.forward_and_log_det);
      member("inverse_and_log_det", b.inverse_and_log_det);
      --indent_;
    }
    for (const FamilyTemplate& f : program.family_templates) {
      line("generic family " + f.name + signature(f.parameters) + " on " + f.target->name + ": " +
           type(f.target->type));
      ++indent_;
      for (const Learnable& l : f.learnables)
        learnable(l);
      block(f.body);
      --indent_;
    }
    return out_;
  }

private:
  void line(const std::string& text) { out_ += std::string(static_cast<std::size_t>(indent_) * 2, ' ') + text + "\n"; }

  std::string shape(const Shape& s) {
    if (s.empty())
      return "";
    std::string text = "[";
    for (std::size_t i = 0; i < s.size(); ++i)
      text += (i == 0 ? "" : ", ") + s[i].text();
    return text + "]";
  }

  std::string type(const Type& t) {
    if (!t.tuple.empty()) {
      std::string text = "(";
      for (std::size_t i = 0; i < t.tuple.size(); ++i)
        text += (i == 0 ? "" : ", ") + type(t.tuple[i]);
      return text + ")";
    }
    static const char* const kinds[] = {
        "", "", "simplex", "ordered", "positive_ordered", "corr_cholesky", "cov_cholesky"};
    std::string text = t.element == Element::real ? "real" : t.element == Element::integer ? "int" : "bool";
    Shape s = t.shape;
    if (const int own = t.support.event_rank(); own > 0 && s.size() >= static_cast<std::size_t>(own)) {
      text = std::string(kinds[static_cast<std::size_t>(t.support.kind)]) + "<" + s.back().text() + ">";
      s.resize(s.size() - static_cast<std::size_t>(own));
    }
    if (t.support.kind == SupportKind::bounded) {
      text += "<";
      if (t.support.lower)
        text += "lower=" + expr(t.support.lower);
      if (t.support.lower && t.support.upper)
        text += ", ";
      if (t.support.upper)
        text += "upper=" + expr(t.support.upper);
      text += ">";
    }
    return text + shape(s);
  }

  std::string signature(const std::vector<const Declaration*>& parameters) {
    std::string text = "(";
    for (std::size_t i = 0; i < parameters.size(); ++i)
      text += (i == 0 ? "" : ", ") + parameters[i]->name + ": " + type(parameters[i]->type);
    return text + ")";
  }

  void callable(const std::string& head, const std::vector<const Declaration*>& size_names, const Block& body) {
    std::string text = head;
    if (!size_names.empty()) {
      text += "  // sizes";
      for (const Declaration* d : size_names)
        text += " " + d->name;
    }
    line(text);
    ++indent_;
    block(body);
    --indent_;
  }

  void member(const char* name, const std::optional<Member>& m) {
    if (!m)
      return;
    std::string text = std::string(name) + "(";
    for (std::size_t i = 0; i < m->parameters.size(); ++i)
      text += (i == 0 ? "" : ", ") + m->parameters[i]->name;
    line(text + ")");
    ++indent_;
    block(m->body);
    --indent_;
  }

  void learnable(const Learnable& l) {
    std::string text = "learn " + l.declaration->name + ": " + type(l.declaration->type);
    if (l.initial)
      text += " = " + expr(l.initial);
    if (l.start)
      text += " ~ " + distribution(l.start);
    text += "  // dimension " + l.unconstrained_size.text();
    if (l.bijector)
      text += ", " + l.bijector->name;
    line(text);
  }

  void model(const Model& m) {
    line("model " + m.name);
    ++indent_;
    for (std::size_t i = 0; i < m.data.size(); ++i) {
      std::string text = "data " + m.data[i]->name + ": " + type(m.data[i]->type);
      if (m.data_names[i] != m.data[i]->name)
        text += " from \"" + m.data_names[i] + "\"";
      line(text);
    }
    for (const ModelParameter& p : m.parameters) {
      std::string text = "param " + p.declaration->name + ": " + type(p.declaration->type) + "  // dimension " +
                         p.unconstrained_size.text();
      if (p.bijector) {
        text += ", " + p.bijector->name + "(";
        for (std::size_t i = 0; i < p.bijector_arguments.size(); ++i)
          text += (i == 0 ? "" : ", ") + expr(p.bijector_arguments[i]);
        text += ")";
      }
      if (p.noncentered)
        text += ", noncentered(" + expr(p.location) + ", " + expr(p.scale) + ")";
      line(text);
    }
    block(m.body);
    --indent_;
  }

  void block(const Block& b) {
    for (const Statement* s : b)
      statement(*s);
  }

  std::string group(const std::vector<const Part*>& parts, const std::vector<const Declaration*>& declarations) {
    if (parts.empty())
      return names(declarations);
    std::string text;
    for (const Part* p : parts)
      text += (text.empty() ? "(" : ", ") + (p->elements ? expr(p->elements) : p->whole->name);
    return text + ")";
  }

  std::string names(const std::vector<const Declaration*>& declarations) {
    std::string text = "(";
    for (std::size_t i = 0; i < declarations.size(); ++i)
      text += (i == 0 ? "" : ", ") + declarations[i]->name;
    return text + ")";
  }

  void statement(const Statement& s) {
    const auto declared = [&] {
      return s.declaration->name + ": " + type(s.declaration->type) + (s.declaration->load_time ? " at load" : "");
    };
    switch (s.kind) {
    case StatementKind::let: line("let " + declared() + " = " + expr(s.value)); break;
    case StatementKind::let_tuple: line("let " + names(s.declarations) + " = " + expr(s.value)); break;
    case StatementKind::var:
      line("var " + declared() + (s.value ? " = " + expr(s.value) : "") + (s.declaration->write_once ? " once" : ""));
      break;
    case StatementKind::assign: line(expr(s.target) + (s.add ? " += " : " = ") + expr(s.value)); break;
    case StatementKind::for_:
      line((s.is_plate ? "plate " : "for ") + s.declaration->name + " in " + expr(s.from) + ":" + expr(s.to));
      nested(s.body);
      break;
    case StatementKind::if_:
      line("if " + expr(s.value));
      nested(s.body);
      if (!s.otherwise.empty()) {
        line("else");
        nested(s.otherwise);
      }
      break;
    case StatementKind::while_:
      line("while " + expr(s.value));
      nested(s.body);
      break;
    case StatementKind::require:
      line("require " + expr(s.value) + (s.text.empty() ? "" : " \"" + s.text + "\""));
      break;
    case StatementKind::observe:
      line("observe " + s.name + ": " + expr(s.target) + " ~ " + distribution(s.distribution));
      break;
    case StatementKind::prior:
      line("prior " + s.name + ": " + expr(s.target) +
           (s.distribution ? " ~ " + distribution(s.distribution) : " by elements"));
      break;
    case StatementKind::factor: line("factor " + s.name + ": " + expr(s.value)); break;
    case StatementKind::quantity: line("quantity " + declared() + " = " + expr(s.value)); break;
    case StatementKind::draw: {
      std::string target = s.unconstrained_scale ? "unconstrained" + group(s.parts, s.declarations)
                           : !s.parts.empty()    ? group(s.parts, s.declarations)
                                                 : expr(s.target);
      line("draw " + s.name + ": " + target + " ~ " + distribution(s.distribution));
      break;
    }
    case StatementKind::mix: line("mix " + declared() + " ~ " + distribution(s.distribution)); break;
    case StatementKind::proposal:
      line("proposal");
      nested(s.body);
      break;
    case StatementKind::return_: line("return " + expr(s.value)); break;
    }
  }

  void nested(const Block& b) {
    ++indent_;
    block(b);
    --indent_;
  }

  std::string distribution(const DistributionExpr* d) {
    std::string text;
    const auto add = [&](const std::string& part) { text += (text.back() == '(' ? "" : ", ") + part; };
    switch (d->kind) {
    case DistributionKind::named: text = d->distribution->name + "("; break;
    case DistributionKind::flat: text = "flat("; break;
    case DistributionKind::uniform_on: text = "uniform_on("; break;
    case DistributionKind::mixture: text = "mixture("; break;
    case DistributionKind::truncated: text = "truncated("; break;
    case DistributionKind::joint: text = "joint("; break;
    case DistributionKind::sorted: text = "sorted("; break;
    case DistributionKind::unnormalised: text = "unnormalised("; break;
    case DistributionKind::transformed: text = "transformed("; break;
    case DistributionKind::family: text = d->family->name + "("; break;
    }
    if (d->weights)
      add(expr(d->weights));
    for (const DistributionExpr* c : d->components)
      add(distribution(c));
    for (const Expr* a : d->arguments)
      add(expr(a));
    for (const BijectorStep* step : d->steps)
      add(bijector(step));
    if (d->lower)
      add("lower = " + expr(d->lower));
    if (d->upper)
      add("upper = " + expr(d->upper));
    text += ")";
    if (!d->batch.empty())
      text += " batch " + shape(d->batch);
    if (!d->event.empty())
      text += " event " + shape(d->event);
    return text;
  }

  std::string bijector(const BijectorStep* step) {
    std::string text;
    if (step->bijector) {
      text = step->bijector->name + sizes(step->sizes) + "(" + list(step->arguments) + ")";
    } else {
      for (const BijectorStep* inner : step->body)
        text += (text.empty() ? "[" : ", ") + bijector(inner);
      text += " for " + step->turns.index->name + " in " + expr(step->turns.from) + ":" + expr(step->turns.to) + "]";
    }
    return step->inverted ? "inverse " + text : text;
  }

  std::string list(const std::vector<const Expr*>& operands) {
    std::string text;
    for (std::size_t i = 0; i < operands.size(); ++i)
      text += (i == 0 ? "" : ", ") + expr(operands[i]);
    return text;
  }

  std::string expr(const Expr* e) {
    const auto operand = [&](std::size_t i) { return expr(e->operands[i]); };
    switch (e->kind) {
    case ExprKind::real_literal: return number(e->real);
    case ExprKind::int_literal: return std::to_string(e->integer);
    case ExprKind::bool_literal: return e->integer ? "true" : "false";
    case ExprKind::name: return e->declaration->name;
    case ExprKind::size: return "size{" + e->size.text() + "}";
    case ExprKind::to_real: return "to_real(" + operand(0) + ")";
    case ExprKind::unary: return operator_text(e->op) + ("(" + operand(0) + ")");
    case ExprKind::binary:
    case ExprKind::compare: return "(" + operand(0) + " " + operator_text(e->op) + " " + operand(1) + ")";
    case ExprKind::conditional: return "(" + operand(0) + " ? " + operand(1) + " : " + operand(2) + ")";
    case ExprKind::index: {
      std::string text = operand(0) + "[";
      for (std::size_t i = 0; i < e->indices.size(); ++i) {
        const Index& index = e->indices[i];
        if (i != 0)
          text += ", ";
        if (index.kind == Index::Kind::all)
          text += ":";
        if (index.kind == Index::Kind::range)
          text += expr(index.from) + ":" + expr(index.to);
        if (index.kind == Index::Kind::scalar || index.kind == Index::Kind::gather)
          text += expr(index.at);
        if (index.check_at_load)
          text += "?";
      }
      return text + "]";
    }
    case ExprKind::transpose: return operand(0) + "'";
    case ExprKind::matmul: return "(" + operand(0) + " @ " + operand(1) + ")";
    case ExprKind::array: return "[" + list(e->operands) + "]";
    case ExprKind::comprehension: {
      std::string text = "[" + operand(0) + " for ";
      for (std::size_t i = 0; i < e->generators.size(); ++i) {
        const Generator& g = e->generators[i];
        text += (i == 0 ? "" : ", ") + g.index->name + " in " + expr(g.from) + ":" + expr(g.to);
      }
      return text + "]";
    }
    case ExprKind::tuple: return "(" + list(e->operands) + ")";
    case ExprKind::tuple_element: return operand(0) + "." + std::to_string(e->position);
    case ExprKind::call: return e->function->name + sizes(e->sizes) + "(" + list(e->operands) + ")" + lifted(e);
    case ExprKind::builtin:
      return e->builtin_name + "(" + list(e->operands) + (e->check_at_load ? "?)" : ")") + lifted(e);
    case ExprKind::method: {
      static const char* const methods[] = {"log_density", "cdf",    "log_cdf", "log_ccdf",
                                            "quantile",    "sample", "entropy"};
      return distribution(e->distribution) + "." + methods[static_cast<std::size_t>(e->method)] + "(" +
             list(e->operands) + ")";
    }
    case ExprKind::unconstrained: return "unconstrained" + group(e->parts, e->declarations);
    }
    return "?";
  }

  std::string sizes(const std::map<std::string, Size>& bound) {
    if (bound.empty())
      return "";
    std::string text = "{";
    for (const auto& [name, size] : bound)
      text += (text == "{" ? "" : ", ") + name + " = " + size.text();
    return text + "}";
  }

  std::string lifted(const Expr* e) { return e->lifted.empty() ? "" : " over " + shape(e->lifted); }

  std::string out_;
  int indent_ = 0;
};

} // namespace

std::string dump(const Program& program) {
  return Dumper().run(program);
}

} // namespace vmodel::check
