// The cover analysis: each element is given exactly once, and read only after that. It serves `var`
// without a fill value, element-wise priors and element-wise draws of families.
//
// A write is a box, an interval of positions for each axis, with ends that are sizes. A loop widens the
// boxes of its body; distinct intervals of an axis must chain from 1 to the end, and every combination of
// them must be written once.
#include "compiler/check/checker.h"

#include <algorithm>

namespace vmodel::check {
namespace {

struct Box {
  std::vector<std::pair<Size, Size>> axes;
  SourceRange range;
};

/// What the analysis found wrong.
struct Problem {
  SourceRange range;
  std::string text;
  bool at_another_turn = false; // of a plate: what is read
};

class Cover {
public:
  Cover(Facts facts, const Declaration& name, StatementKind writes, std::function<Size(const Expr*)> to_size,
        std::function<bool(const Size&)> mentions_var)
      : facts_(std::move(facts)), name_(name), writes_(writes), to_size_(std::move(to_size)),
        mentions_var_(std::move(mentions_var)) {}

  std::optional<Problem> run(const Block& block, bool reads_in_writes_only) {
    reads_in_writes_only_ = reads_in_writes_only;
    std::vector<Box> boxes = collect(block);
    if (!problem_)
      check_partition(boxes);
    if (problem_)
      return problem_;
    std::vector<Box> available;
    walk(block, available);
    return read_problem_;
  }

  bool read_problem() const { return read_problem_.has_value(); }

private:
  /// What the statement gives of the name; none if it gives nothing of it.
  std::vector<Box> writes(const Statement& s) const {
    if (s.kind != writes_ || (writes_ == StatementKind::prior && s.declaration))
      return {};
    std::vector<Box> boxes;
    for (const Part* part : s.parts) {
      if (part->whole == &name_)
        boxes.push_back(part->elements ? index_box(*part->elements, s.range) : whole(s.range));
    }
    if (!s.parts.empty())
      return boxes;
    if (!s.target || s.target->kind == ExprKind::unconstrained) {
      if (std::find(s.declarations.begin(), s.declarations.end(), &name_) != s.declarations.end())
        boxes.push_back(whole(s.range));
      return boxes;
    }
    const bool elements = s.target->kind == ExprKind::index;
    const Expr* base = elements ? s.target->operands[0] : s.target;
    if (base->kind == ExprKind::name && base->declaration == &name_)
      boxes.push_back(elements ? index_box(*s.target, s.target->range) : whole(s.range));
    return boxes;
  }

  Box whole(SourceRange range) const {
    Box box;
    box.range = range;
    for (const Size& n : name_.type.shape)
      box.axes.emplace_back(Size::constant(1), n);
    return box;
  }

  Box index_box(const Expr& e, SourceRange range) const {
    const Size one = Size::constant(1);
    Box box;
    box.range = range;
    for (std::size_t axis = 0; axis < name_.type.rank(); ++axis) {
      const Size& n = name_.type.shape[axis];
      if (axis >= e.indices.size()) {
        box.axes.emplace_back(one, n);
        continue;
      }
      const Index& index = e.indices[axis];
      switch (index.kind) {
      case Index::Kind::scalar: box.axes.emplace_back(to_size_(index.at), to_size_(index.at)); break;
      case Index::Kind::range: box.axes.emplace_back(to_size_(index.from), to_size_(index.to)); break;
      default: box.axes.emplace_back(one, n); break;
      }
    }
    return box;
  }

  void fail(SourceRange range, std::string text) {
    if (!problem_)
      problem_ = Problem{range, std::move(text)};
  }

  /// The union of the box over all values of a loop index. Nothing if that is not a box.
  std::optional<Box> widen(const Box& box, const std::string& index, const Size& from, const Size& to) const {
    Box result = box;
    int axes = 0;
    for (auto& [low, high] : result.axes) {
      const bool in_low = low.atoms().count(index) != 0, in_high = high.atoms().count(index) != 0;
      if (!in_low && !in_high)
        continue;
      ++axes;
      // Up by one with the index, or down by one.
      const auto step = [&](const Size& s) -> std::int64_t {
        const auto term = s.terms().find({{index, 1}});
        if (term == s.terms().end() || term->second.denominator != 1)
          return 0;
        const std::int64_t c = term->second.numerator;
        const Size rest = s - Size::atom(s.atoms().at(index)) * Size::constant(c);
        return rest.atoms().count(index) == 0 && (c == 1 || c == -1) ? c : 0;
      };
      const std::int64_t direction = in_low && in_high && low == high ? step(low) : 0;
      if (direction == 0)
        return std::nullopt;
      low = low.substitute({{index, direction > 0 ? from : to}});
      high = high.substitute({{index, direction > 0 ? to : from}});
    }
    if (axes != 1)
      return std::nullopt;
    return result;
  }

