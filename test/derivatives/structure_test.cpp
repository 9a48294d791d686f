// Loops, arrays, memory and branches: derivatives against differences, forward against reverse,
// first and second.
#include "test/derivatives/derivative_check.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace vmodel::passes {
namespace {

using ir::Array;

#define EXPECT_DERIVATIVES(text, ...) EXPECT_EQ(check_derivatives(text, __VA_ARGS__), "")

const Array data = Array::vector({0.7, -0.4, 1.3, 0.2, -1.1});

TEST(Structure, MapWithInvariantParameters) {
  EXPECT_DERIVATIVES(R"(
func @f(%N: index load, %y: f64[%N] load, %z: f64[2] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %1 = constant 1 : index
  %s = reduce add (%n < %N) -> f64 {
    %mu = load %z[%0] : f64
    %u = load %z[%1] : f64
    %sigma = exp %u : f64
    %y.n = load %y[%n] : f64
    %d = sub %y.n, %mu : f64
    %e = div %d, %sigma : f64
    %q = square %e : f64
    %half = constant -0.5 : f64
    %h = mul %q, %half : f64
    %lp = sub %h, %u : f64
    yield %lp
  }
  store %value[], %s
  yield
}
)",
                     {{"N", Array::index(5)}, {"y", data}, {"z", Array::vector({0.3, -0.2})}});
}

TEST(Structure, LoopWithoutIterations) {
  // Reading z[k] before the loop must not read out of bounds: k is -1 where N is zero.
  EXPECT_DERIVATIVES(R"(
func @f(%N: index load, %z: f64[2] particle, %value: &f64 particle) {
  %1 = constant 1 : index
  %k = sub %N, %1 : index
  %s = reduce add (%n < %N) -> f64 {
    %x = load %z[%k] : f64
    %e = exp %x : f64
    yield %e
  }
  %c = load %z[%1] : f64
  %t = add %s, %c : f64
  store %value[], %t
  yield
}
)",
                     {{"N", Array::index(0)}, {"z", Array::vector({0.3, -0.2})}});
}

TEST(Structure, SumTimesOuterFactor) {
  EXPECT_DERIVATIVES(R"(
func @f(%N: index load, %y: f64[%N] load, %a: f64 particle, %b: f64 particle, %value: &f64 particle) {
  %s, %t = reduce add (%n < %N) -> f64, f64 {
    %y.n = load %y[%n] : f64
    %d = sub %y.n, %a : f64
    %q = mul %d, %d : f64
    %r = mul %d, %b : f64
    %w = sin %r : f64
    yield %q, %w
  }
  %u = mul %s, %b : f64
  %v = mul %u, %t : f64
  %p = reduce add (%n.2 < %N) -> f64 {
    %y.m = load %y[%n.2] : f64
    %g = mul %y.m, %a : f64
    %g.2 = cos %g : f64
    yield %g.2
  }
  %pp = square %p : f64
  %x = add %v, %pp : f64
  store %value[], %x
  yield
}
)",
                     {{"N", Array::index(5)}, {"y", data}, {"a", Array::scalar(0.3)}, {"b", Array::scalar(1.2)}});
}

TEST(Structure, InvariantFactorsOfLongProducts) {
  // (((-t) y) b): b is applied to t before the loop, and the sign survives.
  EXPECT_DERIVATIVES(R"(
func @f(%N: index load, %y: f64[%N] load, %a: f64 particle, %b: f64 particle, %value: &f64 particle) {
  %s = reduce add (%n < %N) -> f64 {
    %y.n = load %y[%n] : f64
    %m = neg %a : f64
    %p = mul %m, %y.n : f64
    %q = neg %p : f64
    %r = mul %q, %b : f64
    %e = exp %b : f64
    %r.2 = div %r, %e : f64
    %r.3 = mul %y.n, %r.2 : f64
    yield %r.3
  }
  store %value[], %s
  yield
}
)",
                     {{"N", Array::index(5)}, {"y", data}, {"a", Array::scalar(0.3)}, {"b", Array::scalar(1.2)}});
}

