// What a recurrence loads from write-once memory that an earlier iteration has stored there becomes a carried value, so
// that it stays in a register. Loads after the loop of what the last iteration stored become the loop's results. Memory
// that nobody loads from any more then disappears.
#include "compiler/ir/definitions.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/passes.h"

#include <functional>
#include <map>
#include <optional>
#include <set>

namespace vmodel::passes {

namespace {

// Values of more iterations ago are loaded.
constexpr std::int64_t max_lag = 3;

/// An index as base + constant; the base is none for a constant.
struct Position {
  ValueId base;
  std::int64_t constant = 0;
  bool operator==(const Position&) const = default;
  auto operator<=>(const Position&) const = default;
};

/// A store at the top of a loop's body, at one place of the memory in each iteration.
struct Stream {
  ValueId memory;
  std::size_t axis = 0;            // of the loop's index
  std::vector<Position> positions; // of the store, as functions of the loop's index
  ValueId value;                   // stored
  std::int64_t lag = 0;            // the largest of the loads in the loop
};

class Carry {
public:
  explicit Carry(const Function& function) : from_(function), definitions_(function.body) {
    ir::for_each_op(function.body, [&](const Op& op) {
      if (op.opcode == Opcode::alloc_ && op.integer == 0)
        write_once_.insert(op.results[0]);
    });
    find(function.body, true);
  }

  bool any() const { return !streams_.empty(); }

  Function run() {
    return ir::rewrite(from_, [this](Rewriter& r, const Op& op) {
      if (op.opcode == Opcode::loop_ && streams_.contains(&op)) {
        rewrite_loop(r, op);
        return true;
      }
      if (op.opcode == Opcode::load_)
        if (const auto value = carried_.find(op.results[0]); value != carried_.end()) {
          r.set(op.results[0], value->second);
          return true;
        }
      return false;
    });
  }

private:
  Position position(ValueId v) const {
    const Op* op = definitions_.of(v);
    if (op && op->opcode == Opcode::constant_)
      return {{}, op->integer};
    if (op && (op->opcode == Opcode::add || op->opcode == Opcode::sub)) {
      const Position a = position(op->operands[0]), b = position(op->operands[1]);
      if (!b.base)
        return {a.base, a.constant + (op->opcode == Opcode::add ? b.constant : -b.constant)};
      if (!a.base && op->opcode == Opcode::add)
        return {b.base, a.constant + b.constant};
    }
    return {v, 0};
  }

  /// The extent of a loop; max(0, n) counts as n, since what is loaded after the loop is there only if n >= 0.
  Position extent(const Op& loop) const {
    if (const Op* larger = definitions_.as(loop.operands[0], Opcode::max))
      for (std::size_t i : {0, 1})
        if (position(larger->operands[i]) == Position{})
          return position(larger->operands[1 - i]);
    return position(loop.operands[0]);
  }

  std::vector<Position> positions(const Op& access) const {
    std::vector<Position> result;
    const std::size_t end = access.operands.size() - (access.opcode == Opcode::store_ ? 1 : 0);
    for (std::size_t i = 1; i < end; ++i)
      result.push_back(position(access.operands[i]));
    return result;
  }

  void find(const Region& region, bool is_top) {
    for (const Op& op : region.ops) {
      for (const Region& inner : op.regions)
        find(inner, false);
      if (op.opcode == Opcode::loop_)
        find_streams(op);
      // What the last iterations of loops at the top have stored is known to all that follows.
      if (is_top)
        last_values(op);
    }
  }

  void find_streams(const Op& loop) {
    const Region& body = loop.regions[0];
    const ValueId index = body.arguments[0];
    std::set<ValueId> own(body.arguments.begin(), body.arguments.end());
    ir::for_each_op(body, [&](const Op& op) { own.insert(op.results.begin(), op.results.end()); });
    std::vector<Stream> streams;
    for (const Op& op : body.ops) {
      if (op.opcode != Opcode::store_ || !write_once_.contains(op.operands[0]) || own.contains(op.operands[0]) ||
          from_.type(op.operands.back()) != Type{})
        continue;
      Stream stream{op.operands[0], 0, positions(op), op.operands.back(), 0};
      std::size_t with_index = 0;
      bool is_fixed = true;
      for (std::size_t i = 0; i < stream.positions.size(); ++i) {
        const ValueId base = stream.positions[i].base;
        if (base == index) {
          stream.axis = i;
          ++with_index;
        } else {
          is_fixed = is_fixed && !own.contains(base);
        }
      }
      if (with_index == 1 && is_fixed)
        streams.push_back(std::move(stream));
    }
    if (streams.empty())
      return;
    std::vector<std::pair<ValueId, std::pair<std::size_t, std::int64_t>>> loads; // result, stream, lag
    const std::function<void(const Region&)> visit = [&](const Region& region) {
      for (const Op& op : region.ops) {
        // What stands under a condition may be there for the sake of the first iteration, before which nothing is
        // stored.
        if (op.opcode == Opcode::if_ || op.opcode == Opcode::while_)
          continue;
        for (const Region& inner : op.regions)
          visit(inner);
        if (op.opcode != Opcode::load_)
          continue;
        for (std::size_t s = 0; s < streams.size(); ++s)
          if (const auto lag = lag_of(loop, streams[s], op)) {
            streams[s].lag = std::max(streams[s].lag, *lag);
            loads.emplace_back(op.results[0], std::pair(s, *lag));
          }
      }
    };
    visit(body);
    if (loads.empty())
      return;
    loads_[&loop] = std::move(loads);
    streams_[&loop] = std::move(streams);
  }

