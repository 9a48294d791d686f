// What is known about sizes: equalities and lower bounds from declarations and `require`. Internal.
#pragma once

#include "compiler/check/size.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace vmodel::check {

/// Candidates for the bounds of an int value: every entry is a valid bound.
struct IntRange {
  std::vector<Size> lower, upper;
};

class Facts {
public:
  /// a == b from now on.
  void add_equal(const Size& a, const Size& b);
  /// size >= 0 from now on.
  void add_nonnegative(const Size& size);
  /// Bounds of the atom with this key.
  void add_bounds(const std::string& key, const IntRange& range);

  bool equal(const Size& a, const Size& b) const { return normal(a) == normal(b); }
  /// True if size >= 0 can be proved; false says nothing.
  bool nonnegative(const Size& size) const { return prove(normal(size), 6); }
  bool at_most(const Size& a, const Size& b) const { return nonnegative(b - a); }

private:
  Size normal(Size size) const;
  bool prove(const Size& size, int depth) const;

  std::map<std::string, Size> equalities_;
  std::vector<Size> nonnegative_;
  std::map<std::string, IntRange> bounds_;
};

} // namespace vmodel::check