TEST(Structure, MatrixVectorProductWithinMap) {
  EXPECT_DERIVATIVES(R"(
func @f(%N: index load, %K: index load, %X: f64[%N, %K] load, %beta: f64[%K] particle, %value: &f64 particle) {
  %m = build (%n < %N) -> f64[%N] {
    %eta = reduce add (%k < %K) -> f64 {
      %x = load %X[%n, %k] : f64
      %b = load %beta[%k] : f64
      %p = mul %x, %b : f64
      yield %p
    }
    %t = tanh %eta : f64
    yield %t
  }
  %s = reduce add (%n.2 < %N) -> f64 {
    %v = load %m[%n.2] : f64
    %i = constant 0 : index
    %b0 = load %beta[%i] : f64
    %w = mul %v, %b0 : f64
    %q = square %w : f64
    yield %q
  }
  store %value[], %s
  yield
}
)",
                     {{"N", Array::index(3)},
                      {"K", Array::index(2)},
                      {"X", {{3, 2}, {1, -0.3, 0.4, 2, -1, 0.6}, {}}},
                      {"beta", Array::vector({0.5, -0.8})}});
}

TEST(Structure, GatherWithRepeatedIndices) {
  EXPECT_DERIVATIVES(
      R"(
func @f(%N: index load, %at: index[%N] load, %a: f64[3] particle, %value: &f64 particle) {
  %s = reduce add (%n < %N) -> f64 {
    %i = load %at[%n] : index
    %x = load %a[%i] : f64
    %e = exp %x : f64
    %q = mul %e, %x : f64
    yield %q
  }
  store %value[], %s
  yield
}
)",
      {{"N", Array::index(5)}, {"at", Array::indices({2, 0, 2, 2, 0})}, {"a", Array::vector({0.5, -0.8, 0.1})}});
}

TEST(Structure, IndexThatDependsOnParameters) {
  EXPECT_DERIVATIVES(R"(
func @f(%a: f64[3] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %x = load %a[%0] : f64
  %i = to_index %x : index
  %y = load %a[%i] : f64
  %z = mul %y, %x : f64
  store %value[], %z
  yield
}
)",
                     {{"a", Array::vector({2.5, -0.8, 0.1})}});
}

TEST(Structure, LargestAndSmallestElement) {
  EXPECT_DERIVATIVES(R"(
func @f(%N: index load, %a: f64[%N] particle, %b: f64 particle, %high: &f64 particle, %low: &f64 particle) {
  %h = reduce max (%n < %N) -> f64 {
    %x = load %a[%n] : f64
    %y = mul %x, %b : f64
    %e = exp %y : f64
    yield %e
  }
  %q, %r = reduce min (%n.2 < %N) -> f64, f64 {
    %x.2 = load %a[%n.2] : f64
    %s = sin %x.2 : f64
    %t = mul %x.2, %x.2 : f64
    yield %s, %t
  }
  %l = mul %q, %r : f64
  store %high[], %h
  store %low[], %l
  yield
}
)",
                     {{"N", Array::index(4)}, {"a", Array::vector({0.5, -0.8, 0.1, 0.3})}, {"b", Array::scalar(1.4)}});
}

TEST(Structure, LargestOfEqualElementsIsTheFirst) {
  const ir::Module module = module_of(R"(
func @f(%a: f64[2, 2] particle, %value: &f64 particle) {
  %2 = constant 2 : index
  %h = reduce max (%i < %2, %j < %2) -> f64 {
    %x = load %a[%i, %j] : f64
    yield %x
  }
  store %value[], %h
  yield
}
)");
  std::vector<DerivativeError> errors;
  ir::Module adjoint;
  adjoint.functions.push_back(
      gradient(module, module.functions[0], {.of = {{"value", ""}}, .wrt = {{"a", "d"}}, .keep = {}}, errors));
  const ir::Arrays result = evaluate(adjoint, "f", {{"a", {{2, 2}, {1, 3, 3, 3}, {}}}});
  EXPECT_EQ(result.at("d").numbers, (std::vector<double>{0, 1, 0, 0}));
}

TEST(Structure, LogSumExp) {
  EXPECT_DERIVATIVES(R"(
func @f(%N: index load, %a: f64[%N] particle, %value: &f64 particle) {
  %m = reduce max (%n < %N) -> f64 {
    %x = load %a[%n] : f64
    yield %x
  }
  %s = reduce add (%n.2 < %N) -> f64 {
    %x.2 = load %a[%n.2] : f64
    %d = sub %x.2, %m : f64
    %e = exp %d : f64
    yield %e
  }
  %l = log %s : f64
  %r = add %l, %m : f64
  store %value[], %r
  yield
}
)",
                     {{"N", Array::index(4)}, {"a", Array::vector({0.5, -0.8, 0.1, 0.3})}});
}

