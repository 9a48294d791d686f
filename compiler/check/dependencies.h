// Which arguments and parameters a name's value depends on, found from the text of a block before it is
// checked, so that a loop's later assignments count. Internal.
#pragma once

#include "compiler/syntax/ast.h"

#include <map>
#include <set>
#include <string>

namespace vmodel::check {

class Dependencies {
public:
  /// A name whose value is not known at load: a parameter, an argument, a learnable.
  void add_root(const std::string& name) { known_[name].insert(name); }
  /// Follows lets, assignments and loops of a block to a fixed point.
  void add_block(const ast::Block& block);
  /// Roots on which the name depends (empty: none, or the name is unknown here).
  const std::set<std::string>& of(const std::string& name) const;
  bool varying(const std::string& name) const { return !of(name).empty(); }
  std::set<std::string> of(const ast::Expression& e) const;

  /// The root that stands for what a net or bijector of this name learns: calls of it depend on that.
  static std::string callable_root(const std::string& name) { return name + "()"; }
  /// The root that stands for a random draw (`.sample()`).
  static constexpr const char* draw = "sample()";

private:
  bool visit(const ast::Block& block, const std::set<std::string>& conditions);
  bool add(const std::string& name, const std::set<std::string>& roots);
  void collect(const ast::Expression& e, std::set<std::string>& roots) const;

  std::map<std::string, std::set<std::string>> known_;
};

} // namespace vmodel::check
