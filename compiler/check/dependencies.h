// Which arguments and parameters a name's value depends on, found from the text of a block before it is
// checked, so that a loop's later assignments count. Internal.
#pragma once

#include "compiler/syntax/ast.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vmodel::check {

class Dependencies {
public:
  /// A name whose value is not known at load: a parameter, an argument, a learnable.
  void add_root(const std::string& name) { known_[name].insert(name); }
  /// Follows lets, assignments and loops of a block to a fixed point.
  void add_block(const ast::Block& block);
  /// Roots on which the name that stands at `place` depends (empty: none, or the name is unknown here). Blocks that
  /// stand beside each other may use one name for different values; the place says which is meant.
  const std::set<std::string>& of(const std::string& name, SourceRange place) const;
  bool varying(const ast::Name& name) const { return !of(name.text, name.range).empty(); }
  std::set<std::string> of(const ast::Expression& e) const;

  /// The root that stands for what a net or bijector of this name learns: calls of it depend on that.
  static std::string callable_root(const std::string& name) { return name + "()"; }
  /// The root that stands for a random draw (`.sample()`).
  static constexpr const char* draw = "sample()";

private:
  bool visit(const ast::Block& block, const std::set<std::string>& conditions);
  bool add(const std::string& name, SourceRange place, const std::set<std::string>& roots);
  /// `bound`: names of the generators of comprehensions around the expression, which depend on data only.
  void collect(const ast::Expression& e, std::set<std::string>& roots, std::set<std::string>& bound) const;
  /// Remembers what inner blocks declare.
  void declare_locals(const ast::Block& block, bool inner);
  std::string key(const std::string& name, SourceRange place) const;

  std::map<std::string, std::set<std::string>> known_;           // by key
  std::map<std::string, std::vector<SourceRange>> inner_blocks_; // by name: the inner blocks that declare it
};

} // namespace vmodel::check