// --- Recurrences ------------------------------------------------------------------------------------

TEST(Structure, CarriedValues) {
  EXPECT_DERIVATIVES(R"(
func @f(%T: index load, %y: f64[%T] load, %a: f64 particle, %b: f64 particle, %last: &f64 particle, %sum: &f64 particle) {
  %zero = constant 0 : f64
  %i = constant 0 : index
  %p, %q, %k = loop (%t < %T) carry (%x = %a, %s = %zero, %c = %i) -> f64, f64, index {
    %y.t = load %y[%t] : f64
    %bx = mul %b, %x : f64
    %n = add %bx, %y.t : f64
    %n.2 = tanh %n : f64
    %w = to_real %c : f64
    %n.3 = mul %n.2, %w : f64
    %one = constant 1 : f64
    %n.4 = add %n.3, %one : f64
    %s.2 = add %s, %n.4 : f64
    %1 = constant 1 : index
    %c.2 = add %c, %1 : index
    yield %n.4, %s.2, %c.2
  }
  store %last[], %p
  store %sum[], %q
  yield
}
)",
                     {{"T", Array::index(5)}, {"y", data}, {"a", Array::scalar(0.4)}, {"b", Array::scalar(-0.7)}});
}

TEST(Structure, SwappedCarriedValues) {
  EXPECT_DERIVATIVES(R"(
func @f(%a: f64 particle, %b: f64 particle, %value: &f64 particle) {
  %3 = constant 3 : index
  %p, %q = loop (%t < %3) carry (%x = %a, %y = %b) -> f64, f64 {
    %e = exp %x : f64
    yield %y, %e
  }
  %r = mul %p, %q : f64
  %r.2 = mul %r, %p : f64
  store %value[], %r.2
  yield
}
)",
                     {{"a", Array::scalar(0.4)}, {"b", Array::scalar(-0.7)}});
}

TEST(Structure, ReverseLoop) {
  EXPECT_DERIVATIVES(R"(
func @f(%T: index load, %a: f64[%T] particle, %value: &f64 particle) {
  %zero = constant 0 : f64
  %p = loop reverse (%t < %T) carry (%x = %zero) -> f64 {
    %a.t = load %a[%t] : f64
    %e = exp %x : f64
    %n = mul %e, %a.t : f64
    yield %n
  }
  store %value[], %p
  yield
}
)",
                     {{"T", Array::index(4)}, {"a", Array::vector({0.5, -0.8, 0.1, 0.3})}});
}

TEST(Structure, WriteOnceArrayOfARecurrence) {
  // garch11: sigma[0] is data, sigma[t] comes from sigma[t - 1].
  EXPECT_DERIVATIVES(R"(
func @f(%T: index load, %y: f64[%T] load, %z: f64[4] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %1 = constant 1 : index
  %2 = constant 2 : index
  %3 = constant 3 : index
  %mu = load %z[%0] : f64
  %z1 = load %z[%1] : f64
  %alpha0 = exp %z1 : f64
  %z2 = load %z[%2] : f64
  %alpha1 = inv_logit %z2 : f64
  %z3 = load %z[%3] : f64
  %beta1 = inv_logit %z3 : f64
  %sigma = alloc (%T) -> &f64[%T]
  %first = constant 0.9 : f64
  store %sigma[%0], %first
  %T1 = sub %T, %1 : index
  loop (%t < %T1) {
    %y.t = load %y[%t] : f64
    %d = sub %y.t, %mu : f64
    %d2 = square %d : f64
    %v1 = mul %alpha1, %d2 : f64
    %s = load %sigma[%t] : f64
    %s2 = square %s : f64
    %v2 = mul %beta1, %s2 : f64
    %v3 = add %alpha0, %v1 : f64
    %v = add %v3, %v2 : f64
    %r = sqrt %v : f64
    %next = add %t, %1 : index
    store %sigma[%next], %r
    yield
  }
  %all = freeze %sigma : f64[%T]
  %lp = reduce add (%n < %T) -> f64 {
    %s.n = load %all[%n] : f64
    %y.n = load %y[%n] : f64
    %e = sub %y.n, %mu : f64
    %w = div %e, %s.n : f64
    %w2 = square %w : f64
    %half = constant -0.5 : f64
    %h = mul %half, %w2 : f64
    %l = log %s.n : f64
    %o = sub %h, %l : f64
    yield %o
  }
  store %value[], %lp
  yield
}
)",
                     {{"T", Array::index(5)}, {"y", data}, {"z", Array::vector({0.1, -0.5, 0.2, 0.3})}});
}

