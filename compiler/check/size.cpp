// Arithmetic of sizes in normal form.
#include "compiler/check/size.h"

#include <numeric>

namespace vmodel::check {
namespace {

Rational reduced(std::int64_t numerator, std::int64_t denominator) {
  if (denominator < 0) {
    numerator = -numerator;
    denominator = -denominator;
  }
  const std::int64_t divisor = std::gcd(numerator, denominator);
  if (divisor > 1) {
    numerator /= divisor;
    denominator /= divisor;
  }
  return {numerator, denominator};
}

Rational add(Rational a, Rational b) {
  return reduced(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator);
}

Rational multiply(Rational a, Rational b) {
  return reduced(a.numerator * b.numerator, a.denominator * b.denominator);
}

} // namespace

Size Size::constant(std::int64_t value) {
  Size result;
  if (value != 0)
    result.terms_[{}] = {value, 1};
  return result;
}

Size Size::atom(SizeAtom atom) {
  Size result;
  result.terms_[{{atom.key, 1}}] = {1, 1};
  result.atoms_.emplace(atom.key, atom);
  return result;
}

Size Size::operator+(const Size& other) const {
  Size result = *this;
  for (const auto& [monomial, coefficient] : other.terms_) {
    auto [place, inserted] = result.terms_.emplace(monomial, coefficient);
    if (inserted)
      continue;
    place->second = add(place->second, coefficient);
    if (place->second.numerator == 0)
      result.terms_.erase(place);
  }
  result.atoms_.insert(other.atoms_.begin(), other.atoms_.end());
  result.drop_unused_atoms();
  return result;
}

Size Size::operator-(const Size& other) const {
  return *this + other * constant(-1);
}

Size Size::operator*(const Size& other) const {
  Size result;
  for (const auto& [left, a] : terms_) {
    for (const auto& [right, b] : other.terms_) {
      Monomial monomial = left;
      for (const auto& [key, power] : right)
        monomial[key] += power;
      const Rational product = multiply(a, b);
      auto [place, inserted] = result.terms_.emplace(std::move(monomial), product);
      if (inserted)
        continue;
      place->second = add(place->second, product);
      if (place->second.numerator == 0)
        result.terms_.erase(place);
    }
  }
  result.atoms_ = atoms_;
  result.atoms_.insert(other.atoms_.begin(), other.atoms_.end());
  result.drop_unused_atoms();
  return result;
}

Size Size::divided_by(std::int64_t value) const {
  Size result = *this;
  for (auto& [monomial, coefficient] : result.terms_)
    coefficient = multiply(coefficient, reduced(1, value));
  return result;
}

std::optional<std::int64_t> Size::as_constant() const {
  if (terms_.empty())
    return 0;
  if (terms_.size() != 1 || !terms_.begin()->first.empty())
    return std::nullopt;
  const Rational value = terms_.begin()->second;
  if (value.denominator != 1)
    return std::nullopt;
  return value.numerator;
}

Size Size::substitute(const std::map<std::string, Size>& replacements) const {
  Size result;
  for (const auto& [monomial, coefficient] : terms_) {
    Size term = constant(coefficient.numerator).divided_by(coefficient.denominator);
    for (const auto& [key, power] : monomial) {
      const auto replacement = replacements.find(key);
      const Size factor = replacement != replacements.end() ? replacement->second : atom(atoms_.at(key));
      for (int i = 0; i < power; ++i)
        term = term * factor;
    }
    result = result + term;
  }
  return result;
}

std::string Size::text() const {
  if (terms_.empty())
    return "0";
  // The terms with atoms first, the constant last, as people write it.
  std::string result;
  auto append = [&](const Monomial& monomial, Rational coefficient) {
    const bool negative = coefficient.numerator < 0;
    const std::int64_t magnitude = negative ? -coefficient.numerator : coefficient.numerator;
    if (result.empty()) {
      if (negative)
        result += "-";
    } else {
      result += negative ? " - " : " + ";
    }
    std::string factors;
    for (const auto& [key, power] : monomial) {
      if (!factors.empty())
        factors += " * ";
      factors += key;
      if (power > 1)
        factors += "^" + std::to_string(power);
    }
    if (magnitude != 1 || factors.empty()) {
      factors = factors.empty() ? std::to_string(magnitude) : std::to_string(magnitude) + " * " + factors;
    }
    result += factors;
    if (coefficient.denominator != 1)
      result += " / " + std::to_string(coefficient.denominator);
  };
  bool constant_first = true; // `1 - K` would read oddly as `-K + 1`
  for (const auto& [monomial, coefficient] : terms_) {
    if (!monomial.empty() && coefficient.numerator > 0)
      constant_first = false;
  }
  const auto constant_term = terms_.find({});
  if (constant_first && constant_term != terms_.end())
    append({}, constant_term->second);
  for (const bool negative : {false, true}) {
    for (const auto& [monomial, coefficient] : terms_) {
      if (!monomial.empty() && (coefficient.numerator < 0) == negative)
        append(monomial, coefficient);
    }
  }
  if (!constant_first && constant_term != terms_.end())
    append({}, constant_term->second);
  return result;
}

void Size::drop_unused_atoms() {
  for (auto place = atoms_.begin(); place != atoms_.end();) {
    bool used = false;
    for (const auto& [monomial, coefficient] : terms_)
      used = used || monomial.count(place->first) != 0;
    place = used ? std::next(place) : atoms_.erase(place);
  }
}

} // namespace vmodel::check
