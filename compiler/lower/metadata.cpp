// The metadata of a compiled model (docs/abi.md).
#include "compiler/lower/master.h"
#include "compiler/lower/reads.h"

#include <nlohmann/json.hpp>

#include <functional>

namespace vmodel::lower {

using json = nlohmann::ordered_json;
using check::StatementKind;

namespace {

const char* support_name(check::SupportKind kind) {
  switch (kind) {
  case check::SupportKind::all: return "all";
  case check::SupportKind::bounded: return "bounded";
  case check::SupportKind::simplex: return "simplex";
  case check::SupportKind::ordered: return "ordered";
  case check::SupportKind::positive_ordered: return "positive_ordered";
  case check::SupportKind::corr_cholesky: return "corr_cholesky";
  case check::SupportKind::cov_cholesky: return "cov_cholesky";
  }
  return "all";
}

const char* element_name(check::Element element) {
  return element == check::Element::integer ? "int" : element == check::Element::boolean ? "bool" : "real";
}

/// Data that sampling needs: what families, bounds, locations and quantities read, through lets.
Reads needed_by_sample(const MasterContext& context) {
  const check::Program& program = context.module.program;
  Reads reads;
  for (const Size& size : context.table.sizes())
    collect(size, reads);
  for (const check::Family& family : program.families)
    collect(family.body, reads);
  for (const check::ModelParameter& p : program.model.parameters) {
    for (const Expr* e : p.bijector_arguments)
      collect(e, reads);
    collect(p.location, reads);
    collect(p.scale, reads);
  }
  std::function<void(const check::Block&)> quantities = [&](const check::Block& block) {
    for (const Statement* s : block) {
      if (s->kind == StatementKind::quantity)
        collect(s->value, reads);
      quantities(s->body);
      quantities(s->otherwise);
    }
  };
  quantities(context.body.statements());
  return through_definitions(context.body.statements(), std::move(reads));
}

class Writer {
public:
  Writer(MasterContext& context, const SourceManager& sources) : context_(context), sources_(sources) {}

  std::string write() {
    const check::Program& program = context_.module.program;
    const Layout& layout = context_.layout;
    json j;
    j["abi"] = 1;
    j["model"] = program.model.name;
    const Reads needed = needed_by_sample(context_);
    j["data"] = json::array();
    for (std::size_t k = 0; k < program.model.data.size(); ++k) {
      const Declaration* d = program.model.data[k];
      json entry{{"name", d->name},
                 {"field", program.model.data_names[k]},
                 {"element", element_name(d->type.element)},
                 {"rank", d->type.shape.size()}};
      entry["shape"] = json::array();
      for (const Size& s : d->type.shape)
        entry["shape"].push_back(s.text());
      add_support(entry, d->type.support);
      entry["bounds"] = d->type.support.kind == check::SupportKind::bounded;
      entry["needed_by_sample"] = needed.count(d) > 0;
      add_place(entry, d->range);
      j["data"].push_back(entry);
    }
    j["dimension"] = number(layout.dimension);
    j["reported_parameters"] = number(layout.reported_parameters);
    j["observed"] = number(layout.observed);
    j["reported"] = number(layout.reported);
    j["parameters"] = json::array();
    for (const ParameterLayout& p : layout.parameters) {
      const Declaration* d = p.parameter->declaration;
      json entry{{"name", d->name}, {"element", "real"}, {"shape", shape(d->type.shape)}};
      add_support(entry, d->type.support);
      entry["map"] = p.parameter->bijector ? p.parameter->bijector->name : "identity";
      entry["noncentered"] = p.parameter->noncentered;
      entry["offset"] = number(p.offset);
      entry["size"] = number(p.size);
      entry["unconstrained_offset"] = number(p.unconstrained_offset);
      entry["unconstrained_size"] = number(p.unconstrained_size);
      add_place(entry, d->range);
      j["parameters"].push_back(entry);
    }
    j["quantities"] = json::array();
    for (const Layout::Quantity& q : layout.quantities) {
      j["quantities"].push_back({{"name", q.declaration->name},
                                 {"element", element_name(q.declaration->type.element)},
                                 {"shape", shape(q.declaration->type.shape)},
                                 {"offset", number(q.offset)},
                                 {"size", number(q.size)},
                                 {"random", false}});
    }
    j["observations"] = json::array();
    for (const Observation& o : layout.observations) {
      json entry{{"name", o.name},
                 {"data", o.data},
                 {"distribution", o.distribution},
                 {"shape", shape(o.shape)},
                 {"offset", number(o.offset)},
                 {"size", number(element_count(o.shape))}};
      add_place(entry, o.range);
      j["observations"].push_back(entry);
    }
    j["requires"] = json::array();
    for (const ModuleContext::Message& message : context_.module.messages) {
      std::string text = message.text;
      if (text.starts_with("index ") || text.starts_with("range "))
        text += " in `" + source_text(message.range) + "`";
      json entry{{"text", text}};
      add_place(entry, message.range);
      j["requires"].push_back(entry);
    }
    j["families"] = json::array();
    for (const FamilyLayout& f : layout.families)
      j["families"].push_back(family(f));
    j["fits"] = json::array();
    for (const check::Fit& fit : program.fits) {
      json settings = json::object();
      for (const auto& [key, value] : fit.settings)
        settings[key] = value;
      j["fits"].push_back(
          {{"name", fit.name}, {"family", fit.family}, {"objective", fit.objective}, {"settings", settings}});
    }
    j["sizes"] = json::array();
    for (const Size& s : context_.table.sizes())
      j["sizes"].push_back(s.text());
    return j.dump();
  }

private:
  /// Everything has been numbered by the layout; a size missing there would not be computed.
  std::size_t number(const Size& size) { return context_.table.number(size); }