  std::vector<Box> collect(const Block& block) {
    std::vector<Box> boxes;
    for (const Statement* s : block) {
      for (Box& box : writes(*s)) {
        for (const auto& [low, high] : box.axes) {
          if (mentions_var_(low) || mentions_var_(high))
            fail(s->range, "the position reads a var");
        }
        boxes.push_back(std::move(box));
      }
      if (s->kind == StatementKind::for_) {
        const Size from = to_size_(s->from), to = to_size_(s->to);
        if (mentions_var_(from) || mentions_var_(to)) {
          if (!collect(s->body).empty())
            fail(s->range, "the range of the loop reads a var");
        }
        for (const Box& box : collect(s->body)) {
          if (const auto wide = widen(box, s->declaration->name, from, to)) {
            boxes.push_back(*wide);
          } else {
            const bool again = std::none_of(box.axes.begin(), box.axes.end(), [&](const auto& axis) {
              return axis.first.atoms().count(s->declaration->name) + axis.second.atoms().count(s->declaration->name) >
                     0;
            });
            fail(box.range,
                 std::string("the ") + (s->is_plate ? "plate" : "loop") + " over '" + s->declaration->name +
                     (again ? "' gives the same at every turn" : "' does not give one element after the other"));
          }
        }
      }
      if (s->kind == StatementKind::while_ && !collect(s->body).empty())
        fail(s->range, "it is given inside of a while loop");
      if (s->kind == StatementKind::if_) {
        std::vector<Box> a = collect(s->body), b = collect(s->otherwise);
        bool same = a.size() == b.size();
        for (const Box& box : a) {
          same = same && std::any_of(b.begin(), b.end(), [&](const Box& other) { return equal(box, other); });
        }
        if (!same)
          fail(s->range, "the branches of the condition do not give the same elements");
        boxes.insert(boxes.end(), a.begin(), a.end());
      }
    }
    return boxes;
  }

  bool equal(const Box& a, const Box& b) const {
    for (std::size_t i = 0; i < a.axes.size(); ++i) {
      if (!facts_.equal(a.axes[i].first, b.axes[i].first) || !facts_.equal(a.axes[i].second, b.axes[i].second))
        return false;
    }
    return true;
  }

  void check_partition(const std::vector<Box>& boxes) {
    if (boxes.empty())
      return fail(name_.range, "it is not given at all");
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (equal(boxes[i], boxes[j]))
          return fail(boxes[i].range,
                      name_.type.shape.empty() ? "it is given twice" : "the same elements are given twice");
      }
    }
    std::size_t combinations = 1;
    for (std::size_t axis = 0; axis < name_.type.rank(); ++axis) {
      std::vector<std::pair<Size, Size>> intervals;
      for (const Box& box : boxes) {
        const auto& interval = box.axes[axis];
        const bool known = std::any_of(intervals.begin(), intervals.end(), [&](const auto& other) {
          return facts_.equal(other.first, interval.first) && facts_.equal(other.second, interval.second);
        });
        if (!known)
          intervals.push_back(interval);
      }
      combinations *= intervals.size();
      Size next = Size::constant(1);
      std::vector<bool> used(intervals.size(), false);
      for (std::size_t step = 0; step < intervals.size(); ++step) {
        bool found = false;
        for (std::size_t i = 0; i < intervals.size() && !found; ++i) {
          if (used[i] || !facts_.equal(intervals[i].first, next))
            continue;
          used[i] = found = true;
          next = intervals[i].second + Size::constant(1);
        }
        if (!found) {
          // The place of the first box that does not go on from there.
          SourceRange place = boxes.front().range;
          for (const Box& box : boxes) {
            const std::size_t i =
                static_cast<std::size_t>(std::find_if(intervals.begin(), intervals.end(),
                                                      [&](const auto& other) {
                                                        return facts_.equal(other.first, box.axes[axis].first) &&
                                                               facts_.equal(other.second, box.axes[axis].second);
                                                      }) -
                                         intervals.begin());
            if (i >= used.size() || used[i])
              continue;
            place = box.range;
            break;
          }
          const std::string where = name_.type.rank() > 1 ? " of axis " + std::to_string(axis + 1) : "";
          return fail(place, "position " + next.text() + where + " is not given, or is given twice");
        }
      }
      const Size end = next - Size::constant(1);
      if (!facts_.equal(end, name_.type.shape[axis])) {
        return fail(boxes.back().range,
                    "the positions end at " + end.text() + ", and the axis has size " + name_.type.shape[axis].text());
      }
    }
    if (combinations != boxes.size())
      fail(boxes.front().range, "not every combination of positions is given");
  }