TEST(Structure, HiddenMarkovForwardAlgorithm) {
  EXPECT_DERIVATIVES(R"(
func @f(%T: index load, %K: index load, %y: f64[%T] load, %mu: f64[%K] particle, %A: f64[%K, %K] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %1 = constant 1 : index
  %gamma = alloc (%T, %K) -> &f64[%T, %K]
  reduce add (%k < %K) {
    %m = load %mu[%k] : f64
    %y0 = load %y[%0] : f64
    %d = sub %y0, %m : f64
    %q = square %d : f64
    %n = neg %q : f64
    store %gamma[%0, %k], %n
    yield
  }
  %T1 = sub %T, %1 : index
  loop (%t < %T1) {
    %next = add %t, %1 : index
    reduce add (%k.2 < %K) {
      %h = reduce max (%j < %K) -> f64 {
        %g = load %gamma[%t, %j] : f64
        %a = load %A[%j, %k.2] : f64
        %s = add %g, %a : f64
        yield %s
      }
      %stopped = stop %h : f64
      %w = reduce add (%j.2 < %K) -> f64 {
        %g.2 = load %gamma[%t, %j.2] : f64
        %a.2 = load %A[%j.2, %k.2] : f64
        %s.2 = add %g.2, %a.2 : f64
        %u = sub %s.2, %stopped : f64
        %e = exp %u : f64
        yield %e
      }
      %l = log %w : f64
      %lse = add %l, %stopped : f64
      %m.2 = load %mu[%k.2] : f64
      %y.t = load %y[%next] : f64
      %d.2 = sub %y.t, %m.2 : f64
      %q.2 = square %d.2 : f64
      %n.2 = sub %lse, %q.2 : f64
      store %gamma[%next, %k.2], %n.2
      yield
    }
    yield
  }
  %sum = reduce add (%k.3 < %K) -> f64 {
    %g.3 = load %gamma[%T1, %k.3] : f64
    %e.3 = exp %g.3 : f64
    yield %e.3
  }
  %r = log %sum : f64
  store %value[], %r
  yield
}
)",
                     {{"T", Array::index(4)},
                      {"K", Array::index(2)},
                      {"y", Array::vector({0.7, -0.4, 1.3, 0.2})},
                      {"mu", Array::vector({0.5, -0.3})},
                      {"A", {{2, 2}, {-0.2, -1.7, -0.9, -0.5}, {}}}});
}

TEST(Structure, RecurrenceInAMapInARecurrence) {
  EXPECT_DERIVATIVES(R"(
func @f(%T: index load, %y: f64[%T] load, %a: f64 particle, %b: f64[2] particle, %value: &f64 particle) {
  %2 = constant 2 : index
  %p = loop (%t < %T) carry (%x = %a) -> f64 {
    %s = reduce add (%i < %2) -> f64 {
      %b.i = load %b[%i] : f64
      %1 = constant 1 : index
      %n = add %t, %1 : index
      %q = loop (%u < %n) carry (%w = %x) -> f64 {
        %y.u = load %y[%u] : f64
        %m = mul %w, %b.i : f64
        %m.2 = add %m, %y.u : f64
        %m.3 = sin %m.2 : f64
        yield %m.3
      }
      %e = mul %q, %x : f64
      yield %e
    }
    yield %s
  }
  store %value[], %p
  yield
}
)",
                     {{"T", Array::index(3)},
                      {"y", Array::vector({0.7, -0.4, 1.3})},
                      {"a", Array::scalar(0.8)},
                      {"b", Array::vector({0.5, -0.9})}});
}

TEST(Structure, ReduceInBuildInLoop) {
  EXPECT_DERIVATIVES(R"(
func @f(%K: index load, %x: f64[%K] particle, %value: &f64 particle) {
  %3 = constant 3 : index
  %one = constant 1 : f64
  %p = loop (%t < %3) carry (%c = %one) -> f64 {
    %m = build (%i < %K) -> f64[%K] {
      %s = reduce add (%j < %K) -> f64 {
        %x.i = load %x[%i] : f64
        %x.j = load %x[%j] : f64
        %q = mul %x.i, %x.j : f64
        %r = mul %q, %c : f64
        %e = cos %r : f64
        yield %e
      }
      yield %s
    }
    %v = reduce add (%k < %K) -> f64 {
      %m.k = load %m[%k] : f64
      %g = mul %m.k, %m.k : f64
      yield %g
    }
    %tenth = constant 0.1 : f64
    %w = mul %v, %tenth : f64
    yield %w
  }
  store %value[], %p
  yield
}
)",
                     {{"K", Array::index(3)}, {"x", Array::vector({0.5, -0.9, 0.3})}});
}

