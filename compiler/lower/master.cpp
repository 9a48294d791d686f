#include "compiler/lower/master.h"

#include <algorithm>

namespace vmodel::lower {

std::size_t SizeTable::number(const Size& size) {
  const auto found = std::find(sizes_.begin(), sizes_.end(), size);
  if (found != sizes_.end())
    return static_cast<std::size_t>(found - sizes_.begin());
  sizes_.push_back(size);
  return sizes_.size() - 1;
}

Size element_count(const check::Shape& shape) {
  Size count = Size::constant(1);
  for (const Size& s : shape)
    count = count * s;
  return count;
}

namespace {

/// A size that is a data scalar itself or a constant needs no entry of the table to be an extent.
const Declaration* plain_name(const Size& size) {
  if (size.terms().size() != 1)
    return nullptr;
  const auto& [monomial, coefficient] = *size.terms().begin();
  if (coefficient.numerator != 1 || coefficient.denominator != 1 || monomial.size() != 1 ||
      monomial.begin()->second != 1)
    return nullptr;
  return size.atoms().at(monomial.begin()->first).declaration;
}

} // namespace

Master::Master(MasterContext& context, std::string name, bool with_sizes, const Declaration* data_limit)
    : context_(context) {
  function_.name = std::move(name);
  emitter_ = std::make_unique<Emitter>(context.module, function_);
  if (with_sizes) {
    for (std::size_t k = 0; k < context.table.sizes().size(); ++k) {
      size_parameters_.push_back(
          b().parameter("size." + std::to_string(k), {ir::Element::index, false, {}}, ir::Axis::load));
    }
  }
  for (const Declaration* d : context.module.program.model.data) {
    if (d == data_limit)
      break;
    ir::Type type{element_of(d->type), false, {}};
    for (const Size& s : d->type.shape) {
      if (const auto constant = s.as_constant()) {
        type.dims.push_back({*constant, {}});
      } else if (const Declaration* named = plain_name(s); named && emitter_->environment.count(named)) {
        type.dims.push_back({0, emitter_->environment.at(named).id});
      } else if (with_sizes) {
        type.dims.push_back({0, size_parameters_[context.table.number(s)]});
      } else {
        // An extent that is to be computed first: the parameter is flat, and gets its shape below.
        type.dims = {{0, {}}};
        flat_.push_back(d);
        break;
      }
    }
    emitter_->environment[d] = b().parameter("data." + d->name, std::move(type), ir::Axis::load);
  }
}

void Master::shape_flat_data() {
  for (const Declaration* d : flat_) {
    // Extents read earlier data only.
    const ValueId memory = emitter_->environment.at(d).id;
    const std::vector<Dim> extents = emitter_->dims(d->type.shape);
    emitter_->environment[d] = b().build(extents, element_of(d->type), [&](Indices i) {
      const ValueId at[] = {emitter_->flat_position(extents, i)};
      return b().load(memory, at);
    });
  }
}

Dim Master::flat_extent(const Size& size) const {
  if (const auto constant = size.as_constant())
    return {*constant, {}};
  return {0, size_parameters_.at(context_.table.number(size))};
}

ValueId Master::tabled(const Size& size) {
  return b().extent(flat_extent(size));
}

ValueId Master::argument(const std::string& name, const Size& size, ir::Axis axis) {
  return b().parameter(name, {ir::Element::f64, false, {flat_extent(size)}}, axis);
}

ValueId Master::output(const std::string& name, const Size& size, ir::Axis axis, ir::Element element) {
  return b().parameter(name, {element, true, {flat_extent(size)}}, axis);
}

void Master::finish() {
  b().yield({});
  context_.module.module.functions.push_back(std::move(function_));
}

} // namespace vmodel::lower
