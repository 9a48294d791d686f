#include "test/derivatives/random_program.h"

#include "compiler/ir/builder.h"

#include <vector>

namespace vmodel::passes {

using ir::Array;
using ir::Axis;
using ir::Builder;
using ir::Dim;
using ir::Element;
using ir::Opcode;
using ir::ValueId;

namespace {

constexpr std::int64_t length = 3;

class Generator {
public:
  explicit Generator(std::uint64_t seed) : state_(seed * 2 + 1) {}

  RandomProgram run() {
    RandomProgram program;
    program.module.functions.emplace_back();
    ir::Function& function = program.module.functions[0];
    function.name = std::string("f");
    Builder b(function);
    b_ = &b;
    extent_ = b.parameter("N", {Element::index, false, {}}, Axis::load);
    const Dim n{0, extent_};
    const ValueId y = b.parameter("y", {Element::f64, false, {n}}, Axis::load);
    at_ = b.parameter("at", {Element::index, false, {n}}, Axis::load);
    const ValueId a = b.parameter("a", {Element::f64, false, {n}}, Axis::particle);
    const ValueId small = b.parameter("b", {Element::f64, false, {Dim{2, {}}}}, Axis::particle);
    const ValueId c = b.parameter("c", {}, Axis::particle);
    const ValueId value = b.parameter("value", {Element::f64, true, {}}, Axis::particle);
    const ValueId x = b.parameter("x", {Element::f64, true, {n}}, Axis::particle);
    arrays_ = {y, a, a};
    scalars_ = {c, b.load(small, {b.index(0)}), b.load(small, {b.index(1)}), b.constant(0.7)};
    block(3, 9);
    ValueId sum = scalars_.back();
    for (int i = 0; i < 3; ++i)
      sum = b.add(sum, b.mul(scalar(), scalar()));
    b.store(value, {}, sum);
    b.for_each(std::vector<Dim>{n}, [&](Builder::Indices i) {
      const Scope scope(*this);
      indices_.push_back(i[0]);
      enter_map(true);
      block(1, 3);
      b.store(x, i, tame(b.mul(element(), scalar())));
    });
    b.yield({});
    const auto number = [&] { return static_cast<double>(pick(2000)) / 1000 - 1; };
    const auto vector = [&](int size) {
      std::vector<double> values;
      for (int i = 0; i < size; ++i)
        values.push_back(number());
      return Array::vector(values);
    };
    program.point = {
        {"N", Array::index(length)}, {"y", vector(length)}, {"at", Array::indices({pick(3), pick(3), pick(3)})},
        {"a", vector(length)},       {"b", vector(2)},      {"c", Array::scalar(number())}};
    return program;
  }

private:
  // What a region defines is out of scope after it.
  class Scope {
  public:
    explicit Scope(Generator& g)
        : g_(g), scalars_(g.scalars_), arrays_(g.arrays_), memory_(g.memory_), sums_(g.sums_), indices_(g.indices_) {}
    ~Scope() {
      g_.scalars_ = scalars_;
      g_.arrays_ = arrays_;
      g_.memory_ = memory_;
      g_.sums_ = sums_;
      g_.indices_ = indices_;
    }
    Scope(const Scope&) = delete;

  private:
    Generator& g_;
    std::vector<ValueId> scalars_, arrays_, memory_, sums_, indices_;
  };

  std::int64_t pick(std::int64_t count) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::int64_t>((state_ >> 33) % static_cast<std::uint64_t>(count));
  }
  ValueId one_of(const std::vector<ValueId>& list) {
    return list[static_cast<std::size_t>(pick(static_cast<std::int64_t>(list.size())))];
  }
  ValueId scalar() { return pick(3) == 0 ? element() : one_of(scalars_); }
  ValueId index() {
    if (!indices_.empty() && pick(4) != 0) {
      const ValueId i = one_of(indices_);
      return pick(3) == 0 ? b_->load(at_, {i}) : i;
    }
    return b_->index(pick(length));
  }
  ValueId element() { return b_->load(one_of(arrays_), {index()}); }
  ValueId tame(ValueId x) { return b_->unary(pick(2) ? Opcode::sin : Opcode::tanh, x); }
  void keep(ValueId x) { scalars_.push_back(x); }

  void arithmetic() {
    Builder& b = *b_;
    const ValueId x = scalar(), y = scalar();
    switch (pick(10)) {
    case 0: return keep(b.add(x, y));
    case 1: return keep(b.sub(x, y));
    case 2: return keep(tame(b.mul(x, y)));
    case 3: return keep(b.div(tame(x), b.add(b.constant(2), b.unary(Opcode::cos, y))));
    case 4: return keep(b.unary(Opcode::exp, tame(x)));
    case 5: return keep(b.unary(Opcode::log, b.add(b.constant(1.5), b.unary(Opcode::sin, x))));
    case 6: return keep(b.select(b.compare(Opcode::lt, x, b.constant(0.11)), tame(y), b.mul(x, x)));
    case 7: return keep(b.binary(pick(2) ? Opcode::min : Opcode::max, x, y));
    case 8: return keep(b.neg(x));
    default: return keep(b.unary(Opcode::sqrt, b.add(b.mul(x, x), b.constant(0.5))));
    }
  }

