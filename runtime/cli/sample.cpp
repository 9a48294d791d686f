// The command `sample`.

#include "runtime/cli/results.h"
#include "runtime/diagnostics/draws.h"
#include "runtime/io/error.h"
#include "runtime/io/files.h"
#include "runtime/math/moments.h"
#include "runtime/model/family_draw.h"
#include "runtime/objectives/mixture_density.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace vmodel::runtime {

namespace {

// log p - log q of the draws, and which is least.
struct LogWeights {
  Moments moments;
  double least = INFINITY;
  int64_t least_draw = 0;
  int64_t without_density = 0;

  void add(double x, int64_t draw) {
    if (!std::isfinite(x)) {
      ++without_density;
      return;
    }
    moments.add(x);
    if (x < least) {
      least = x;
      least_draw = draw;
    }
  }
};

// A few draws far away are found only by as many draws as are used.
void note_far_draws(const Session& session, const LogWeights& weights, int64_t count, int64_t dimension) {
  if (weights.without_density > 0)
    session.note(std::to_string(weights.without_density) + " of " + counted(count, "draw") +
                 " have a density that is zero or not finite (lp__)");
  const double spread = weights.moments.deviation(), usual = usual_spread(dimension);
  if (spread > most_spreads * usual)
    session.note("log p - log q varies by " + brief(spread, 3) + " from draw to draw (standard deviation; about " +
                 brief(usual, 3) + " is usual): draw " + std::to_string(weights.least_draw) + ", where it is " +
                 brief(weights.least - weights.moments.mean, 4) +
                 " from its mean, and its like lie far outside of the posterior");
}

} // namespace

int command_sample(const Session& session, const Arguments& arguments) {
  Options options("sample");
  options.value("fit", "FILE", "fit.json");
  options.value("draws", "N", "number of draws");
  options.value("output,o", "FILE", "the CSV file to write; - is standard output");
  options.value("data", "FILE", "the data of the fit: fills lp__ and .log_weight");
  options.value("seed", "S", "seed of the random numbers (default: the fit's)");
  options.value("inner", "N", inner_help);
  options.parse(arguments);
  const std::string fit_path = options.need("fit");
  options.need("draws");
  const int64_t count = options.integer("draws", 0, 1, int64_t{1} << 32);
  const std::string output = options.need("output");
  keep_input(fit_path, output);
  keep_input(options.get("data"), output);
  const StoredFit fit = read_fit(session, fit_path);
  const auto model = prepare_for_fit(session, fit, options.get("data"));
  const uint64_t seed =
      static_cast<uint64_t>(options.integer("seed", static_cast<int64_t>(fit.seed), 0, (int64_t{1} << 48) - 1));
  const bool with_data = options.has("data") || session.model.metadata().data.empty();

  const Family& family = family_of(session.model.metadata(), fit.family);
  const int64_t lanes = model->lanes(), d = model->dimension(), q = model->reported_values();
  const size_t w = static_cast<size_t>(lanes);
  AlignedVector<double> phi(fit.phi.begin(), fit.phi.end()), z(static_cast<size_t>(d) * w + 1),
      x(static_cast<size_t>(q) * w + 1), log_q(w), entropy(w), value(w), jacobian(w);
  phi.resize(phi.size() + 1);
  FamilyDraw draw(*model, family, phi.data(), z.data(), log_q.data(), entropy.data());
  InnerSampling sampling;
  sampling.samples = options.integer("inner", default_inner_samples, 2, 1 << 30);
  std::unique_ptr<MixtureDensity> mixture;
  if (family.mixture) {
    mixture = std::make_unique<MixtureDensity>(*model, family, phi.data(), z.data());
    mixture->step();
  }
  KernelCall constrain = model->call("constrain", model->lanes(), {{"z", z.data()}, {"x", x.data()}});
  KernelCall density = model->call("log_density", model->lanes(),
                                   {{"z", z.data()}, {"value", value.data()}, {"jacobian", jacobian.data()}});
  AtomicFile file(output);
  std::string text = ".chain,.iteration,.draw,lp__,log_q__,.log_weight";
  if (mixture)
    text += ",.log_q_error";
  std::vector<bool> integer;
  for (const auto* list : {&model->parameters(), &model->quantities()}) {
    for (const ReportedValue& reported : *list) {
      for (int64_t i = 0; i < reported.size; ++i) {
        text += "," + csv_field(flat_name(reported.name, reported.shape, i));
        integer.push_back(reported.integer);
      }
    }
  }
  text += "\n";
  int64_t not_finite = 0;
  LogWeights weights;
  for (int64_t first = 0; first < count; first += lanes) {
    vmodel_random random = random_state(seed, Stream::sample, 0, static_cast<uint32_t>(first));
    draw(random);
    if (mixture)
      mixture->estimate(sampling, random, count + lanes, nullptr);
    constrain(random);
    if (with_data)
      density(random);
    for (int64_t lane = 0; lane < std::min(lanes, count - first); ++lane) {
      const size_t l = static_cast<size_t>(lane);
      const std::string number = std::to_string(first + lane + 1);
      text += "1," + number + "," + number + ",";
      const double lp = value[l] + jacobian[l], of_family = mixture ? mixture->result().log_mean(lane) : log_q[l];
      if (with_data)
        text += exact(lp);
      text += "," + exact(of_family) + ",";
      if (with_data) {
        text += exact(lp - of_family);
        weights.add(lp - of_family, first + lane + 1);
      }
      if (mixture)
        text += "," + exact(mixture->result().log_mean_error(lane));
      bool finite = true;
      for (int64_t i = 0; i < q; ++i) {
        const double entry = x[static_cast<size_t>(i) * w + l];
        finite = finite && std::isfinite(entry);
        text += "," + exact(entry);
      }
      if (!finite)
        ++not_finite;
      text += "\n";
    }
    if (text.size() > 1 << 18) {
      file.write(text);
      text.clear();
    }
  }
  file.write(text);
  file.commit();
  if (not_finite > 0) {
    session.note(std::to_string(not_finite) + " of " + counted(count, "draw") + " hold a value that is not finite");
  }
  note_far_draws(session, weights, count, d);
  // Draws on standard output stand there alone.
  (output == "-" ? session.err : session.out)
      << "wrote " << counted(count, "draw") << " to " << (output == "-" ? "standard output" : output) << "\n";
  return done;
}

} // namespace vmodel::runtime
