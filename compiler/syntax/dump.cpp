#include "compiler/syntax/dump.h"

namespace vmodel {

namespace {

using namespace ast;

std::string text_of(const Expression& expression);

// `a, b, c`, each by `show`.
template <typename List, typename Show>
std::string joined(const List& list, Show show) {
  std::string out;
  for (const auto& element : list) {
    if (!out.empty())
      out += ", ";
    out += show(element);
  }
  return out;
}

std::string text_of(const ExpressionPtr& expression) {
  return expression == nullptr ? "" : text_of(*expression);
}

std::string text_of_list(const std::vector<ExpressionPtr>& list) {
  return joined(list, [](const ExpressionPtr& element) { return text_of(element); });
}

std::string text_of(const std::vector<Argument>& arguments) {
  return joined(arguments, [](const Argument& argument) {
    return (argument.name ? argument.name->text + " = " : std::string()) + text_of(argument.value);
  });
}

std::string text_of(const IndexEntry& entry) {
  return entry.is_slice ? text_of(entry.first) + ":" + text_of(entry.last) : text_of(entry.first);
}

std::string text_of(const Range& range) {
  return text_of(range.first) + (range.last == nullptr ? "" : ":" + text_of(range.last));
}

std::string text_of(const Expression& expression) {
  switch (expression.kind) {
  case ExpressionKind::IntLiteral: return as<IntLiteral>(expression).text;
  case ExpressionKind::RealLiteral: return as<RealLiteral>(expression).text;
  case ExpressionKind::BoolLiteral: return as<BoolLiteral>(expression).value ? "true" : "false";
  case ExpressionKind::NameReference: return as<NameReference>(expression).name;
  case ExpressionKind::LearnHole: return "learn";
  case ExpressionKind::Unary: {
    const auto& node = as<Unary>(expression);
    return "(" + std::string(to_string(node.op)) + " " + text_of(node.operand) + ")";
  }
  case ExpressionKind::Binary: {
    const auto& node = as<Binary>(expression);
    return "(" + std::string(to_string(node.op)) + " " + text_of(node.left) + " " + text_of(node.right) + ")";
  }
  case ExpressionKind::Conditional: {
    const auto& node = as<Conditional>(expression);
    return "(? " + text_of(node.condition) + " " + text_of(node.if_true) + " " + text_of(node.if_false) + ")";
  }
  case ExpressionKind::Call: {
    const auto& node = as<Call>(expression);
    return text_of(node.callee) + "(" + text_of(node.arguments) + ")";
  }
  case ExpressionKind::MethodCall: {
    const auto& node = as<MethodCall>(expression);
    return text_of(node.receiver) + "." + node.method.text + "(" + text_of(node.arguments) + ")";
  }
  case ExpressionKind::Index: {
    const auto& node = as<Index>(expression);
    return text_of(node.base) + "[" + joined(node.entries, [](const IndexEntry& entry) { return text_of(entry); }) +
           "]";
  }
  case ExpressionKind::Transpose: return "(' " + text_of(as<Transpose>(expression).operand) + ")";
  case ExpressionKind::Tuple: return "(tuple " + text_of_list(as<Tuple>(expression).elements) + ")";
  case ExpressionKind::Array: return "[" + text_of_list(as<Array>(expression).elements) + "]";
  case ExpressionKind::Comprehension: {
    const auto& node = as<Comprehension>(expression);
    return "[" + text_of(node.element) + " for " +
           joined(
               node.generators,
               [](const Generator& generator) { return generator.variable.text + " in " + text_of(generator.over); }) +
           "]";
  }
  }
  return "";
}

std::string text_of(const Type& type) {
  std::string out(to_string(type.base));
  if (!type.bounds.empty()) {
    out += "<" +
           joined(type.bounds,
                  [](const Bound& bound) {
                    return (bound.name ? bound.name->text + "=" : std::string()) + text_of(bound.value);
                  }) +
           ">";
  }
  if (type.is_optional)
    out += "?";
  if (!type.sizes.empty())
    out += "[" + text_of_list(type.sizes) + "]";
  return out;
}

std::string text_of(const std::vector<Parameter>& parameters) {
  return "(" +
         joined(parameters,
                [](const Parameter& parameter) {
                  return parameter.name.text + ": " + text_of(parameter.type) +
                         (parameter.default_value == nullptr ? "" : " = " + text_of(parameter.default_value));
                }) +
         ")";
}

class Dumper {
public:
  Dumper(const SourceManager* sources, const DumpOptions& options) : sources_(sources), options_(options) {}

  void file(const File& file) {
    out_ += "File\n";
    ++depth_;
    for (const ItemPtr& next : file.items)
      item(*next);
  }

