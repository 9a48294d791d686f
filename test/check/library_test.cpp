// The standard library: every item parses and checks, used or not, and sizes have their normal form.
#include "compiler/check/check.h"
#include "compiler/check/facts.h"
#include "compiler/diagnostics/render.h"

#include <gtest/gtest.h>

namespace vmodel::check {
namespace {

TEST(Library, EveryItemIsWellFormed) {
  SourceManager sources;
  DiagnosticEngine diagnostics(100);
  const Library library(sources);
  check_library(library, diagnostics);
  EXPECT_FALSE(diagnostics.has_errors()) << render_text(diagnostics, sources);
  EXPECT_GT(library.names().size(), 100U);
}

TEST(Library, NamesAreFound) {
  SourceManager sources;
  const Library library(sources);
  EXPECT_TRUE(library.contains("normal"));
  EXPECT_FALSE(library.contains("nromal"));
  EXPECT_GE(library.find("sum").size(), 4U);
  EXPECT_TRUE(library.find("nromal").empty());
}

Size named(const std::string& name) {
  return Size::atom({name, nullptr, nullptr});
}

TEST(Sizes, AreEqualAsPolynomials) {
  const Size n = named("N"), m = named("M"), one = Size::constant(1);
  EXPECT_EQ((n + one) * (n - one), n * n - one);
  EXPECT_EQ((n * (n + one)).divided_by(2) + (n * (n - one)).divided_by(2), n * n);
  EXPECT_FALSE(n == m);
  EXPECT_EQ((n - n).as_constant(), 0);
  EXPECT_EQ((n * m + m).substitute({{"N", one}}), m * Size::constant(2));
}

TEST(Sizes, ReadAsPeopleWriteThem) {
  const Size n = named("N"), k = named("K"), one = Size::constant(1);
  EXPECT_EQ((k - one).text(), "K - 1");
  EXPECT_EQ((one - k).text(), "1 - K");
  EXPECT_EQ((n * k + Size::constant(2) * k).text(), "2 * K + K * N");
  EXPECT_EQ((n * (n + one)).divided_by(2).text(), "N / 2 + N^2 / 2");
}

TEST(Facts, FollowFromDeclarationsAndRequire) {
  const Size n = named("N"), k = named("K"), j = named("J"), one = Size::constant(1);
  Facts facts;
  EXPECT_FALSE(facts.equal(n, j));
  facts.add_equal(n, j + one);
  EXPECT_TRUE(facts.equal(n - one, j));
  facts.add_bounds("K", {{one}, {n}});
  EXPECT_TRUE(facts.at_most(k, n));
  EXPECT_TRUE(facts.at_most(k - one, n));
  EXPECT_FALSE(facts.at_most(k + one, n));
  EXPECT_FALSE(facts.nonnegative(k - Size::constant(2)));
  facts.add_nonnegative(k - Size::constant(2));
  EXPECT_TRUE(facts.nonnegative(k - Size::constant(2)));
}

} // namespace
} // namespace vmodel::check