  void sum(int depth) {
    const std::vector<Dim> dims{Dim{0, extent_}};
    const bool extremum = pick(4) == 0;
    // Iterations of a map do not depend on each other: outer memory is only added to.
    for (ValueId v : b_->reduce(extremum ? (pick(2) ? "max" : "min") : "add", dims, [&](Builder::Indices i) {
           const Scope scope(*this);
           indices_.push_back(i[0]);
           enter_map(!extremum);
           block(depth - 1, 4);
           std::vector<ValueId> yields{tame(element())};
           if (pick(2))
             yields.push_back(tame(scalar()));
           return yields;
         }))
      keep(v);
  }

  void enter_map(bool may_add) {
    if (may_add)
      sums_.insert(sums_.end(), memory_.begin(), memory_.end());
    else
      sums_.clear();
    memory_.clear();
  }

  void array(int depth) {
    const std::vector<Dim> dims{Dim{0, extent_}};
    arrays_.push_back(b_->build(dims, Element::f64, [&](Builder::Indices i) {
      const Scope scope(*this);
      indices_.push_back(i[0]);
      enter_map(false);
      block(depth - 1, 4);
      return tame(scalar());
    }));
  }

  void recurrence(int depth) {
    const ValueId initial[] = {scalar(), tame(scalar())};
    const Dim extent{pick(2) ? Dim{0, extent_} : Dim{2, {}}};
    for (ValueId v : b_->loop(extent, initial, pick(2), [&](ValueId i, std::span<const ValueId> carried) {
           const Scope scope(*this);
           indices_.push_back(i);
           keep(carried[0]);
           keep(carried[1]);
           block(depth - 1, 5);
           return std::vector<ValueId>{tame(b_->add(carried[1], scalar())), tame(scalar())};
         }))
      keep(v);
  }

  // x[0] = s; x[t + 1] = f(x[t]): write-once memory, then an array.
  void filled(int depth) {
    Builder& b = *b_;
    const std::vector<Dim> dims{Dim{0, extent_}};
    const ValueId memory = b.alloc(dims, Element::f64, false);
    b.store(memory, std::vector<ValueId>{b.index(0)}, tame(scalar()));
    const Dim rest = b.dim(b.binary(Opcode::sub, extent_, b.index(1)));
    b.loop(rest, {}, false, [&](ValueId t, std::span<const ValueId>) {
      const Scope scope(*this);
      indices_.push_back(t);
      keep(b.load(memory, {t}));
      block(depth - 1, 3);
      const ValueId next = b.add(t, b.index(1));
      b.store(memory, std::vector<ValueId>{next}, tame(b.mul(scalar(), scalar())));
      return std::vector<ValueId>{};
    });
    arrays_.push_back(b.freeze(memory));
  }

  void mutable_memory() {
    const std::vector<Dim> dims{Dim{0, extent_}};
    memory_.push_back(b_->alloc(dims, Element::f64, true));
  }

  void write() {
    if (!sums_.empty() && pick(2))
      return b_->accumulate(one_of(sums_), std::vector<ValueId>{index()}, tame(scalar()));
    if (memory_.empty())
      return mutable_memory();
    const ValueId memory = one_of(memory_);
    const std::vector<ValueId> at{index()};
    switch (pick(3)) {
    case 0: return b_->store(memory, at, tame(scalar()));
    case 1: return b_->accumulate(memory, at, tame(scalar()));
    default: return keep(tame(b_->load(memory, at)));
    }
  }

  void branch(int depth) {
    const ValueId condition = b_->compare(Opcode::lt, scalar(), b_->constant(0.13));
    const auto side = [&] {
      const Scope scope(*this);
      block(depth - 1, 3);
      return std::vector<ValueId>{tame(scalar()), scalar()};
    };
    for (ValueId v : b_->if_(condition, side, side))
      keep(v);
  }

  void block(int depth, int size) {
    for (int i = 0; i < size; ++i)
      switch (depth > 0 ? pick(12) : pick(6)) {
      case 4:
      case 5: write(); break;
      case 6: sum(depth); break;
      case 7: array(depth); break;
      case 8: recurrence(depth); break;
      case 9: filled(depth); break;
      case 10: branch(depth); break;
      default: arithmetic(); break;
      }
  }

  Builder* b_ = nullptr;
  std::uint64_t state_;
  ValueId extent_, at_;
  std::vector<ValueId> scalars_, arrays_;
  std::vector<ValueId> memory_, sums_; // memory that may be read and written; memory that may be added to
  std::vector<ValueId> indices_;
};

} // namespace

RandomProgram random_program(std::uint64_t seed) {
  return Generator(seed).run();
}

} // namespace vmodel::passes
