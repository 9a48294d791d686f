#include "compiler/ir/parse.h"

#include "compiler/ir/scan.h"
#include "compiler/ir/typing.h"

#include <map>
#include <optional>

namespace vmodel::ir {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Nesting beyond this is refused, so that no text overflows the stack.
constexpr int max_depth = 200;

class Parser : Scanner {
public:
  using Scanner::Scanner;

  Module module();

private:
  // --- values and types
  std::string value_name();
  ValueId use();
  ValueId use(const std::string& name);
  ValueId define(const std::string& name, Type type);
  std::vector<ValueId> use_list(std::string_view close);
  Type type();
  std::vector<Type> result_types();

  // --- structure
  Function function();
  Region body();
  Op op();
  void simple(Op& op, std::vector<Type>& types);
  void bounds(Op& op, Region& region);
  void carried(Op& op, std::vector<std::string>& names);
  void site(Op& op);
  std::vector<ValueId> define_arguments(const std::vector<std::string>& names, const std::vector<Type>& types);

  int depth_ = 0;
  Function* function_ = nullptr;
  std::map<std::string, ValueId, std::less<>> names_;
};

// "%hint.id", "%id" or "%hint"; the name as written is the key.
std::string Parser::value_name() {
  expect("%");
  return word("the name of a value");
}

ValueId Parser::use(const std::string& name) {
  const auto found = names_.find(name);
  if (found == names_.end())
    fail("unknown value '%" + name + "'");
  return found->second;
}

ValueId Parser::use() {
  return use(value_name());
}

ValueId Parser::define(const std::string& name, Type type) {
  if (names_.contains(name))
    fail("value '%" + name + "' is defined twice");
  std::size_t digits = name.size();
  while (digits > 0 && is_digit(name[digits - 1]))
    --digits;
  std::string hint = name;
  if (digits == 0)
    hint.clear();
  else if (digits < name.size() && name[digits - 1] == '.')
    hint.resize(digits - 1);
  const ValueId v = function_->add_value(std::move(type), std::move(hint));
  names_.emplace(name, v);
  return v;
}

std::vector<ValueId> Parser::use_list(std::string_view close) {
  std::vector<ValueId> values;
  if (accept(close))
    return values;
  do
    values.push_back(use());
  while (accept(","));
  expect(close);
  return values;
}

Type Parser::type() {
  Type type;
  type.reference = accept("&");
  const std::string element = word("a type");
  if (element == "f64")
    type.element = Element::f64;
  else if (element == "f32")
    type.element = Element::f32;
  else if (element == "index")
    type.element = Element::index;
  else if (element == "boolean")
    type.element = Element::boolean;
  else
    fail("unknown type '" + element + "'");
  if (peek() != '[')
    return type;
  expect("[");
  do {
    Dim dim;
    if (peek() == '%')
      dim.value = use();
    else
      dim.constant = integer();
    type.dims.push_back(dim);
  } while (accept(","));
  expect("]");
  return type;
}

std::vector<Type> Parser::result_types() {
  std::vector<Type> types;
  if (!accept("->"))
    return types;
  do
    types.push_back(type());
  while (accept(","));
  return types;
}

std::vector<ValueId> Parser::define_arguments(const std::vector<std::string>& names, const std::vector<Type>& types) {
  std::vector<ValueId> values;
  for (std::size_t i = 0; i < names.size(); ++i)
    values.push_back(define(names[i], types[i]));
  return values;
}

const std::map<std::string, Opcode, std::less<>>& opcodes() {
  static const std::map<std::string, Opcode, std::less<>> table = {
#define VIR_UNARY(name, derivative) {#name, Opcode::name},
#define VIR_BINARY(name, d_dx, d_dy) {#name, Opcode::name},
#define VIR_INTEGER(name) {#name, Opcode::name},
#define VIR_COMPARE(name) {#name, Opcode::name},
#define VIR_OP(name) {#name, Opcode::name##_},
#include "compiler/ir/opcode.def"
  };
  return table;
}

Region Parser::body() {
  if (++depth_ > max_depth)
    fail("regions are nested too deeply");
  Region region;
  expect("{");
  while (!accept_word("yield"))
    region.ops.push_back(op());
  if (peek() == '%') {
    do
      region.yields.push_back(use());
    while (accept(","));
  }
  expect("}");
  --depth_;
  return region;
}

// "(%i < %n, ...)": extents are operands, names become arguments.
void Parser::bounds(Op& op, Region& region) {
  expect("(");
  if (accept(")"))
    return;
  do {
    const std::string name = value_name();
    expect("<");
    op.operands.push_back(use());
    region.arguments.push_back(define(name, Type{Element::index, false, {}}));
  } while (accept(","));
  expect(")");
}

// "(%c = %initial, ...)"
void Parser::carried(Op& op, std::vector<std::string>& names) {
  expect("(");
  if (accept(")"))
    return;
  do {
    names.push_back(value_name());
    expect("=");
    op.operands.push_back(use());
  } while (accept(","));
  expect(")");
}

void Parser::site(Op& op) {
  const std::string kind = word("a kind of site");
  bool known = false;
  for (SiteKind k : {SiteKind::prior, SiteKind::observe, SiteKind::factor, SiteKind::jacobian, SiteKind::draw})
    if (kind == name(k)) {
      op.site_kind = k;
      known = true;
    }
  if (!known)
    fail("unknown kind of site '" + kind + "'");
  op.symbol = string();
  expect("(");
  op.operands = use_list(")");
  expect("{");
  op.regions.resize(4);
  for (std::size_t r = 0; r < 4; ++r) {
    Region& region = op.regions[r];
    region.absent = !accept_word(name(static_cast<SiteRegion>(r)));
    if (region.absent)
      continue;
    std::vector<ValueId> arguments;
    expect("(");
    if (!accept(")")) {
      do
        arguments.push_back(define(value_name(), Type{Element::index, false, {}}));
      while (accept(","));
      expect(")");
    }
    region = body();
    region.arguments = std::move(arguments);
  }
  expect("}");
}

// Operations without regions, after their name.
void Parser::simple(Op& op, std::vector<Type>& types) {
  const auto typed = [&] {
    expect(":");
    types.push_back(type());
  };
  switch (op.opcode) {
  case Opcode::constant_: {
    const std::size_t value_at = position();
    number_text();
    typed();
    const std::size_t end = position();
    return_to(value_at);
    if (types[0].element == Element::index)
      op.integer = integer();
    else if (types[0].element != Element::boolean)
      op.number = number();
    else if (accept_word("true"))
      op.integer = 1;
    else if (!accept_word("false"))
      fail("expected true or false");
    return_to(end);
    return;
  }
  case Opcode::load_:
  case Opcode::store_:
  case Opcode::accumulate_: {
    op.operands.push_back(use());
    expect("[");
    for (ValueId index : use_list("]"))
      op.operands.push_back(index);
    if (op.opcode == Opcode::load_)
      return typed();
    expect(",");
    op.operands.push_back(use());
    return;
  }
  case Opcode::alloc_:
    op.integer = accept_word("zeroed");
    expect("(");
    op.operands = use_list(")");
    types = result_types();
    return;
  case Opcode::call_:
    expect("@");
    op.symbol = word("the name of a function");
    expect("(");
    op.operands = use_list(")");
    types = result_types();
    return;
  case Opcode::output_:
  case Opcode::require_:
    op.symbol = string();
    while (accept(","))
      op.operands.push_back(use());
    return;
  case Opcode::random_:
    op.symbol = word("a kind of random number");
    op.integer = integer();
    while (accept(","))
      op.operands.push_back(use());
    return typed();
  default:
    do
      op.operands.push_back(use());
    while (accept(","));
    return typed();
  }
}

Op Parser::op() {
  Op op;
  std::vector<std::string> results;
  const std::size_t begin = position();
  if (peek() == '%') {
    do
      results.push_back(value_name());
    while (accept(","));
    expect("=");
  }
  const std::string mnemonic = word("an operation");
  const auto found = opcodes().find(mnemonic);
  if (found == opcodes().end())
    fail("unknown operation '" + mnemonic + "'");
  op.opcode = found->second;
  std::vector<Type> types;
  switch (op.opcode) {
  case Opcode::build_:
  case Opcode::reduce_: {
    Region region;
    if (op.opcode == Opcode::reduce_)
      op.symbol = word("a kind of reduction");
    bounds(op, region);
    types = result_types();
    std::vector<ValueId> arguments = std::move(region.arguments);
    op.regions.push_back(body());
    op.regions[0].arguments = std::move(arguments);
    break;
  }
  case Opcode::loop_: {
    op.integer = accept_word("reverse");
    Region header;
    bounds(op, header);
    if (header.arguments.size() != 1)
      fail("a loop has one index");
    std::vector<std::string> names;
    if (accept_word("carry"))
      carried(op, names);
    types = result_types();
    if (types.size() != names.size())
      fail("the loop carries " + std::to_string(names.size()) + " values and has " + std::to_string(types.size()) +
           " result types");
    for (ValueId v : define_arguments(names, types))
      header.arguments.push_back(v);
    op.regions.push_back(body());
    op.regions[0].arguments = std::move(header.arguments);
    break;
  }
  case Opcode::if_:
    op.operands.push_back(use());
    types = result_types();
    op.regions.push_back(body());
    op.regions.push_back(accept_word("else") ? body() : Region{});
    break;
  case Opcode::while_: {
    std::vector<std::string> names;
    carried(op, names);
    types = result_types();
    if (types.size() != names.size())
      fail("the loop carries " + std::to_string(names.size()) + " values and has " + std::to_string(types.size()) +
           " result types");
    std::vector<ValueId> arguments = define_arguments(names, types);
    op.regions.push_back(body());
    op.regions[0].arguments = std::move(arguments);
    if (!accept_word("do"))
      fail("expected 'do'");
    names.clear();
    expect("(");
    if (!accept(")")) {
      do
        names.push_back(value_name());
      while (accept(","));
      expect(")");
    }
    if (names.size() != types.size())
      fail("the body of a while has another number of arguments than its condition");
    arguments = define_arguments(names, types);
    op.regions.push_back(body());
    op.regions[1].arguments = std::move(arguments);
    break;
  }
  case Opcode::site_: site(op); break;
  default: simple(op, types); break;
  }
  if (types.size() != results.size())
    fail("'" + mnemonic + "' names " + std::to_string(results.size()) + " results and " + std::to_string(types.size()) +
         " types");
  for (const std::string& result : results)
    if (names_.contains(result)) {
      return_to(begin);
      fail("value '%" + result + "' is defined twice");
    }
  op.results = define_arguments(results, types);
  return op;
}

Function Parser::function() {
  Function function;
  function_ = &function;
  names_.clear();
  expect("func");
  expect("@");
  function.name = word("the name of a function");
  expect("(");
  if (!accept(")")) {
    do {
      const std::string name = value_name();
      std::optional<std::string> parameter_name;
      if (peek() == '"')
        parameter_name = string();
      expect(":");
      Parameter parameter;
      parameter.value = define(name, type());
      parameter.name = parameter_name.value_or(function.values[parameter.value.id].hint);
      if (accept_word("particle"))
        parameter.axis = Axis::particle;
      else if (accept_word("step"))
        parameter.axis = Axis::step;
      else if (!accept_word("load"))
        fail("expected an axis: load, step or particle");
      function.parameters.push_back(std::move(parameter));
    } while (accept(","));
    expect(")");
  }
  // Types of results may name values of the body: they are read when these are known.
  const std::size_t results_at = position();
  skip_to('{');
  function.body = body();
  const std::size_t end = position();
  return_to(results_at);
  function.results = result_types();
  if (peek() != '{')
    fail("expected '{'");
  return_to(end);
  return function;
}

Module Parser::module() {
  Module module;
  while (peek() != '\0')
    module.functions.push_back(function());
  return module;
}

} // namespace

std::optional<Module> parse(std::string_view text, ParseError* error) {
  try {
    return Parser(text, error).module();
  } catch (const ParseFailure&) {
    return std::nullopt;
  }
}

} // namespace vmodel::ir
