#include "test/support/vir_random.h"

#include "compiler/ir/builder.h"

#include <random>

namespace vmodel::ir {

namespace {

const Type real{Element::f64, false, {}};
const Type index_type{Element::index, false, {}};

class Generator {
public:
  Generator(Function& function, std::uint32_t seed) : b_(function), random_(seed) {}

  void kernel() {
    n_ = b_.parameter("n", index_type, Axis::load);
    m_ = b_.parameter("m", index_type, Axis::load);
    const ValueId x = b_.parameter("x", {Element::f64, false, {Dim{0, n_}}}, Axis::load);
    k_ = b_.parameter("k", {Element::index, false, {Dim{0, n_}}}, Axis::load);
    const ValueId s = b_.parameter("s", {Element::f64, false, {Dim{3, {}}}}, Axis::step);
    z_ = b_.parameter("z", {Element::f64, false, {Dim{4, {}}}}, Axis::particle);
    const ValueId value = b_.parameter("value", {Element::f64, true, {}}, Axis::particle);
    out_ = b_.parameter("out", {Element::f64, true, {Dim{0, n_}}}, Axis::particle);
    total_ = b_.parameter("total", {Element::f64, true, {Dim{4, {}}}}, Axis::particle);
    long_arrays_ = {x};
    short_arrays_ = {{s, 3}, {z_, 4}};
    scalars_ = {b_.constant(0.5), b_.load(z_, {b_.index(0)}), b_.load(s, {b_.index(1)})};
    block(12, 0);
    ValueId sum = b_.constant(0);
    for (int i = 0; i < 4; ++i)
      sum = b_.add(sum, scalar());
    b_.store(value, {}, sum);
    if (pick(2) == 0)
      b_.for_each(std::vector<Dim>{Dim{0, n_}},
                  [&](Builder::Indices i) { b_.store(out_, i, b_.load(long_array(), i)); });
    for (int i = 0; i < 4; ++i)
      b_.accumulate(total_, std::vector<ValueId>{b_.index(i)}, scalar());
    b_.yield({});
  }

private:
  std::size_t pick(std::size_t count) { return random_() % count; }
  ValueId scalar() { return scalars_[scalars_.size() - 1 - pick(std::min<std::size_t>(scalars_.size(), 8))]; }
  ValueId long_array() { return long_arrays_[pick(long_arrays_.size())]; }
  // An index below n, only inside of a loop over n.
  ValueId long_index() { return indices_[pick(indices_.size())]; }
  std::vector<Dim> extent() const { return {Dim{0, n_}}; }

  ValueId condition() {
    static const Opcode comparisons[] = {Opcode::lt, Opcode::le, Opcode::gt, Opcode::ge};
    if (!indices_.empty() && pick(3) == 0)
      return b_.compare(comparisons[pick(4)], b_.add(long_index(), b_.index(1)), m_);
    const ValueId result = b_.compare(comparisons[pick(4)], scalar(), scalar());
    return pick(4) == 0 ? b_.logical_not(result) : result;
  }