  // ---- reads

  bool contains(const Box& outer, const Box& inner) const {
    for (std::size_t i = 0; i < inner.axes.size(); ++i) {
      // Of an axis that is given as a whole every index may be read: that it is in range is proved, or checked at load.
      if (facts_.at_most(outer.axes[i].first, Size::constant(1)) &&
          facts_.at_most(name_.type.shape[i], outer.axes[i].second))
        continue;
      if (!facts_.at_most(outer.axes[i].first, inner.axes[i].first))
        return false;
      if (!facts_.at_most(inner.axes[i].second, outer.axes[i].second))
        return false;
    }
    return true;
  }

  /// Joins boxes that lie side by side until nothing changes.
  std::vector<Box> merged(std::vector<Box> boxes) const {
    bool changed = true;
    while (changed) {
      changed = false;
      for (std::size_t i = 0; i < boxes.size() && !changed; ++i) {
        for (std::size_t j = 0; j < boxes.size() && !changed; ++j) {
          if (i == j)
            continue;
          std::size_t different = 0, axis = 0;
          for (std::size_t k = 0; k < boxes[i].axes.size(); ++k) {
            const bool same = facts_.equal(boxes[i].axes[k].first, boxes[j].axes[k].first) &&
                              facts_.equal(boxes[i].axes[k].second, boxes[j].axes[k].second);
            if (!same) {
              ++different;
              axis = k;
            }
          }
          if (different == 0) {
            boxes.erase(boxes.begin() + static_cast<std::ptrdiff_t>(j));
            changed = true;
          } else if (different == 1 &&
                     facts_.equal(boxes[i].axes[axis].second + Size::constant(1), boxes[j].axes[axis].first)) {
            boxes[i].axes[axis].second = boxes[j].axes[axis].second;
            boxes.erase(boxes.begin() + static_cast<std::ptrdiff_t>(j));
            changed = true;
          }
        }
      }
    }
    return boxes;
  }

  void read(const Box& box, const std::vector<Box>& available, const std::string& text) {
    if (read_problem_)
      return;
    const auto is_given = [&](const std::vector<Box>& boxes) {
      const std::vector<Box> joined = merged(boxes);
      return std::any_of(joined.begin(), joined.end(), [&](const Box& candidate) { return contains(candidate, box); });
    };
    if (!is_given(available))
      read_problem_ = Problem{box.range, text, !of_this_turn_.empty() && !is_given(of_this_turn_)};
  }

  void reads(const DistributionExpr* d, const std::vector<Box>& available) {
    if (!d)
      return;
    for (const Expr* a : d->arguments)
      reads(a, available);
    for (const DistributionExpr* c : d->components)
      reads(c, available);
    reads(d->weights, available);
    reads(d->lower, available);
    reads(d->upper, available);
    for (const BijectorStep* step : d->steps)
      reads(step, available);
  }

  void reads(const BijectorStep* step, const std::vector<Box>& available) {
    for (const Expr* a : step->arguments)
      reads(a, available);
    for (const BijectorStep* inner : step->body)
      reads(inner, available);
  }

  void reads(const Expr* e, const std::vector<Box>& available) {
    if (!e)
      return;
    const bool indexed =
        e->kind == ExprKind::index && e->operands[0]->kind == ExprKind::name && e->operands[0]->declaration == &name_;
    if (indexed) {
      read(index_box(*e, e->range), available, "is read before it is given");
    } else if (e->kind == ExprKind::name && e->declaration == &name_) {
      read(whole(e->range), available, "is read before all of it is given");
    }
    for (const Part* part : e->parts) {
      if (part->whole == &name_ && part->elements)
        read(index_box(*part->elements, e->range), available, "is read before it is given");
      else if (part->whole == &name_)
        read(whole(e->range), available, "is read before all of it is given");
    }
    for (const Declaration* d : e->declarations) {
      if (d == &name_ && e->parts.empty())
        read(whole(e->range), available, "is read before all of it is given");
    }
    for (const Generator& g : e->generators)
      facts_.add_bounds(g.index->name, {{to_size_(g.from)}, {to_size_(g.to)}});
    for (std::size_t i = indexed ? 1 : 0; i < e->operands.size(); ++i)
      reads(e->operands[i], available);
    for (const Index& index : e->indices) {
      reads(index.at, available);
      reads(index.from, available);
      reads(index.to, available);
    }
    for (const Generator& g : e->generators) {
      reads(g.from, available);
      reads(g.to, available);
    }
    reads(e->distribution, available);
  }