  std::string take() { return std::move(out_); }

private:
  void line(const std::string& text, SourceRange range) {
    out_ += std::string(std::size_t{2} * depth_, ' ') + text;
    if (options_.ranges && sources_ != nullptr && range.valid()) {
      const SourceFile& source = sources_->file(range.file);
      const LineColumn begin = source.position(range.begin);
      const LineColumn end = source.position(range.end);
      out_ += "  @" + std::to_string(begin.line) + ":" + std::to_string(begin.column) + "-" + std::to_string(end.line) +
              ":" + std::to_string(end.column);
    }
    out_ += '\n';
  }

  void body(const Block& block) {
    ++depth_;
    for (const StatementPtr& next : block.statements)
      statement(*next);
    --depth_;
  }

  static std::string tail(const char* sign, const ExpressionPtr& value) {
    return value == nullptr ? "" : " " + std::string(sign) + " " + text_of(value);
  }
  static std::string annotation(const std::optional<Type>& type) { return type ? ": " + text_of(*type) : ""; }

  void statement(const Statement& node);
  void function(const Function& node);
  void member(const Member& node);
  template <typename Item>
  void mapping(const std::string& kind, const Item& node) {
    line(kind + " " + node.name.text + text_of(node.parameters) + " on " + text_of(node.from) + " -> " +
             text_of(node.to),
         node.range);
    ++depth_;
    for (const StatementPtr& next : node.learnables)
      statement(*next);
    for (const Member& next : node.members)
      member(next);
    --depth_;
  }
  void item(const Item& node);

