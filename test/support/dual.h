// Forward-mode numbers, nested for second derivatives: exact derivatives for hand-written models.
#pragma once

#include <cmath>

namespace vmodel::test {

template <typename T>
struct Dual {
  T value{}, slope{};
  Dual() = default;
  Dual(double v) : value(v) {} // NOLINT: constants mix with duals
  Dual(T v, T s) : value(v), slope(s) {}
};
template <>
struct Dual<double> {
  double value = 0, slope = 0;
  Dual() = default;
  Dual(double v) : value(v) {} // NOLINT
  Dual(double v, double s) : value(v), slope(s) {}
};

template <typename T>
Dual<T> operator+(Dual<T> a, Dual<T> b) {
  return {a.value + b.value, a.slope + b.slope};
}
template <typename T>
Dual<T> operator-(Dual<T> a, Dual<T> b) {
  return {a.value - b.value, a.slope - b.slope};
}
template <typename T>
Dual<T> operator*(Dual<T> a, Dual<T> b) {
  return {a.value * b.value, a.slope * b.value + a.value * b.slope};
}
template <typename T>
Dual<T> operator/(Dual<T> a, Dual<T> b) {
  return {a.value / b.value, (a.slope - a.value / b.value * b.slope) / b.value};
}
template <typename T>
Dual<T> operator-(Dual<T> a) {
  return {-a.value, -a.slope};
}
template <typename T>
Dual<T> operator+(Dual<T> a, double b) {
  return a + Dual<T>(b);
}
template <typename T>
Dual<T> operator-(Dual<T> a, double b) {
  return a - Dual<T>(b);
}
template <typename T>
Dual<T> operator*(Dual<T> a, double b) {
  return a * Dual<T>(b);
}
template <typename T>
Dual<T> operator/(Dual<T> a, double b) {
  return a / Dual<T>(b);
}
template <typename T>
Dual<T> operator+(double a, Dual<T> b) {
  return Dual<T>(a) + b;
}
template <typename T>
Dual<T> operator-(double a, Dual<T> b) {
  return Dual<T>(a) - b;
}
template <typename T>
Dual<T> operator*(double a, Dual<T> b) {
  return Dual<T>(a) * b;
}
template <typename T>
Dual<T> operator/(double a, Dual<T> b) {
  return Dual<T>(a) / b;
}

using std::exp;
using std::log;
using std::log1p;
template <typename T>
Dual<T> exp(Dual<T> a) {
  const T r = exp(a.value);
  return {r, r * a.slope};
}
template <typename T>
Dual<T> log(Dual<T> a) {
  return {log(a.value), a.slope / a.value};
}
template <typename T>
Dual<T> log1p(Dual<T> a) {
  return {log1p(a.value), a.slope / (a.value + 1.0)};
}

using First = Dual<double>;
using Second = Dual<Dual<double>>;

} // namespace vmodel::test