// --- Memory ---------------------------------------------------------------------------------------

TEST(Structure, MutableArrayThatIsOverwritten) {
  // x[i] = sin(x[i] * x[0]) over and over: what is loaded must be saved.
  EXPECT_DERIVATIVES(R"(
func @f(%K: index load, %a: f64[%K] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %3 = constant 3 : index
  %x = alloc zeroed (%K) -> &f64[%K]
  reduce add (%i < %K) {
    %a.i = load %a[%i] : f64
    %e = exp %a.i : f64
    store %x[%i], %e
    yield
  }
  loop (%t < %3) {
    loop (%j < %K) {
      %x.j = load %x[%j] : f64
      %x.0 = load %x[%0] : f64
      %p = mul %x.j, %x.0 : f64
      %s = sin %p : f64
      store %x[%j], %s
      yield
    }
    yield
  }
  %r = reduce add (%k < %K) -> f64 {
    %x.k = load %x[%k] : f64
    %q = mul %x.k, %x.k : f64
    yield %q
  }
  store %value[], %r
  yield
}
)",
                     {{"K", Array::index(3)}, {"a", Array::vector({0.5, -0.9, 0.3})}});
}

TEST(Structure, MutableArrayOfFinalElements) {
  // A Cholesky factor of x x' + diag(a), column by column and backwards: what is loaded has its last value.
  EXPECT_DERIVATIVES(R"(
func @f(%K: index load, %x: f64[%K] load, %a: f64[%K] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %1 = constant 1 : index
  %half = constant 0.5 : f64
  %L = alloc zeroed (%K, %K) -> &f64[%K, %K]
  loop (%j < %K) {
    %a.j = load %a[%j] : f64
    %x.j = load %x[%j] : f64
    %square = mul %x.j, %x.j : f64
    %diagonal = exp %a.j : f64
    %pivot = add %square, %diagonal : f64
    %done = reduce add (%k < %j) -> f64 {
      %l = load %L[%j, %k] : f64
      %l2 = mul %l, %l : f64
      yield %l2
    }
    %left = sub %pivot, %done : f64
    %root = sqrt %left : f64
    store %L[%j, %j], %root
    %after = add %j, %1 : index
    %rest = sub %K, %after : index
    loop reverse (%t < %rest) {
      %i = add %after, %t : index
      %x.i = load %x[%i] : f64
      %entry = mul %x.i, %x.j : f64
      %sum = reduce add (%m < %j) -> f64 {
        %p = load %L[%i, %m] : f64
        %q = load %L[%j, %m] : f64
        %r = mul %p, %q : f64
        yield %r
      }
      %e = sub %entry, %sum : f64
      %quotient = div %e, %root : f64
      store %L[%i, %j], %quotient
      yield
    }
    yield
  }
  %all = reduce add (%u < %K, %v < %K) -> f64 {
    %f = load %L[%u, %v] : f64
    %g = sin %f : f64
    yield %g
  }
  store %value[], %all
  yield
}
)",
                     {{"K", Array::index(4)},
                      {"x", Array::vector({0.5, -0.9, 0.3, 1.2})},
                      {"a", Array::vector({0.2, -0.3, 0.4, -0.1})}});
}

TEST(Structure, MutableArrayWhoseElementsChangeOnceMore) {
  // Each iteration changes what the one before has stored, forwards and backwards.
  for (const std::string order : {"", "reverse "})
    EXPECT_DERIVATIVES(R"(
func @f(%K: index load, %a: f64[%K] particle, %value: &f64 particle) {
  %1 = constant 1 : index
  %rest = sub %K, %1 : index
  %x = alloc zeroed (%K) -> &f64[%K]
  reduce add (%n < %K) {
    %a.n = load %a[%n] : f64
    store %x[%n], %a.n
    yield
  }
  loop )" + order + R"((%i < %rest) {
    %next = add %i, %1 : index
    %p = load %x[%i] : f64
    %q = load %x[%next] : f64
    %s = mul %p, %q : f64
    %t = sin %s : f64
    %u = add %t, %p : f64
    store %x[%i], %u
    store %x[%next], %t
    yield
  }
  %all = reduce add (%v < %K) -> f64 {
    %f = load %x[%v] : f64
    %g = mul %f, %f : f64
    yield %g
  }
  store %value[], %all
  yield
}
)",
                       {{"K", Array::index(4)}, {"a", Array::vector({0.5, -0.9, 0.3, 1.2})}});
}

