// Sizes of axes and their normal form. Interface header.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vmodel::check {

struct Expr;
struct Declaration;

/// Something that a size can name and that the normal form does not look into: an int scalar (data,
/// loop index, int parameter, size name bound by a signature) or an uninterpreted int expression over
/// such (`m[i]`, `sum(m)`, `div(D, 2)`). Two atoms are the same when their keys are.
struct SizeAtom {
  std::string key;                          // canonical text, e.g. "N", "m[i]", "div(D,2)"; unique within a scope
  const Declaration* declaration = nullptr; // for a bare name
  const Expr* expression = nullptr;         // otherwise: how to compute it
};

/// An exact rational number; denominators stay small (sizes are integers, halves come from D*(D+1)/2).
struct Rational {
  std::int64_t numerator = 0;
  std::int64_t denominator = 1; // positive, coprime to the numerator
  bool operator==(const Rational&) const = default;
};

/// A size: a polynomial with rational coefficients over atoms, in normal form, so that two sizes are
/// equal exactly when the representations are.
class Size {
public:
  /// A product of powers of atoms, by key.
  using Monomial = std::map<std::string, int>;

  Size() = default;
  static Size constant(std::int64_t value);
  static Size atom(SizeAtom atom);

  Size operator+(const Size& other) const;
  Size operator-(const Size& other) const;
  Size operator*(const Size& other) const;
  Size divided_by(std::int64_t value) const;

  std::optional<std::int64_t> as_constant() const;
  bool operator==(const Size& other) const { return terms_ == other.terms_; }

  const std::map<Monomial, Rational>& terms() const { return terms_; }
  /// The atoms by key (of this size; kept so that lowering can compute it).
  const std::map<std::string, SizeAtom>& atoms() const { return atoms_; }
  /// Replaces atoms by sizes (binding of a signature's size names at a call).
  Size substitute(const std::map<std::string, Size>& replacements) const;
  /// As people write it: `N`, `K - 1`, `div(D, 2) + 1`.
  std::string text() const;

private:
  void drop_unused_atoms();

  std::map<Monomial, Rational> terms_;
  std::map<std::string, SizeAtom> atoms_;
};

using Shape = std::vector<Size>;

} // namespace vmodel::check
