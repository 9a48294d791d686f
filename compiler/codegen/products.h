// Sums of logarithms as logarithms of products: one logarithm for hundreds of terms.
#pragma once

#include "compiler/codegen/math.h"
#include "compiler/ir/module.h"
#include "compiler/ir/ranges.h"

#include <functional>
#include <optional>
#include <set>
#include <vector>

namespace vmodel::codegen {

/// One sum of logarithms log(a) and log1p(u), u >= 0, of a loop. Beside the sum a loop carries the product of the a and
/// the product of the 1 + u, less one, which keeps the digits of small u.
///
/// Products must stay far from the ends of the range of doubles. Where the ranges of the factors are known, their
/// logarithm is taken every so many iterations. Elsewhere every product is compared, and where one would leave the
/// range, or a factor is no positive number, the logarithms of the product and of the factors are taken one by one:
/// zero, infinities, negative numbers and NaN give what the sum of their logarithms gives.
struct LogarithmSum {
  std::vector<const ir::Op*> logs, log1ps;
  int block = 0; // iterations after which the logarithm is taken; zero: compare every product

  std::size_t carried() const { return 1 + (logs.empty() ? 0 : 1) + (log1ps.empty() ? 0 : 1); }
};

/// The logarithms that a yielded value of a region is the sum of, if it is nothing else and they serve for nothing
/// else. What is not to be emitted is added to `skipped`.
std::optional<LogarithmSum> find_logarithms(const ir::Region& body, ir::ValueId yield, const std::vector<int>& uses,
                                            ir::Ranges& ranges, std::set<const ir::Op*>& skipped);

/// Emits what a loop carries for one sum: the sum, then the products.
class LogarithmEmitter {
public:
  /// The values of an operand, in lanes, in each of the iterations that are carried out at once.
  using Operands = std::function<std::vector<llvm::Value*>(ir::ValueId)>;
  LogarithmEmitter(llvm::IRBuilder<>& builder, MathEmitter& math, const LogarithmSum& sum)
      : builder_(builder), math_(math), sum_(sum) {}

  std::vector<llvm::Value*> initial(llvm::Value* zero) const;
  /// After `copies` iterations whose operands are emitted. `index` counts iterations from zero where there is a block,
  /// which the copies divide; `active` are the lanes that count (null: all).
  std::vector<llvm::Value*> next(const std::vector<llvm::Value*>& carried, llvm::Value* index, std::size_t copies,
                                 llvm::Value* active, const Operands& operands);
  llvm::Value* finish(const std::vector<llvm::Value*>& carried);

private:
  llvm::Value* in_range(llvm::Value* product);

  llvm::IRBuilder<>& builder_;
  MathEmitter& math_;
  const LogarithmSum& sum_;
};

} // namespace vmodel::codegen