TEST(Structure, MutableArrayInATriangularLoop) {
  // The inner extent depends on the outer index: the saved values need the largest.
  EXPECT_DERIVATIVES(R"(
func @f(%K: index load, %a: f64[%K] particle, %value: &f64 particle) {
  %x = alloc zeroed (%K) -> &f64[%K]
  loop (%t < %K) {
    %a.t = load %a[%t] : f64
    %1 = constant 1 : index
    %n = add %t, %1 : index
    loop (%j < %n) {
      %x.j = load %x[%j] : f64
      %p = mul %x.j, %a.t : f64
      %s = cos %p : f64
      store %x[%j], %s
      yield
    }
    yield
  }
  %r = reduce add (%k < %K) -> f64 {
    %x.k = load %x[%k] : f64
    yield %x.k
  }
  store %value[], %r
  yield
}
)",
                     {{"K", Array::index(3)}, {"a", Array::vector({0.5, -0.9, 0.3})}});
}

TEST(Structure, MutableArrayWithASumAsExtent) {
  // The inner extent is a sum over data that depends on the outer index.
  EXPECT_DERIVATIVES(
      R"(
func @f(%K: index load, %m: index[%K] load, %a: f64[4] particle, %value: &f64 particle) {
  %4 = constant 4 : index
  %x = alloc zeroed (%4) -> &f64[4]
  loop (%t < %K) {
    %a.t = load %a[%t] : f64
    %n = reduce add (%i < %t) -> index {
      %m.i = load %m[%i] : index
      yield %m.i
    }
    loop (%j < %n) {
      %x.j = load %x[%j] : f64
      %p = mul %x.j, %a.t : f64
      %s = cos %p : f64
      store %x[%j], %s
      yield
    }
    yield
  }
  %r = reduce add (%k < %4) -> f64 {
    %x.k = load %x[%k] : f64
    yield %x.k
  }
  store %value[], %r
  yield
}
)",
      {{"K", Array::index(4)}, {"m", Array::indices({1, 0, 2, 1})}, {"a", Array::vector({0.5, -0.9, 0.3, 0.7})}});
}

TEST(Structure, MutableArrayUnderACondition) {
  EXPECT_DERIVATIVES(R"(
func @f(%a: f64[3] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %3 = constant 3 : index
  %zero = constant 0 : f64
  %x = alloc zeroed () -> &f64
  %a.0 = load %a[%0] : f64
  store %x[], %a.0
  loop (%j < %3) {
    %a.j = load %a[%j] : f64
    %c = lt %zero, %a.j : boolean
    if %c {
      %x.j = load %x[] : f64
      %p = mul %x.j, %a.j : f64
      %s = exp %p : f64
      store %x[], %s
      yield
    } else {
      accumulate %x[], %a.j
      yield
    }
    yield
  }
  %r = load %x[] : f64
  %q = square %r : f64
  store %value[], %q
  yield
}
)",
                     {{"a", Array::vector({0.5, -0.9, 0.3})}});
}

TEST(Structure, MemoryInsideALoop) {
  EXPECT_DERIVATIVES(R"(
func @f(%K: index load, %a: f64[%K] particle, %value: &f64 particle) {
  %2 = constant 2 : index
  %r = reduce add (%i < %K) -> f64 {
    %a.i = load %a[%i] : f64
    %x = alloc zeroed () -> &f64
    store %x[], %a.i
    loop (%t < %2) {
      loop (%u < %2) {
        %x.0 = load %x[] : f64
        %p = mul %x.0, %a.i : f64
        %s = exp %p : f64
        store %x[], %s
        yield
      }
      yield
    }
    %o = load %x[] : f64
    yield %o
  }
  store %value[], %r
  yield
}
)",
                     {{"K", Array::index(2)}, {"a", Array::vector({0.3, -0.9})}});
}