  void reads_of_indices(const Expr& e, const std::vector<Box>& available) {
    for (const Index& index : e.indices) {
      reads(index.at, available);
      reads(index.from, available);
      reads(index.to, available);
    }
  }

  void walk(const Block& block, std::vector<Box>& available) {
    for (const Statement* s : block) {
      const std::vector<Box> given = writes(*s);
      if (!reads_in_writes_only_ || !given.empty()) {
        reads(s->value, available);
        reads(s->from, available);
        reads(s->to, available);
        reads(s->distribution, available);
        if (s->target)
          reads_of_indices(*s->target, available);
        for (const Part* part : s->parts) {
          if (part->elements)
            reads_of_indices(*part->elements, available);
        }
        if (s->target && given.empty())
          reads(s->target, available);
      }
      available.insert(available.end(), given.begin(), given.end());
      if (s->kind == StatementKind::for_) {
        const std::string& index = s->declaration->name;
        const Size from = to_size_(s->from), to = to_size_(s->to);
        facts_.add_bounds(index, {{from}, {to}});
        const Size here = Size::atom({index, s->declaration, nullptr});
        const std::vector<Box> own = collect(s->body);
        std::vector<Box> inside = available;
        if (!s->is_plate) {
          for (const Box& box : own) {
            if (const auto earlier = widen(box, index, from, here - Size::constant(1)))
              inside.push_back(*earlier);
          }
        }
        const std::vector<Box> around = of_this_turn_;
        if (s->is_plate)
          of_this_turn_ = own;
        walk(s->body, inside);
        of_this_turn_ = around;
        for (const Box& box : own) {
          if (const auto all = widen(box, index, from, to))
            available.push_back(*all);
        }
      } else if (s->kind == StatementKind::if_) {
        std::vector<Box> first = available, second = available;
        walk(s->body, first);
        walk(s->otherwise, second);
        for (const Box& box : collect(s->body))
          available.push_back(box);
      } else if (s->kind == StatementKind::while_) {
        std::vector<Box> inside = available;
        walk(s->body, inside);
      }
    }
  }

  Facts facts_;
  const Declaration& name_;
  StatementKind writes_;
  std::function<Size(const Expr*)> to_size_;
  std::function<bool(const Size&)> mentions_var_;
  bool reads_in_writes_only_ = false;
  std::vector<Box> of_this_turn_; // what a turn of the plate around gives
  std::optional<Problem> problem_, read_problem_;
};

} // namespace

void Checker::check_cover(const Block& block, StatementKind writes, const std::vector<const Declaration*>& names) {
  std::vector<const Declaration*> all = names;
  if (writes == StatementKind::assign) {
    for (const Statement* s : block) {
      if (s->kind == StatementKind::var && s->declaration->write_once)
        all.push_back(s->declaration);
      if (!s->body.empty())
        check_cover(s->body, writes, {});
      if (!s->otherwise.empty())
        check_cover(s->otherwise, writes, {});
    }
  }
  for (const Declaration* name : all) {
    Cover cover(
        context_->facts, *name, writes, [this](const Expr* e) { return to_size(e); },
        [this](const Size& s) { return mentions_var(s); });
    const auto problem = cover.run(block, writes == StatementKind::prior);
    if (!problem)
      continue;
    if (cover.read_problem()) {
      const bool draws = writes == StatementKind::draw;
      error(draws ? Code::drawn_too_late : Code::read_before_write, problem->range,
            "'" + name->name + "' " +
                (problem->at_another_turn ? "is read at another turn of the plate"
                 : draws                  ? "is read before it is drawn"
                                          : problem->text))
          .label(name->range, "declared here")
          .hint(problem->at_another_turn
                    ? "the turns of a plate are independent; a `for` loop draws one after the other"
                : writes == StatementKind::assign
                    ? "each element may read earlier ones only; or give a fill value and assign again"
                : draws ? "draw it above"
                        : "each element may read earlier ones only");
      continue;
    }
    const char* what = writes == StatementKind::assign  ? "the elements of '"
                       : writes == StatementKind::prior ? "the priors of '"
                                                        : "the draws of '";
    auto report =
        error(Code::incomplete_cover, problem->range,
              name->type.shape.empty() ? "'" + name->name + "' is not given exactly once: " + problem->text
                                       : what + name->name + "' do not cover it exactly once: " + problem->text);
    report.label(name->range, "declared here");
    report.hint(
        writes == StatementKind::assign ? "give a fill value, var " + name->name + ": ... = 0;, or split the name"
        : writes == StatementKind::draw
            ? "every element is drawn once: positions, and the plates and loops around them, go from 1 to the end"
            : "split the name");
  }
}

} // namespace vmodel::check