  void expression() {
    static const Opcode unary[] = {Opcode::neg,       Opcode::tanh,      Opcode::sin,    Opcode::abs,
                                   Opcode::log1p_exp, Opcode::inv_logit, Opcode::square, Opcode::atan};
    static const Opcode binary[] = {Opcode::add, Opcode::sub, Opcode::mul, Opcode::add,
                                    Opcode::max, Opcode::min, Opcode::div};
    switch (pick(8)) {
    case 0:
    case 1: scalars_.push_back(b_.unary(unary[pick(8)], scalar())); return;
    case 2:
    case 3: scalars_.push_back(b_.binary(binary[pick(7)], scalar(), scalar())); return;
    case 4: {
      const double values[] = {-1, 0, 1, 2, 0.25, -3.5};
      scalars_.push_back(
          b_.emit(pick(2) ? Opcode::mul : Opcode::add, {scalar(), b_.constant(values[pick(6)])}, {real})[0]);
      return;
    }
    case 5: scalars_.push_back(b_.select(condition(), scalar(), scalar())); return;
    case 6:
      if (!indices_.empty()) {
        ValueId at = long_index();
        if (pick(3) == 0)
          at = b_.load(k_, {at});
        if (pick(4) == 0)
          at = b_.sub(b_.add(at, b_.index(2)), b_.index(2));
        scalars_.push_back(b_.load(long_array(), {at}));
      } else {
        const auto& [array, size] = short_arrays_[pick(short_arrays_.size())];
        scalars_.push_back(b_.load(array, {b_.index(static_cast<std::int64_t>(pick(size)))}));
      }
      return;
    default:
      scalars_.push_back(b_.unary(Opcode::tanh, b_.to_real(indices_.empty() ? m_ : b_.mul(long_index(), m_))));
      return;
    }
  }

  // What is made inside of a region is not in scope after it.
  template <typename Body>
  auto scoped(Body&& body) {
    const auto scalars = scalars_;
    const auto arrays = long_arrays_;
    const auto shorts = short_arrays_;
    const auto indices = indices_;
    auto result = body();
    scalars_ = scalars;
    long_arrays_ = arrays;
    short_arrays_ = shorts;
    indices_ = indices;
    return result;
  }

  void build(int depth) {
    long_arrays_.push_back(b_.build(extent(), Element::f64, [&](Builder::Indices i) {
      return scoped([&] {
        indices_.push_back(i[0]);
        ++builds_;
        block(3, depth + 1);
        --builds_;
        return scalar();
      });
    }));
  }

  void reduce(int depth) {
    static const char* kinds[] = {"add", "add", "add", "max", "min"};
    const std::size_t count = 1 + pick(2);
    const bool is_short = pick(4) == 0;
    const std::vector<Dim> extents = is_short ? std::vector<Dim>{Dim{4, {}}} : extent();
    for (ValueId v : b_.reduce(kinds[pick(5)], extents, [&](Builder::Indices i) {
           return scoped([&] {
             if (is_short)
               scalars_.push_back(b_.load(z_, {i[0]}));
             else
               indices_.push_back(i[0]);
             block(3, depth + 1);
             std::vector<ValueId> terms;
             for (std::size_t k = 0; k < count; ++k)
               terms.push_back(b_.unary(Opcode::tanh, scalar()));
             return terms;
           });
         }))
      scalars_.push_back(v);
  }

  // Recurrences, sums written as loops, or both.
  void loop(int depth) {
    const std::size_t count = 1 + pick(2);
    std::vector<ValueId> initial;
    for (std::size_t k = 0; k < count; ++k)
      initial.push_back(scalar());
    const bool sums = pick(2) == 0;
    for (ValueId v : b_.loop(extent()[0], initial, pick(3) == 0, [&](ValueId i, std::span<const ValueId> carried) {
           return scoped([&] {
             indices_.push_back(i);
             if (!sums)
               scalars_.insert(scalars_.end(), carried.begin(), carried.end());
             block(3, depth + 1);
             std::vector<ValueId> next;
             for (std::size_t k = 0; k < count; ++k) {
               const ValueId term = b_.unary(Opcode::sin, scalar());
               next.push_back(sums ? b_.add(carried[k], term) : pick(4) == 0 ? carried[k] : term);
             }
             return next;
           });
         }))
      scalars_.push_back(v);
  }