TEST(Structure, MemoryIsReadAfterItsStoreInTheSameIteration) {
  // Every iteration overwrites what the one before read.
  EXPECT_DERIVATIVES(R"(
func @f(%K: index load, %a: f64[%K] particle, %value: &f64 particle) {
  %x = alloc zeroed () -> &f64
  %sum = alloc zeroed () -> &f64
  loop (%t < %K) {
    %a.t = load %a[%t] : f64
    %e = exp %a.t : f64
    store %x[], %e
    %x.t = load %x[] : f64
    %s = sin %x.t : f64
    accumulate %sum[], %s
    yield
  }
  %r = load %sum[] : f64
  store %value[], %r
  yield
}
)",
                     {{"K", Array::index(3)}, {"a", Array::vector({0.5, -0.9, 0.3})}});
}

TEST(Structure, MemoryIsOverwrittenAfterTheLoopThatReadsIt) {
  EXPECT_DERIVATIVES(R"(
func @f(%K: index load, %a: f64[%K] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %x = alloc zeroed (%K) -> &f64[%K]
  %a.0 = load %a[%0] : f64
  store %x[%0], %a.0
  %before = load %x[%0] : f64
  %r = reduce add (%t < %K) -> f64 {
    %a.t = load %a[%t] : f64
    %x.t = load %x[%t] : f64
    %p = mul %x.t, %a.t : f64
    %s = sin %p : f64
    yield %s
  }
  store %x[%0], %r
  %after = load %x[%0] : f64
  %q = mul %after, %before : f64
  store %value[], %q
  yield
}
)",
                     {{"K", Array::index(3)}, {"a", Array::vector({0.5, -0.9, 0.3})}});
}

TEST(Structure, SquaresWithOtherFactors) {
  for (const char* factor : {"0.5", "-0.5", "-0.25", "2"})
    EXPECT_DERIVATIVES(std::string(R"(
func @f(%N: index load, %y: f64[%N] load, %a: f64 particle, %value: &f64 particle) {
  %s = reduce add (%n < %N) -> f64 {
    %y.n = load %y[%n] : f64
    %d = sub %y.n, %a : f64
    %q = square %d : f64
    %c = constant )") + factor +
                           R"( : f64
    %h = mul %q, %c : f64
    yield %h
  }
  store %value[], %s
  yield
}
)",
                       {{"N", Array::index(5)}, {"y", data}, {"a", Array::scalar(0.3)}});
}

TEST(Structure, AccumulationThenReading) {
  EXPECT_DERIVATIVES(
      R"(
func @f(%N: index load, %at: index[%N] load, %a: f64[%N] particle, %value: &f64 particle) {
  %2 = constant 2 : index
  %h = alloc zeroed (%2) -> &f64[2]
  reduce add (%n < %N) {
    %i = load %at[%n] : index
    %x = load %a[%n] : f64
    %e = exp %x : f64
    accumulate %h[%i], %e
    yield
  }
  %f = freeze %h : f64[2]
  %p = reduce add (%k < %2) -> f64 {
    %v = load %f[%k] : f64
    %l = log %v : f64
    yield %l
  }
  store %value[], %p
  yield
}
)",
      {{"N", Array::index(4)}, {"at", Array::indices({1, 0, 1, 1})}, {"a", Array::vector({0.5, -0.9, 0.3, 0.1})}});
}

TEST(Structure, OutputsAreArraysAndAreReadBack) {
  EXPECT_DERIVATIVES(R"(
func @f(%K: index load, %a: f64[%K] particle, %x: &f64[%K] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  reduce add (%i < %K) {
    %a.i = load %a[%i] : f64
    %e = exp %a.i : f64
    store %x[%i], %e
    yield
  }
  %x.0 = load %x[%0] : f64
  %q = square %x.0 : f64
  store %value[], %q
  %one = constant 1 : f64
  accumulate %value[], %x.0
  yield
}
)",
                     {{"K", Array::index(3)}, {"a", Array::vector({0.5, -0.9, 0.3})}});
}

TEST(Structure, OutputIsStoredTwice) {
  EXPECT_DERIVATIVES(R"(
func @f(%a: f64 particle, %value: &f64 particle) {
  %e = exp %a : f64
  store %value[], %e
  %s = sin %a : f64
  store %value[], %s
  yield
}
)",
                     {{"a", Array::scalar(0.5)}});
}