  const SourceManager* sources_;
  DumpOptions options_;
  std::string out_;
  std::size_t depth_ = 0;
};

void Dumper::statement(const Statement& node) {
  const std::string kind(to_string(node.kind));
  switch (node.kind) {
  case StatementKind::Data: {
    const auto& data = as<Data>(node);
    line(kind + " " + data.name.text + ": " + text_of(data.type) +
             (data.field ? " from \"" + data.field->text + "\"" : ""),
         node.range);
    return;
  }
  case StatementKind::Param: {
    const auto& param = as<Param>(node);
    line(kind + (param.noncentered ? " noncentered " : " ") + param.name.text + ": " + text_of(param.type) +
             tail("~", param.prior),
         node.range);
    return;
  }
  case StatementKind::Let: {
    const auto& let = as<Let>(node);
    std::string names = joined(let.names, [](const Name& name) { return name.text; });
    if (let.names.size() > 1)
      names = "(" + names + ")";
    line(kind + " " + names + annotation(let.type) + tail("=", let.value), node.range);
    return;
  }
  case StatementKind::Var: {
    const auto& var = as<Var>(node);
    line(kind + " " + var.name.text + annotation(var.type) + tail("=", var.value), node.range);
    return;
  }
  case StatementKind::Learn: {
    const auto& learn = as<Learn>(node);
    line(kind + " " + learn.name.text + ": " + text_of(learn.type) + tail("=", learn.initial) + tail("~", learn.start),
         node.range);
    return;
  }
  case StatementKind::LearnInstance: {
    const auto& learn = as<LearnInstance>(node);
    line(kind + " " + learn.name.text + ": " + learn.callee.text + "(" + text_of(learn.arguments) + ")" +
             (learn.sizes.empty() ? "" : "[" + text_of_list(learn.sizes) + "]"),
         node.range);
    return;
  }
  case StatementKind::Mix: {
    const auto& mix = as<Mix>(node);
    line(kind + " " + mix.name.text + ": " + text_of(mix.type) + tail("~", mix.distribution), node.range);
    return;
  }
  case StatementKind::Proposal: {
    line(kind, node.range);
    body(as<Proposal>(node).body);
    return;
  }
  case StatementKind::Observe: {
    const auto& observe = as<Observe>(node);
    line(kind + " " + text_of(observe.target) + tail("~", observe.distribution), node.range);
    return;
  }
  case StatementKind::Factor: line(kind + " " + text_of(as<Factor>(node).value), node.range); return;
  case StatementKind::Quantity: {
    const auto& quantity = as<Quantity>(node);
    line(kind + " " + quantity.name.text + annotation(quantity.type) + tail("=", quantity.value), node.range);
    return;
  }
  case StatementKind::Require: {
    const auto& require = as<Require>(node);
    line(kind + " " + text_of(require.condition) + (require.message ? ", \"" + require.message->text + "\"" : ""),
         node.range);
    return;
  }
  case StatementKind::For: {
    const auto& loop = as<For>(node);
    line(kind + " " + loop.variable.text + " in " + text_of(loop.over), node.range);
    body(loop.body);
    return;
  }
  case StatementKind::Plate: {
    const auto& plate = as<Plate>(node);
    line(kind + " " + plate.variable.text + " in " + text_of(plate.over), node.range);
    body(plate.body);
    return;
  }
  case StatementKind::While:
    line(kind + " " + text_of(as<While>(node).condition), node.range);
    body(as<While>(node).body);
    return;
  case StatementKind::If: {
    const auto& choice = as<If>(node);
    for (const IfBranch& branch : choice.branches) {
      const bool is_first = &branch == &choice.branches.front();
      line((is_first ? kind : "ElseIf") + " " + text_of(branch.condition),
           is_first ? node.range : branch.condition->range);
      body(branch.body);
    }
    if (choice.otherwise) {
      line("Else", choice.otherwise->range);
      body(*choice.otherwise);
    }
    return;
  }
  case StatementKind::Return: line(kind + " " + text_of(as<Return>(node).value), node.range); return;
  case StatementKind::LocalFunction: function(*as<LocalFunction>(node).function); return;
  case StatementKind::Assign: {
    const auto& assign = as<Assign>(node);
    line(kind + " " + text_of(assign.target) + tail(assign.is_add ? "+=" : "=", assign.value), node.range);
    return;
  }
  case StatementKind::Sample: {
    const auto& sample = as<Sample>(node);
    line(kind + " " + text_of(sample.target) + tail("~", sample.distribution), node.range);
    return;
  }
  }
}

void Dumper::function(const Function& node) {
  std::string results = joined(node.results, [](const Type& type) { return text_of(type); });
  if (node.results.size() > 1)
    results = "(" + results + ")";
  line(std::string(node.is_builtin ? "Builtin " : "") + "Function " + node.name.text + text_of(node.parameters) +
           " -> " + results + tail("=", node.body.expression),
       node.range);
  if (node.body.block)
    body(*node.body.block);
}

void Dumper::member(const Member& node) {
  line("Member " + node.name.text + "(" + joined(node.parameters, [](const Name& name) { return name.text; }) + ")" +
           tail("=", node.body.expression),
       node.range);
  if (node.body.block)
    body(*node.body.block);
}

void Dumper::item(const Item& node) {
  const std::string kind(to_string(node.kind));
  switch (node.kind) {
  case ItemKind::Import: {
    const auto& import = as<Import>(node);
    line(kind + " \"" + import.path.text + "\"" + (import.alias ? " as " + import.alias->text : ""), node.range);
    return;
  }
  case ItemKind::Model:
    line(kind + " " + as<Model>(node).name.text, node.range);
    body(as<Model>(node).body);
    return;
  case ItemKind::FamilyAlias: {
    const auto& family = as<FamilyAlias>(node);
    line(kind + " " + family.name.text + text_of(family.parameters) + " for " + family.model.text +
             tail("=", family.value),
         node.range);
    return;
  }
  case ItemKind::FamilyBlock: {
    const auto& family = as<FamilyBlock>(node);
    line(kind + " " + family.name.text + text_of(family.parameters) + " for " + family.model.text, node.range);
    body(family.body);
    return;
  }
  case ItemKind::FamilyGeneric: {
    const auto& family = as<FamilyGeneric>(node);
    line(kind + " " + family.name.text + text_of(family.parameters) + " on " + family.variable.text + ": " +
             text_of(family.variable_type),
         node.range);
    body(family.body);
    return;
  }
  case ItemKind::Fit: {
    const auto& fit = as<Fit>(node);
    line(kind + (fit.name ? " " + fit.name->text : ""), node.range);
    ++depth_;
    for (const Setting& setting : fit.settings) {
      line("Setting " + setting.name.text + (setting.argument ? "(" + setting.argument->text + ")" : "") +
               tail("=", setting.value),
           setting.range);
    }
    --depth_;
    return;
  }
  case ItemKind::Function: function(as<Function>(node)); return;
  case ItemKind::Distribution: {
    const auto& distribution = as<Distribution>(node);
    line(kind + " " + distribution.name.text + text_of(distribution.parameters) + " on " +
             text_of(distribution.support),
         node.range);
    ++depth_;
    for (const Member& next : distribution.members)
      member(next);
    --depth_;
    return;
  }
  case ItemKind::Bijector: mapping(kind, as<Bijector>(node)); return;
  case ItemKind::Net: mapping(kind, as<Net>(node)); return;
  }
}

} // namespace

std::string dump(const ast::File& file, const SourceManager* sources, const DumpOptions& options) {
  Dumper dumper(sources, options);
  dumper.file(file);
  return dumper.take();
}

std::string dump(const ast::Expression& expression) {
  return text_of(expression);
}

std::string dump(const ast::Type& type) {
  return text_of(type);
}

} // namespace vmodel