  /// The number of iterations since an iteration stored what this loads.
  std::optional<std::int64_t> lag_of(const Op& loop, const Stream& stream, const Op& load) const {
    if (definitions_.memory(load.operands[0]) != stream.memory)
      return std::nullopt;
    std::vector<Position> at = positions(load);
    const std::int64_t first = stream.positions[stream.axis].constant;
    std::int64_t lag = first - at[stream.axis].constant;
    at[stream.axis].constant = first;
    if (loop.integer != 0)
      lag = -lag;
    // Before the first iteration these elements are at the front of the memory; backwards they are not known to be
    // there.
    if (at != stream.positions || lag < 1 || lag > max_lag || (loop.integer == 0 && lag > first))
      return std::nullopt;
    return lag;
  }

  void last_values(const Op& op) {
    if (op.opcode == Opcode::loop_) {
      const auto found = streams_.find(&op);
      if (found == streams_.end() || op.integer != 0)
        return;
      for (std::size_t s = 0; s < found->second.size(); ++s) {
        const Stream& stream = found->second[s];
        // A loop of no iteration gives what it starts from, which is known to be there at the front alone.
        if (stream.lag == 0 || stream.positions[stream.axis].constant != 1)
          continue;
        std::vector<Position> at = stream.positions;
        const Position count = extent(op);
        at[stream.axis] = {count.base, count.constant - 1 + at[stream.axis].constant};
        last_[{stream.memory, at}] = {&op, s};
      }
      return;
    }
    if (last_.empty())
      return;
    const auto visit = [&](const Op& inner) {
      if (inner.opcode != Opcode::load_)
        return;
      if (const auto found = last_.find({definitions_.memory(inner.operands[0]), positions(inner)});
          found != last_.end())
        after_[found->second].push_back(inner.results[0]);
    };
    visit(op);
    for (const Region& region : op.regions)
      ir::for_each_op(region, visit);
  }

  void rewrite_loop(Rewriter& r, const Op& op) {
    ir::Builder& b = r.builder();
    const std::vector<Stream>& streams = streams_.at(&op);
    const Region& body = op.regions[0];
    Op copied = ir::bare(op);
    copied.operands = r(op.operands);
    // What stands in the memory before the first iteration, by stream and lag.
    for (const Stream& stream : streams)
      for (std::int64_t lag = 1; lag <= stream.lag; ++lag)
        copied.operands.push_back(before(r, op, stream, lag));
    b.open_region();
    std::vector<ValueId> arguments = r.declare(body.arguments);
    std::vector<std::vector<ValueId>> carried;
    for (const Stream& stream : streams) {
      carried.emplace_back();
      for (std::int64_t lag = 1; lag <= stream.lag; ++lag) {
        carried.back().push_back(b.function().add_value(Type{}));
        arguments.push_back(carried.back().back());
      }
    }
    for (const auto& [load, from] : loads_.at(&op))
      carried_[load] = carried[from.first][static_cast<std::size_t>(from.second - 1)];
    r.copy_ops(body);
    std::vector<ValueId> yields = r(body.yields);
    for (std::size_t s = 0; s < streams.size(); ++s)
      for (std::int64_t lag = 1; lag <= streams[s].lag; ++lag)
        yields.push_back(lag == 1 ? r(streams[s].value) : carried[s][static_cast<std::size_t>(lag - 2)]);
    copied.regions.push_back(b.close_region(std::move(yields)));
    copied.regions[0].arguments = std::move(arguments);
    copied.results = r.declare(op.results);
    std::size_t next = copied.results.size();
    while (copied.results.size() + 1 < copied.operands.size())
      copied.results.push_back(b.function().add_value(Type{}));
    for (std::size_t s = 0; s < streams.size(); next += static_cast<std::size_t>(streams[s].lag), ++s)
      if (const auto loads = after_.find({&op, s}); loads != after_.end())
        for (ValueId load : loads->second)
          carried_[load] = copied.results[next];
    b.append(std::move(copied));
  }

  ValueId before(Rewriter& r, const Op& loop, const Stream& stream, std::int64_t lag) const {
    ir::Builder& b = r.builder();
    std::vector<ValueId> at;
    const ValueId count = r(loop.operands[0]);
    for (std::size_t i = 0; i < stream.positions.size(); ++i) {
      const Position& p = stream.positions[i];
      if (i != stream.axis) {
        const ValueId constant = b.index(p.constant);
        at.push_back(p.base ? b.add(r(p.base), constant) : constant);
        continue;
      }
      const ValueId first = loop.integer == 0 ? b.index(p.constant - lag) : b.add(count, b.index(p.constant - 1 + lag));
      // A loop of no iteration may have nothing there but the first element.
      const auto known = b.constant_value(first);
      const bool is_there = known && known->integer == 0;
      at.push_back(is_there ? first : b.select(b.compare(Opcode::gt, count, b.index(0)), first, b.index(0)));
    }
    return b.load(r(stream.memory), at);
  }

  const Function& from_;
  ir::Definitions definitions_;
  std::set<ValueId> write_once_;
  std::map<const Op*, std::vector<Stream>> streams_; // looked up only, never walked
  std::map<const Op*, std::vector<std::pair<ValueId, std::pair<std::size_t, std::int64_t>>>> loads_;
  using Place = std::pair<ValueId, std::vector<Position>>;
  std::map<Place, std::pair<const Op*, std::size_t>> last_; // memory and position -> loop and stream
  std::map<std::pair<const Op*, std::size_t>, std::vector<ValueId>> after_;
  std::map<ValueId, ValueId> carried_; // load of the source -> value of the new function
};

} // namespace

Function carry(Function function) {
  Carry pass(function);
  return pass.any() ? simplify(pass.run()) : std::move(function);
}

ir::Module carry(ir::Module module) {
  for (Function& function : module.functions)
    function = carry(std::move(function));
  return module;
}

} // namespace vmodel::passes
