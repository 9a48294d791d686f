#include "compiler/ir/print.h"

#include "compiler/ir/typing.h"

#include <charconv>
#include <cmath>

namespace vmodel::ir {

std::string print_number(double value) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    if (c == '\n')
      result += "\\n";
    else
      result += c;
  }
  return result + '"';
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

class Printer {
public:
  explicit Printer(const Function& function) : function_(function), names_(function.values.size()) {}

  std::string run();
  std::string type(const Type& type);
  /// Names values by their ids, for messages.
  void name_all() {
    for (std::uint32_t i = 1; i < names_.size(); ++i)
      number(ValueId{i}, i);
  }

private:
  void number(ValueId v, std::uint32_t id);
  void define(ValueId v) { number(v, next_++); }
  std::string ref(ValueId v) const;
  std::string list(const std::vector<ValueId>& values, std::size_t from = 0, std::size_t to = SIZE_MAX) const;
  std::string types(const std::vector<ValueId>& values);
  void line(const std::string& text) { text_.append(2 * depth_, ' ').append(text).append("\n"); }
  void body(const Region& region);
  void op(const Op& op);
  std::string operation(const Op& op);
  std::string bounds(const Region& region, const std::vector<ValueId>& extents);
  std::string carried(const Op& op, const Region& region, std::size_t argument, std::size_t operand);
  void site(const Op& op);

  const Function& function_;
  std::vector<std::string> names_;
  std::uint32_t next_ = 1;
  std::size_t depth_ = 1;
  std::string text_;
};

void Printer::number(ValueId v, std::uint32_t id) {
  std::string name = "%";
  for (char c : function_.values[v.id].hint)
    name += is_name_character(c) ? c : '_';
  if (name.size() > 1)
    name += '.';
  names_[v.id] = name + std::to_string(id);
}

std::string Printer::ref(ValueId v) const {
  if (v.id == 0 || v.id >= names_.size())
    return "%<none>";
  if (names_[v.id].empty())
    return "%<undefined " + std::to_string(v.id) + ">";
  return names_[v.id];
}

std::string Printer::list(const std::vector<ValueId>& values, std::size_t from, std::size_t to) const {
  std::string result;
  for (std::size_t i = from; i < std::min(to, values.size()); ++i)
    result += (i > from ? ", " : "") + ref(values[i]);
  return result;
}

std::string Printer::type(const Type& type) {
  std::string result = type.reference ? "&" : "";
  result += name(type.element);
  if (type.dims.empty())
    return result;
  result += '[';
  for (std::size_t i = 0; i < type.dims.size(); ++i) {
    const Dim& dim = type.dims[i];
    result += (i ? ", " : "") + (dim.value ? ref(dim.value) : std::to_string(dim.constant));
  }
  return result + ']';
}

std::string Printer::types(const std::vector<ValueId>& values) {
  std::string result;
  for (std::size_t i = 0; i < values.size(); ++i)
    result += (i ? ", " : " -> ") + type(function_.type(values[i]));
  return result;
}

// "(%i.3 < %T.1, %j.4 < %2)"
std::string Printer::bounds(const Region& region, const std::vector<ValueId>& extents) {
  std::string result = "(";
  for (std::size_t i = 0; i < region.arguments.size(); ++i) {
    define(region.arguments[i]);
    result += (i ? ", " : "") + ref(region.arguments[i]) + " < " + ref(i < extents.size() ? extents[i] : ValueId{});
  }
  return result + ")";
}

// "(%c.3 = %1, %d.4 = %2)"
std::string Printer::carried(const Op& op, const Region& region, std::size_t argument, std::size_t operand) {
  std::string result = "(";
  for (std::size_t i = argument; i < region.arguments.size(); ++i) {
    define(region.arguments[i]);
    const std::size_t initial = operand + i - argument;
    result += (i > argument ? ", " : "") + ref(region.arguments[i]) + " = " +
              ref(initial < op.operands.size() ? op.operands[initial] : ValueId{});
  }
  return result + ")";
}

void Printer::body(const Region& region) {
  ++depth_;
  for (const Op& inner : region.ops)
    op(inner);
  line(region.yields.empty() ? "yield" : "yield " + list(region.yields));
  --depth_;
}

void Printer::site(const Op& op) {
  std::string head =
      std::string("site ") + name(op.site_kind) + " " + quoted(op.symbol) + " (" + list(op.operands) + ") {";
  line(head);
  ++depth_;
  for (std::size_t r = 0; r < op.regions.size(); ++r) {
    const Region& region = op.regions[r];
    if (region.absent)
      continue;
    std::string arguments;
    for (std::size_t i = 0; i < region.arguments.size(); ++i) {
      define(region.arguments[i]);
      arguments += (i ? ", " : "") + ref(region.arguments[i]);
    }
    line(std::string(name(static_cast<SiteRegion>(r))) + " (" + arguments + ") {");
    body(region);
    line("}");
  }
  --depth_;
  line("}");
}