  json shape(const check::Shape& s) {
    json result = json::array();
    for (const Size& size : s)
      result.push_back(number(size));
    return result;
  }

  std::string source_text(SourceRange range) const {
    if (!range.valid())
      return {};
    return std::string(sources_.file(range.file).text().substr(range.begin, range.end - range.begin));
  }

  void add_support(json& entry, const check::Support& support) const {
    entry["support"] = support_name(support.kind);
    const auto text = [&](const Expr* e) { return e ? json(source_text(e->range)) : json(nullptr); };
    entry["lower"] = text(support.lower);
    entry["upper"] = text(support.upper);
  }

  void add_place(json& entry, SourceRange range) const {
    if (!range.valid())
      return;
    const LineColumn place = sources_.file(range.file).position(range.begin);
    entry["line"] = place.line;
    entry["column"] = place.column;
  }

  json family(const FamilyLayout& f) {
    json entry{{"name", f.family->name}, {"kind", "family"}};
    const check::Block& body = f.family->body;
    const bool alone = body.size() == 1 && body[0]->kind == StatementKind::draw &&
                       body[0]->distribution->kind == check::DistributionKind::family;
    if (alone)
      entry["kind"] = body[0]->distribution->family->name;
    entry["learnables"] = json::array();
    for (const LearnableLayout& l : f.learnables) {
      json learnable{{"name", l.name},
                     {"shape", shape(l.shape)},
                     {"support", support_name(l.learnable->declaration->type.support.kind)},
                     {"map", l.learnable->bijector ? l.learnable->bijector->name : "identity"},
                     {"offset", number(l.offset)},
                     {"size", number(l.size)},
                     {"phi_offset", number(l.phi_offset)},
                     {"phi_size", number(l.phi_size)}};
      entry["learnables"].push_back(learnable);
    }
    entry["phi"] = number(f.phi);
    entry["values"] = number(f.values);
    if (!f.mixed.empty()) {
      entry["mixture"] = {{"size", number(f.mix)},
                          {"learned", number(f.proposal)},
                          {"mix", json::object()},
                          {"proposal", json::object()}};
    }
    if (!f.round_trips.empty()) {
      json draws = json::array();
      for (const RoundTripLayout& r : f.round_trips) {
        const std::string& name = r.group && !r.of_proposal ? r.group->name : r.statement->name;
        draws.push_back({{"name", name},
                         {"events", number(r.events)},
                         {"base", number(r.base)},
                         {"image", number(r.image)},
                         {"base_offset", number(r.base_offset)},
                         {"image_offset", number(r.image_offset)}});
      }
      entry["round_trip"] = {{"base", number(f.base)}, {"image", number(f.image)}, {"draws", draws}};
    }
    if (alone)
      add_gaussian(entry, *body[0]->distribution->family);
    return entry;
  }

  /// A generic family whose body is one normal draw of the whole vector is a Gaussian that a start by Laplace's method
  /// can set in closed form. What it mixes over bends it, behind a last map by location and factor. A flow that ends in
  /// such a map, or in one by location and scales, begins where that map takes its base to the points' moments.
  static void add_gaussian(json& entry, const check::FamilyTemplate& generic) {
    const Statement* draw = nullptr;
    for (const Statement* s : generic.body) {
      if (s->kind == StatementKind::draw)
        draw = draw ? nullptr : s;
    }
    if (!draw)
      return;
    const DistributionExpr& d = *draw->distribution;
    const auto name = [](const Expr* e) { return e->kind == check::ExprKind::name ? e->declaration->name : ""; };
    const check::BijectorStep* last = d.steps.empty() ? nullptr : d.steps.back();
    if (last && last->bijector && last->bijector->library) {
      const bool triangular = last->bijector->name == "triangular_affine";
      if (triangular || last->bijector->name == "affine") {
        entry[triangular && !generic.mixed.empty() ? "gaussian" : "last_map"] = {
            {"location", name(last->arguments[0])},
            {triangular ? "scale_cholesky" : "scale", name(last->arguments[1])}};
      }
    }
    if (!generic.mixed.empty())
      return;
    if (generic.body.size() != 1 || generic.learnables.size() != 2)
      return;
    if (d.kind != check::DistributionKind::named || !d.distribution->library || d.arguments.size() != 2)
      return;
    if (d.distribution->name == "normal")
      entry["gaussian"] = {{"location", name(d.arguments[0])}, {"scale", name(d.arguments[1])}};
    if (d.distribution->name == "multi_normal_cholesky")
      entry["gaussian"] = {{"location", name(d.arguments[0])}, {"scale_cholesky", name(d.arguments[1])}};
  }

  MasterContext& context_;
  const SourceManager& sources_;
};

} // namespace

std::string metadata(MasterContext& context, const SourceManager& sources) {
  return Writer(context, sources).write();
}

} // namespace vmodel::lower
