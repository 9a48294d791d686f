// The command `info`.

#include "runtime/cli/shared.h"

#include <algorithm>

namespace vmodel::runtime {
namespace {

// A size: its number with data, its text without.
class Sizes {
public:
  Sizes(const Metadata& metadata, const PreparedModel* model) : metadata_(metadata), model_(model) {}
  Json operator()(SizeNumber number) const {
    if (model_ != nullptr)
      return model_->size(number);
    return metadata_.sizes[static_cast<size_t>(number)];
  }
  Json operator()(const std::vector<SizeNumber>& numbers) const {
    Json result = Json::array();
    for (SizeNumber number : numbers)
      result.push_back((*this)(number));
    return result;
  }

private:
  const Metadata& metadata_;
  const PreparedModel* model_;
};

Json bound(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

} // namespace

int command_info(const Session& session, const Arguments& arguments) {
  Options options("info");
  options.value("data", "FILE", "data as JSON: sizes are then numbers");
  options.parse(arguments);
  std::unique_ptr<PreparedModel> model;
  if (options.has("data") || session.model.metadata().data.empty())
    model = load_data(session, options.get("data"), false);
  const Metadata& m = session.model.metadata();
  const Sizes size(m, model.get());

  Json info = {{"model", m.model},       {"source", m.source}, {"source_hash", m.source_hash},
               {"compiler", m.compiler}, {"march", m.march},   {"cpu_features", m.cpu_features},
               {"lanes", m.lanes},       {"abi", m.abi}};
  info["dimension"] = size(m.dimension);
  if (model)
    info["data_hash"] = model->data_hash();
  info["data"] = Json::array();
  Json needed = Json::array();
  for (const DataField& field : m.data) {
    info["data"].push_back({{"name", field.name},
                            {"field", field.field},
                            {"type", field.type()},
                            {"shape", field.shape},
                            {"support", field.support},
                            {"lower", bound(field.lower)},
                            {"upper", bound(field.upper)},
                            {"needed_by_sample", field.needed_by_sample}});
    if (field.needed_by_sample)
      needed.push_back(field.field);
  }
  info["needed_by_sample"] = needed;
  info["parameters"] = Json::array();
  for (const Parameter& p : m.parameters) {
    info["parameters"].push_back({{"name", p.name},
                                  {"shape", size(p.shape)},
                                  {"size", size(p.size)},
                                  {"support", p.support},
                                  {"lower", bound(p.lower)},
                                  {"upper", bound(p.upper)},
                                  {"map", p.map},
                                  {"noncentered", p.noncentered},
                                  {"unconstrained_size", size(p.unconstrained_size)}});
  }
  info["quantities"] = Json::array();
  for (const Quantity& q : m.quantities) {
    info["quantities"].push_back({{"name", q.name}, {"shape", size(q.shape)}, {"size", size(q.size)}});
  }
  info["observations"] = Json::array();
  for (const Observation& o : m.observations) {
    info["observations"].push_back({{"name", o.name}, {"distribution", o.distribution}, {"shape", size(o.shape)}});
  }
  info["families"] = Json::array();
  for (const Family& f : m.families) {
    Json learnables = Json::array();
    for (const Learnable& l : f.learnables) {
      learnables.push_back({{"name", l.name},
                            {"shape", size(l.shape)},
                            {"support", l.support},
                            {"map", l.map},
                            {"unconstrained_size", size(l.phi_size)}});
    }
    info["families"].push_back({{"name", f.name},
                                {"kind", f.kind},
                                {"learned", size(f.phi)},
                                {"capabilities", f.capabilities},
                                {"learnables", learnables}});
  }
  info["families"].push_back({{"name", "laplace"}, {"kind", "laplace"}});
  info["objectives"] = m.objectives;
  info["fits"] = Json::array();
  for (const FitBlock& fit : m.fits) {
    info["fits"].push_back(
        {{"name", fit.name}, {"family", fit.family}, {"objective", fit.objective}, {"settings", fit.settings}});
  }
  Json entry_points = Json::object();
  const vmodel_model& abi = session.model.abi();
  for (int32_t i = 0; i < abi.kernel_count; ++i) {
    entry_points[abi.kernels[i].name].push_back(abi.kernels[i].lanes);
  }
  info["entry_points"] = entry_points;
  session.out << info.dump(2) << "\n";
  return done;
}

} // namespace vmodel::runtime