// --- Branches -------------------------------------------------------------------------------------

TEST(Structure, BranchOnData) {
  for (const std::int64_t n : {0, 1})
    EXPECT_DERIVATIVES(R"(
func @f(%n: index load, %a: f64[2] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %1 = constant 1 : index
  %x = load %a[%0] : f64
  %y = load %a[%1] : f64
  %c = lt %0, %n : boolean
  %r, %s = if %c -> f64, f64 {
    %e = exp %x : f64
    %p = mul %e, %y : f64
    yield %p, %x
  } else {
    %l = sin %y : f64
    yield %l, %l
  }
  %q = mul %r, %s : f64
  store %value[], %q
  yield
}
)",
                       {{"n", Array::index(n)}, {"a", Array::vector({0.5, -0.9})}});
}

TEST(Structure, BranchOnParametersInALoop) {
  EXPECT_DERIVATIVES(R"(
func @f(%K: index load, %a: f64[%K] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %zero = constant 0 : f64
  %b = load %a[%0] : f64
  %s = reduce add (%i < %K) -> f64 {
    %x = load %a[%i] : f64
    %c = lt %zero, %x : boolean
    %r = if %c -> f64 {
      %l = log %x : f64
      %p = mul %l, %b : f64
      yield %p
    } else {
      %e = neg %x : f64
      %q = sqrt %e : f64
      yield %q
    }
    yield %r
  }
  store %value[], %s
  yield
}
)",
                     {{"K", Array::index(3)}, {"a", Array::vector({0.5, -0.9, 0.3})}});
}

// --- Lanes ----------------------------------------------------------------------------------------

TEST(Structure, FamilyParameters) {
  EXPECT_DERIVATIVES(R"(
func @f(%D: index load, %phi: f64[%D] step, %scale: f64 step, %z: &f64[%D] particle, %log_q: &f64 particle) {
  %0 = constant 0 : index
  %s = exp %scale : f64
  %l = reduce add (%i < %D) -> f64 {
    %m = load %phi[%i] : f64
    %e = random normal 3, %i, %0 : f64
    %p = mul %s, %e : f64
    %x = add %m, %p : f64
    store %z[%i], %x
    %t = mul %x, %scale : f64
    %q = sin %t : f64
    yield %q
  }
  %o = sub %l, %scale : f64
  store %log_q[], %o
  yield
}
)",
                     {{"D", Array::index(3)}, {"phi", Array::vector({0.5, -0.9, 0.3})}, {"scale", Array::scalar(0.4)}});
}

TEST(Structure, SumOverLanes) {
  // The evaluator has one lane; what is checked is that first and second derivatives pass through.
  EXPECT_DERIVATIVES(R"(
func @f(%a: f64[2] particle, %value: &f64 particle) {
  %0 = constant 0 : index
  %1 = constant 1 : index
  %x = load %a[%0] : f64
  %y = load %a[%1] : f64
  %e = exp %x : f64
  %s = lane_sum %e : f64
  %p = mul %s, %y : f64
  %q = sin %p : f64
  store %value[], %q
  yield
}
)",
                     {{"a", Array::vector({0.5, -0.9})}});
}

TEST(Structure, SelectAndStop) {
  EXPECT_DERIVATIVES(R"(
func @f(%a: f64 particle, %b: f64 particle, %value: &f64 particle) {
  %c = lt %a, %b : boolean
  %e = exp %a : f64
  %s = sin %b : f64
  %x = select %c, %e, %s : f64
  %y = select %c, %b, %e : f64
  %p = mul %x, %y : f64
  store %value[], %p
  yield
}
)",
                     {{"a", Array::scalar(0.5)}, {"b", Array::scalar(0.9)}});
  const ir::Module module = module_of(R"(
func @f(%a: f64 particle, %value: &f64 particle) {
  %e = exp %a : f64
  %s = stop %e : f64
  %p = mul %s, %a : f64
  store %value[], %p
  yield
}
)");
  std::vector<DerivativeError> errors;
  ir::Module adjoint;
  adjoint.functions.push_back(
      gradient(module, module.functions[0], {.of = {{"value", ""}}, .wrt = {{"a", "d"}}, .keep = {}}, errors));
  EXPECT_EQ(evaluate(adjoint, "f", {{"a", Array::scalar(0.3)}}).at("d").numbers[0], std::exp(0.3));
}

} // namespace
} // namespace vmodel::passes
