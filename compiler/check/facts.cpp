#include "compiler/check/facts.h"

namespace vmodel::check {

Size Facts::normal(Size size) const {
  if (equalities_.empty())
    return size;
  // Each rewrite removes an atom for good, unless rules form a circle; the count is a bound for that case.
  for (std::size_t round = 0; round <= equalities_.size(); ++round) {
    bool known = false;
    for (const auto& [key, atom] : size.atoms())
      known = known || equalities_.count(key) != 0;
    if (!known)
      break;
    size = size.substitute(equalities_);
  }
  return size;
}

void Facts::add_equal(const Size& a, const Size& b) {
  const Size difference = normal(a - b);
  // Solve for an atom that stands alone with coefficient 1 or -1: it is replaced from now on.
  for (const auto& [monomial, coefficient] : difference.terms()) {
    if (monomial.size() != 1 || monomial.begin()->second != 1 || coefficient.denominator != 1)
      continue;
    if (coefficient.numerator != 1 && coefficient.numerator != -1)
      continue;
    const std::string key = monomial.begin()->first;
    bool elsewhere = false;
    for (const auto& [other, c] : difference.terms())
      elsewhere = elsewhere || (other != monomial && other.count(key) != 0);
    if (elsewhere)
      continue;
    const Size atom = Size::atom(difference.atoms().at(key));
    const Size rest = coefficient.numerator == 1 ? atom - difference : atom + difference;
    for (auto& [name, value] : equalities_)
      value = value.substitute({{key, rest}});
    equalities_[key] = rest;
    return;
  }
}

void Facts::add_nonnegative(const Size& size) {
  nonnegative_.push_back(size);
}

void Facts::add_bounds(const std::string& key, const IntRange& range) {
  IntRange& known = bounds_[key];
  known = range;
}

bool Facts::prove(const Size& size, int depth) const {
  if (const auto value = size.as_constant())
    return *value >= 0;
  bool all_positive = true;
  for (const auto& [monomial, coefficient] : size.terms()) {
    all_positive = all_positive && coefficient.numerator >= 0;
    for (const auto& [key, power] : monomial) {
      if (power % 2 == 0)
        continue;
      const auto known = bounds_.find(key);
      bool positive = false;
      if (known != bounds_.end() && depth > 0) {
        for (const Size& lower : known->second.lower)
          positive = positive || prove(normal(lower), depth - 2);
      }
      all_positive = all_positive && positive;
    }
  }
  if (all_positive)
    return true;
  if (depth <= 0)
    return false;
  for (const Size& known : nonnegative_) {
    const Size rest = size - normal(known);
    if (rest.terms().size() < size.terms().size() && prove(rest, depth - 1))
      return true;
  }
  // Replace an atom by its bound on the unfavourable side.
  for (const auto& [monomial, coefficient] : size.terms()) {
    if (monomial.size() != 1 || monomial.begin()->second != 1)
      continue;
    const std::string& key = monomial.begin()->first;
    const auto known = bounds_.find(key);
    if (known == bounds_.end())
      continue;
    bool elsewhere = false;
    for (const auto& [other, c] : size.terms())
      elsewhere = elsewhere || (other != monomial && other.count(key) != 0);
    if (elsewhere)
      continue;
    for (const Size& bound : coefficient.numerator > 0 ? known->second.lower : known->second.upper) {
      if (bound.atoms().count(key) != 0)
        continue;
      if (prove(normal(size.substitute({{key, bound}})), depth - 1))
        return true;
    }
  }
  return false;
}

} // namespace vmodel::check