// Operations without regions.
std::string Printer::operation(const Op& op) {
  std::string mnemonic = name(op.opcode);
  const auto result_type = [&] {
    return op.results.empty() ? std::string() : " : " + type(function_.type(op.results[0]));
  };
  switch (op.opcode) {
  case Opcode::constant_: {
    if (op.results.empty())
      return mnemonic;
    const Element element = function_.type(op.results[0]).element;
    const std::string value = element == Element::boolean ? (op.integer ? "true" : "false")
                              : element == Element::index ? std::to_string(op.integer)
                                                          : print_number(op.number);
    return mnemonic + " " + value + result_type();
  }
  case Opcode::load_:
    return mnemonic + " " + (op.operands.empty() ? "" : ref(op.operands[0])) + "[" + list(op.operands, 1) + "]" +
           result_type();
  case Opcode::store_:
  case Opcode::accumulate_:
    if (op.operands.size() < 2)
      return mnemonic + " " + list(op.operands);
    return mnemonic + " " + ref(op.operands[0]) + "[" + list(op.operands, 1, op.operands.size() - 1) + "], " +
           ref(op.operands.back());
  case Opcode::alloc_:
    return mnemonic + (op.integer ? " zeroed (" : " (") + list(op.operands) + ")" + types(op.results);
  case Opcode::call_: return mnemonic + " @" + op.symbol + "(" + list(op.operands) + ")" + types(op.results);
  case Opcode::output_:
  case Opcode::require_: return mnemonic + " " + quoted(op.symbol) + ", " + list(op.operands);
  case Opcode::random_:
    return mnemonic + " " + op.symbol + " " + std::to_string(op.integer) + ", " + list(op.operands) + result_type();
  default: return mnemonic + " " + list(op.operands) + result_type();
  }
}

void Printer::op(const Op& op) {
  if (op.opcode == Opcode::site_)
    return site(op);
  // Extents of a result are printed before the result is defined, which their order in scope allows.
  for (ValueId v : op.results)
    define(v);
  const std::string head = op.results.empty() ? "" : list(op.results) + " = ";
  if (op.regions.empty())
    return line(head + operation(op));
  const Region& first = op.regions[0];
  switch (op.opcode) {
  case Opcode::build_: line(head + "build " + bounds(first, op.operands) + types(op.results) + " {"); break;
  case Opcode::reduce_:
    line(head + "reduce " + op.symbol + " " + bounds(first, op.operands) + types(op.results) + " {");
    break;
  case Opcode::loop_: {
    std::string text = head + "loop " + (op.integer ? "reverse " : "");
    if (!first.arguments.empty()) {
      define(first.arguments[0]);
      text += "(" + ref(first.arguments[0]) + " < " + list(op.operands, 0, 1) + ")";
    }
    if (op.operands.size() > 1)
      text += " carry " + carried(op, first, 1, 1);
    line(text + types(op.results) + " {");
    break;
  }
  case Opcode::if_: line(head + "if " + list(op.operands) + types(op.results) + " {"); break;
  case Opcode::while_: line(head + "while " + carried(op, first, 0, 0) + types(op.results) + " {"); break;
  default: line(head + operation(op) + " {"); break;
  }
  body(first);
  for (std::size_t r = 1; r < op.regions.size(); ++r) {
    const Region& region = op.regions[r];
    if (op.opcode == Opcode::if_ && region.ops.empty() && region.yields.empty())
      continue;
    std::string arguments;
    for (std::size_t i = 0; i < region.arguments.size(); ++i) {
      define(region.arguments[i]);
      arguments += (i ? ", " : "") + ref(region.arguments[i]);
    }
    line(op.opcode == Opcode::if_ ? "} else {" : "} do (" + arguments + ") {");
    body(region);
  }
  line("}");
}

std::string Printer::run() {
  text_ = "func @" + function_.name + "(";
  for (std::size_t i = 0; i < function_.parameters.size(); ++i) {
    const Parameter& parameter = function_.parameters[i];
    define(parameter.value);
    text_ += (i ? ", " : "") + ref(parameter.value);
    const std::string hint = names_[parameter.value.id].substr(1, names_[parameter.value.id].rfind('.') - 1);
    if (parameter.name != hint)
      text_ += " " + quoted(parameter.name);
    text_ += ": " + type(function_.type(parameter.value));
    switch (parameter.axis) {
    case Axis::load: text_ += " load"; break;
    case Axis::step: text_ += " step"; break;
    case Axis::particle: text_ += " particle"; break;
    }
  }
  text_ += ")";
  const std::size_t results_at = text_.size();
  text_ += " {\n";
  depth_ = 0;
  body(function_.body);
  // Types of results may name values of the body.
  std::string results;
  for (std::size_t i = 0; i < function_.results.size(); ++i)
    results += (i ? ", " : " -> ") + type(function_.results[i]);
  text_.insert(results_at, results);
  return text_ + "}\n";
}

} // namespace

std::string print(const Function& function) {
  return Printer(function).run();
}

std::string print(const Module& module) {
  std::string text;
  for (const Function& function : module.functions)
    text += (text.empty() ? "" : "\n") + print(function);
  return text;
}

std::string print(const Function& function, const Type& type) {
  Printer printer(function);
  printer.name_all();
  return printer.type(type);
}

} // namespace vmodel::ir