  // An array that is filled by a recurrence or by a map.
  void fill(int depth) {
    const ValueId memory = b_.alloc(extent(), Element::f64, false);
    const bool recurrence = pick(2) == 0;
    const auto body = [&](ValueId i, ValueId previous) {
      return scoped([&] {
        indices_.push_back(i);
        if (previous)
          scalars_.push_back(previous);
        block(2, depth + 1);
        const ValueId next = b_.unary(Opcode::tanh, scalar());
        b_.store(memory, std::vector<ValueId>{i}, next);
        return next;
      });
    };
    if (recurrence) {
      const std::vector<ValueId> initial{scalar()};
      b_.loop(extent()[0], initial, false,
              [&](ValueId i, std::span<const ValueId> carried) { return std::vector<ValueId>{body(i, carried[0])}; });
    } else {
      b_.for_each(extent(), [&](Builder::Indices i) { body(i[0], {}); });
    }
    long_arrays_.push_back(b_.freeze(memory));
  }

  void scatter(int depth) {
    const ValueId memory = b_.alloc(extent(), Element::f64, true);
    b_.for_each(extent(), [&](Builder::Indices i) {
      scoped([&] {
        indices_.push_back(i[0]);
        block(2, depth + 1);
        b_.accumulate(memory, std::vector<ValueId>{b_.load(k_, {i[0]})}, b_.unary(Opcode::tanh, scalar()));
        // A build has no effects.
        if (builds_ == 0 && pick(3) == 0)
          b_.accumulate(total_, std::vector<ValueId>{b_.index(2)}, scalar());
        return 0;
      });
    });
    long_arrays_.push_back(b_.freeze(memory));
  }

  void branch(int depth) {
    const auto side = [&] {
      return scoped([&] {
        block(2, depth + 1);
        return std::vector<ValueId>{scalar(), scalar()};
      });
    };
    for (ValueId v : b_.if_(condition(), side, side))
      scalars_.push_back(v);
  }

  void block(int size, int depth) {
    for (int i = 0; i < size; ++i) {
      const std::size_t choice = pick(depth > 2 ? 6 : 13);
      switch (choice) {
      case 6: build(depth); break;
      case 7: reduce(depth); break;
      case 8: loop(depth); break;
      case 9: fill(depth); break;
      case 10: branch(depth); break;
      case 11: scatter(depth); break;
      case 12: {
        const ValueId argument[] = {scalar()};
        scalars_.push_back(b_.call("callee", argument, {real})[0]);
        break;
      }
      default: expression(); break;
      }
    }
  }

  Builder b_;
  std::mt19937 random_;
  int builds_ = 0; // around the current place
  ValueId n_, m_, k_, z_, out_, total_;
  std::vector<ValueId> scalars_;
  std::vector<ValueId> indices_; // below n
  std::vector<ValueId> long_arrays_;
  std::vector<std::pair<ValueId, std::size_t>> short_arrays_;
};

} // namespace

Module random_module(std::uint32_t seed) {
  Module module;
  Function callee;
  callee.name = "callee";
  {
    Builder b(callee);
    const ValueId x = b.parameter("x", real, Axis::particle);
    b.yield({b.add(b.unary(Opcode::tanh, x), b.constant(0.125))});
  }
  module.functions.push_back(std::move(callee));
  Function kernel;
  kernel.name = "kernel";
  Generator(kernel, seed).kernel();
  module.functions.push_back(std::move(kernel));
  return module;
}

Arrays random_inputs(std::uint32_t seed, std::int64_t n) {
  std::mt19937 random(seed);
  const auto number = [&] { return static_cast<double>(random() % 4001) / 1000 - 2; };
  std::vector<double> x, s, z;
  std::vector<std::int64_t> k;
  for (std::int64_t i = 0; i < n; ++i) {
    x.push_back(number());
    k.push_back(static_cast<std::int64_t>(random() % static_cast<std::uint32_t>(n)));
  }
  for (int i = 0; i < 3; ++i)
    s.push_back(number());
  for (int i = 0; i < 4; ++i)
    z.push_back(number());
  return {{"n", Array::index(n)},   {"m", Array::index(3)},  {"x", Array::vector(x)},
          {"k", Array::indices(k)}, {"s", Array::vector(s)}, {"z", Array::vector(z)}};
}

} // namespace vmodel::ir
