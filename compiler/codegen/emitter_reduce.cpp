// Reduces: one iteration after the other, or several at once (jam.h).
#include "compiler/codegen/emitter.h"
#include "compiler/ir/rewrite.h"
#include "compiler/ir/typing.h"

#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/PatternMatch.h>

#include <algorithm>
#include <iterator>
#include <limits>

namespace vmodel::codegen {

using ir::Opcode;
using ir::Region;
using ir::ValueId;
using llvm::Value;

namespace {

/// A short sum is one whose additions are the longest part of it: so many at once are worth their code, and its
/// iterations have no more operations than this, addresses included.
constexpr int sums_of_product = 4;
constexpr std::size_t longest_product = 16;

} // namespace

/// What a result is before the first iteration.
Value* Emitter::identity_of(const ir::Op& reduce, ValueId result) {
  llvm::Type* type = element_type(function_.type(result).element);
  Value* identity = nullptr;
  if (reduce.symbol == "add") {
    identity = llvm::Constant::getNullValue(type);
  } else if (reduce.symbol == "max" || reduce.symbol == "min") {
    const bool max = reduce.symbol == "max";
    const double infinity = std::numeric_limits<double>::infinity();
    identity = type->isFloatingPointTy() ? static_cast<Value*>(llvm::ConstantFP::get(type, max ? -infinity : infinity))
                                         : llvm::ConstantInt::getSigned(type, max ? INT64_MIN : INT64_MAX);
  } else {
    identity = builder_.getInt1(reduce.symbol == "and");
  }
  return is_varying(result) ? widen(identity) : identity;
}

Value* Emitter::combine(const std::string& kind, Value* sum, Value* value) {
  const bool real = value->getType()->getScalarType()->isFloatingPointTy();
  if (kind == "add") {
    if (!real)
      return builder_.CreateAdd(sum, value);
    // The one place where the order of additions is free: LLVM vectorises such loops.
    llvm::IRBuilder<>::FastMathFlagGuard guard(builder_);
    llvm::FastMathFlags flags = builder_.getFastMathFlags();
    flags.setAllowReassoc(true);
    builder_.setFastMathFlags(flags);
    return plus(sum, value);
  }
  if (kind == "and")
    return builder_.CreateAnd(sum, value);
  if (kind == "or")
    return builder_.CreateOr(sum, value);
  if (real)
    return emit_min_max(sum, value, kind == "max");
  return builder_.CreateBinaryIntrinsic(kind == "max" ? llvm::Intrinsic::smax : llvm::Intrinsic::smin, sum, value);
}

/// A number and what is added to it. With AVX-512 a product that is zero where its factor is (strong_mul) is added
/// under a mask: one instruction for both.
Value* Emitter::plus(Value* sum, Value* value) {
  using namespace llvm::PatternMatch;
  if (!sum->getType()->getScalarType()->isFloatingPointTy())
    return builder_.CreateAdd(sum, value);
  Value *is_zero = nullptr, *product = nullptr, *positive = nullptr, *factor = nullptr;
  const bool is_negative = match(value, m_FNeg(m_Value(positive)));
  llvm::FCmpInst::Predicate predicate{};
  if (target_.lanes == 8 && sum->getType()->isVectorTy() &&
      match(is_negative ? positive : value, m_Select(m_Value(is_zero), m_PosZeroFP(), m_Value(product))) &&
      match(is_zero, m_FCmp(predicate, m_Value(factor), m_PosZeroFP())) && predicate == llvm::FCmpInst::FCMP_OEQ &&
      match(product, m_FMul(m_Specific(factor), m_Value())))
    return builder_.CreateSelect(builder_.CreateFCmpUNE(factor, llvm::Constant::getNullValue(factor->getType())),
                                 is_negative ? builder_.CreateFSub(sum, product) : builder_.CreateFAdd(sum, product),
                                 sum);
  return builder_.CreateFAdd(sum, value);
}

void Emitter::emit_reduce(const ir::Op& op) {
  if (!jam_ && emit_noise(op))
    return;
  const Region& body = op.regions[0];
  std::vector<Value*> extents;
  for (const ValueId operand : op.operands)
    extents.push_back(scalar(operand));
  if (jam_ && !in_copy_) {
    emit_shared(op, extents);
    return;
  }
  if (const std::optional<Rows> rows = find_rows(op, extents)) {
    emit_rows(op, *rows, extents);
    return;
  }
  Results results{op, find_logarithms(op)};
  if (const std::optional<Jam> jam = plan(op)) {
    results.sums = static_cast<std::size_t>(jam->sums);
    define_results(results, jammed_nest(op, *jam, extents, initial(results),
                                        [&](std::vector<Value*>& carried, Value* index, std::size_t copies) {
                                          add_iterations(results, carried, index, copies);
                                        }));
    return;
  }
  define_results(results, nest(extents, body.arguments, 0, initial(results), [&](std::vector<Value*> carried) {
                   emit_region(body);
                   add_iterations(results, carried, scalar(body.arguments.back()), 1);
                   return carried;
                 }));
}

/// The results that are sums of logarithms. A loop that has one lane stays free of the branches that products need:
/// LLVM may vectorise it.
std::vector<std::optional<LogarithmSum>> Emitter::find_logarithms(const ir::Op& op) {
  std::vector<std::optional<LogarithmSum>> found(op.results.size());
  if (lanes_ == 1 || op.symbol != "add")
    return found;
  if (uses_.empty())
    uses_ = ir::count_uses(function_);
  for (std::size_t i = 0; i < op.results.size(); ++i) {
    if (!is_varying(op.results[i]))
      continue;
    const Region& body = op.regions[0];
    found[i] = codegen::find_logarithms(body, body.yields[i], uses_, ranges_, skipped_);
    if (found[i] && op.operands.size() > 1)
      found[i]->block = 0; // the innermost index does not count all iterations
  }
  return found;
}

/// What a reduce carries before the first iteration: result by result, its sums, or a sum and products.
std::vector<Value*> Emitter::initial(const Results& results) {
  std::vector<Value*> carried;
  for (std::size_t i = 0; i < results.op.results.size(); ++i) {
    Value* identity = identity_of(results.op, results.op.results[i]);
    if (const auto& logarithms = results.logarithms[i])
      std::ranges::copy(LogarithmEmitter(builder_, math_, *logarithms).initial(identity), std::back_inserter(carried));
    else
      carried.insert(carried.end(), results.sums, identity);
  }
  return carried;
}

/// Adds what iterations yield, the first of which is `index`: those of all copies, or of one iteration.
void Emitter::add_iterations(const Results& results, std::vector<Value*>& carried, Value* index, std::size_t copies) {
  const std::vector<ValueId>& yields = results.op.regions[0].yields;
  // Of each copy in turn; outside of copies there is one.
  const auto each = [&](const std::function<void(std::size_t)>& visit) {
    if (copies == 1)
      return visit(0);
    for (copy_ = 0; copy_ < copies; ++copy_)
      visit(copy_);
    copy_ = 0;
  };
  // Plain sums first: products of logarithms end the block of code, and a product becomes one operation with the
  // addition that follows only where both stand in one block.
  for (const bool of_logarithms : {false, true}) {
    auto first = carried.begin();
    for (std::size_t i = 0; i < yields.size(); ++i) {
      const auto& logarithms = results.logarithms[i];
      const auto end = first + static_cast<std::ptrdiff_t>(logarithms ? logarithms->carried() : results.sums);
      if (logarithms && of_logarithms) {
        const auto operands = [&](ValueId v) {
          std::vector<Value*> values;
          each([&](std::size_t) { values.push_back(widened(v)); });
          return values;
        };
        std::ranges::copy(
            LogarithmEmitter(builder_, math_, *logarithms).next({first, end}, index, copies, mask_, operands), first);
      } else if (!logarithms && !of_logarithms) {
        each([&](std::size_t copy) {
          Value*& sum = first[static_cast<std::ptrdiff_t>(copy % results.sums)];
          Value* value = scalar(yields[i]);
          if (is_of_rows(results.op))
            value = if_active(value, identity_of(results.op, results.op.results[i]));
          sum = combine(results.op.symbol, sum, sum->getType()->isVectorTy() ? widen(value) : value);
        });
      }
      first = end;
    }
  }
}

/// Several sums of a result are combined in a tree.
void Emitter::define_results(const Results& results, const std::vector<Value*>& carried) {
  auto first = carried.begin();
  for (std::size_t i = 0; i < results.op.results.size(); ++i) {
    const auto& logarithms = results.logarithms[i];
    const auto end = first + static_cast<std::ptrdiff_t>(logarithms ? logarithms->carried() : results.sums);
    std::vector<Value*> parts(first, end);
    first = end;
    if (logarithms)
      parts[0] = LogarithmEmitter(builder_, math_, *logarithms).finish(parts);
    else
      for (std::size_t half = results.sums / 2; half >= 1; half /= 2)
        for (std::size_t k = 0; k < half; ++k)
          parts[k] = combine(results.op.symbol, parts[k], parts[k + half]);
    if (is_of_rows(results.op))
      set_scalar(results.op.results[i], across_lanes(results.op.symbol, parts[0]));
    else
      define(results.op.results[i], parts[0]);
  }
}

/// How many iterations are carried out at once; none: one after the other. Elements of an array do not wait for each
/// other, so they gain only from what they share.
std::optional<Jam> Emitter::plan(const ir::Op& op) const {
  if (jams_ == Jams::none || jam_)
    return std::nullopt;
  std::optional<Jam> jam = plan_jam(function_, *varying_, lanes_, target_, op, skipped_);
  const bool is_sum = op.opcode == Opcode::reduce_ && !op.results.empty();
  const bool all = jams_ == Jams::all && op.opcode == Opcode::reduce_;
  // A product of two vectors: each of its additions would wait for the one before.
  const bool is_product =
      is_sum && lanes_ > 1 && jam && jam->sums >= sums_of_product && op.regions[0].ops.size() <= longest_product;
  return jam && (all || is_product || !jam->shared.empty()) ? jam : std::nullopt;
}

/// As many iterations of the innermost index at once as the plan says, then the rest: in pairs where each of them goes
/// through a loop inside, which a row alone would spend on loads and stores; and one by one. Around a loop inside the
/// other indices run for each of these blocks, so that a few columns of a matrix stay in the first cache for all rows.
std::vector<Value*> Emitter::jammed_nest(const ir::Op& op, const Jam& jam, const std::vector<Value*>& extents,
                                         const std::vector<Value*>& carried, const Iterations& after_body) {
  const Region& body = op.regions[0];
  std::vector<Value*> outer(extents.begin(), extents.end() - 1);
  std::vector<Value*> inner;
  if (!jam.shared.empty())
    std::swap(outer, inner);
  Jam pair = jam;
  pair.copies = 2;
  return nest(outer, body.arguments, 0, carried, [&](const std::vector<Value*>& begun) {
    AfterLoop after = at_once(op, jam, {builder_.getInt64(0), begun}, inner, extents.back(), after_body);
    if (jam.copies > 2 && !jam.shared.empty())
      after = at_once(op, pair, after, inner, extents.back(), after_body);
    if (jam.copies == 1)
      return after.values;
    return stepped_loop(after.index, extents.back(), 1, after.values,
                        [&](Value* at, const std::vector<Value*>& before) {
                          set_scalar(body.arguments.back(), at);
                          return nest(inner, body.arguments, 0, before, [&](std::vector<Value*> values) {
                            emit_region(body);
                            after_body(values, at, 1);
                            return values;
                          });
                        })
        .values;
  });
}

/// Goes on with as many iterations at once as the plan says, until fewer are left; each time for all of the `inner`
/// indices.
Emitter::AfterLoop Emitter::at_once(const ir::Op& op, const Jam& jam, const AfterLoop& before,
                                    const std::vector<Value*>& inner, Value* extent, const Iterations& after_body) {
  const Region& body = op.regions[0];
  const auto copies = static_cast<std::size_t>(jam.copies);
  Value* end = builder_.CreateSub(extent, builder_.getInt64(copies - 1), "", false, true);
  return stepped_loop(
      before.index, end, jam.copies, before.values, [&](Value* first, const std::vector<Value*>& begun) {
        jam_ = &jam;
        jam_index_ = body.arguments.back();
        copies_.assign(copies, std::vector<Value*>(function_.values.size(), nullptr));
        lane_sums_.clear();
        for (copy_ = 0; copy_ < copies; ++copy_)
          place(jam_index_) = builder_.CreateAdd(first, builder_.getInt64(copy_), "", true, true);
        copy_ = 0;
        again_ = jam.reloads.empty() ? nullptr : opaque(first);
        std::vector<Value*> after = nest(inner, body.arguments, 0, begun, [&](std::vector<Value*> carried) {
          emit_region(body);
          after_body(carried, first, copies);
          return carried;
        });
        jam_ = nullptr;
        return after;
      });
}

/// A reduce inside of a jammed one: one loop for all copies.
void Emitter::emit_shared(const ir::Op& op, const std::vector<Value*>& extents) {
  const Region& body = op.regions[0];
  const auto count = [&](ValueId result) {
    return jam_->differs[result.id] ? static_cast<std::size_t>(jam_->copies) : std::size_t{1};
  };
  std::vector<Value*> initial;
  for (const ValueId result : op.results)
    initial.insert(initial.end(), count(result), identity_of(op, result));
  const std::vector<Value*> sums = nest(extents, body.arguments, 0, initial, [&](std::vector<Value*> carried) {
    emit_region(body);
    std::size_t at = 0;
    for (std::size_t i = 0; i < op.results.size(); ++i)
      for (copy_ = 0; copy_ < count(op.results[i]); ++copy_, ++at) {
        Value* value = scalar(body.yields[i]);
        carried[at] = combine(op.symbol, carried[at], carried[at]->getType()->isVectorTy() ? widen(value) : value);
      }
    copy_ = 0;
    return carried;
  });
  std::size_t at = 0;
  for (const ValueId result : op.results) {
    for (copy_ = 0; copy_ < count(result); ++copy_)
      define(result, sums[at++]);
    copy_ = 0;
  }
}

/// An operation in a jammed reduce: once, once for each copy, or a loop for all of them.
void Emitter::emit_copies(const ir::Op& op) {
  if (is_common_sum(op)) {
    emit_common_sum(op);
    return;
  }
  if (op.opcode == Opcode::lane_sum_ && lanes_ > 1 && jam_->repeated.contains(&op)) {
    emit_lane_sums(op);
    return;
  }
  if (emit_row_sum(op))
    return;
  if (!jam_->repeated.contains(&op)) {
    emit_op(op);
    return;
  }
  in_copy_ = true;
  const auto again = jam_->reloads.find(&op);
  for (copy_ = 0; copy_ < static_cast<std::size_t>(jam_->copies); ++copy_) {
    if (again == jam_->reloads.end()) {
      emit_op(op);
      continue;
    }
    std::vector<std::pair<ValueId, Value*>> before;
    for (const std::size_t position : again->second) {
      const ValueId operand = op.operands[position];
      before.emplace_back(operand, place(operand));
      place(operand) = load_again(*jam_->loads.at(operand.id));
    }
    emit_op(op);
    for (const auto& [operand, value] : before)
      place(operand) = value;
  }
  copy_ = 0;
  in_copy_ = false;
}

/// The same number, of which LLVM does not know that: what is loaded there is loaded again.
Value* Emitter::opaque(Value* index) {
  llvm::Type* type = index->getType();
  return builder_.CreateCall(llvm::InlineAsm::get(llvm::FunctionType::get(type, {type}, false), "", "=r,0", false),
                             {index});
}

/// A load at the loop's index, in the iteration of the copy.
Value* Emitter::load_again(const ir::Op& load) {
  Value*& index = place(jam_index_);
  Value* before = index;
  index = builder_.CreateAdd(again_, builder_.getInt64(copy_), "", true, true);
  is_again_ = true;
  Value* loaded =
      load_from(load.operands[0], address(load.operands[0], {load.operands.begin() + 1, load.operands.end()}));
  is_again_ = false;
  index = before;
  return loaded;
}

/// All copies add to the same element.
bool Emitter::is_common_sum(const ir::Op& op) const {
  if (op.opcode != Opcode::accumulate_)
    return false;
  for (std::size_t i = 0; i + 1 < op.operands.size(); ++i)
    if (jam_->differs[op.operands[i].id])
      return false;
  return true;
}

void Emitter::emit_common_sum(const ir::Op& op) {
  if (rows_) {
    Value* value = widened(op.operands.back());
    for (copy_ = 1; copy_ < static_cast<std::size_t>(jam_->copies); ++copy_)
      value = combine("add", value, widened(op.operands.back()));
    copy_ = 0;
    accumulate_rows(op, value);
    return;
  }
  const ValueId reference = op.operands[0];
  const Address at = address(reference, {op.operands.begin() + 1, op.operands.end() - 1});
  Value* sum = load_from(reference, at);
  for (copy_ = 0; copy_ < static_cast<std::size_t>(jam_->copies); ++copy_) {
    Value* value = scalar(op.operands.back());
    if (sum->getType()->isVectorTy())
      value = widen(value);
    sum = plus(sum, value);
  }
  copy_ = 0;
  store_to(reference, at, sum);
}

} // namespace vmodel::codegen
