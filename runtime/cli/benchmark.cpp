// The command `benchmark`.

#include "runtime/cli/measure.h"
#include "runtime/cli/objective.h"
#include "runtime/io/error.h"
#include "runtime/model/philox.h"
#include "runtime/objectives/thread_pool.h"

#include <cmath>

namespace vmodel::runtime {
namespace {

struct Buffers {
  AlignedVector<double> z, gradient, value, jacobian;
  KernelCall density, with_gradient;
};

} // namespace

int command_benchmark(const Session& session, const Arguments& arguments) {
  Options options("benchmark");
  options.value("data", "FILE", "data as JSON");
  options.value("particles", "K", "number of particles");
  options.value("at", "FILE", "points as JSON, used in turn (default: N(0, 0.5^2) on the unconstrained scale)");
  options.value("lanes", "W", "code to use: native (default), 1, or a number of lanes");
  options.value("threads", "T", "threads (default 1)");
  options.value("seed", "S", "seed of the default points (default 1)");
  options.flag("plain", "through the data, without sufficient statistics");
  options.value("fit", "FILE", "fit.json: the parts of a step of its objective instead, for one thread");
  options.value("objective", "TEXT", "with --fit: another objective than the fit's");
  options.value("estimator", "E", "with --fit: of objectives that have several");
  options.parse(arguments);
  const std::string data = need_data(session, options);
  if (options.has("fit"))
    return benchmark_step(session, options, data);
  options.need("particles");
  const int64_t particles = options.integer("particles", 0, 1, 1 << 24);
  const int lanes = parse_lanes(session.model, options.get("lanes", "native"));
  const int threads = static_cast<int>(options.integer("threads", 1, 1, 1024));
  const uint64_t seed = static_cast<uint64_t>(options.integer("seed", 1, 0, (int64_t{1} << 48) - 1));
  const auto model = load_data(session, data, false);
  const int64_t d = model->dimension();

  std::vector<std::vector<double>> points;
  if (options.has("at")) {
    const Points given = read_points(session, *model, options.get("at"));
    Unconstrainer unconstrain(*model);
    for (const auto& x : given.values) {
      std::vector<double> z(static_cast<size_t>(d + 1));
      if (!unconstrain(x, z.data())) {
        throw InputError(options.get("at") + ": a point is outside the support");
      }
      points.push_back(std::move(z));
    }
    if (points.empty())
      throw InputError(options.get("at") + ": there are no points");
  } else {
    for (int64_t k = 0; k < particles; ++k) {
      std::vector<double> z(static_cast<size_t>(d + 1));
      for (int64_t i = 0; i < d; ++i) {
        z[static_cast<size_t>(i)] = 0.5 * runtime_normal(seed, static_cast<uint32_t>(Stream::simulate), 0,
                                                         static_cast<uint32_t>(k), static_cast<uint32_t>(i));
      }
      points.push_back(std::move(z));
    }
  }

  const bool plain = options.has("plain");
  // A buffer a block, as an optimiser's step has them.
  const int64_t blocks = (particles + lanes - 1) / lanes;
  const size_t w = static_cast<size_t>(lanes);
  std::vector<Buffers> buffers(static_cast<size_t>(blocks));
  for (int64_t b = 0; b < blocks; ++b) {
    Buffers& k = buffers[static_cast<size_t>(b)];
    k.z.resize(static_cast<size_t>(d) * w + 1);
    k.gradient.resize(k.z.size());
    k.value.resize(w);
    k.jacobian.resize(w);
    for (size_t l = 0; l < w; ++l) {
      const auto& from = points[(static_cast<size_t>(b) * w + l) % points.size()];
      for (int64_t i = 0; i < d; ++i)
        k.z[static_cast<size_t>(i) * w + l] = from[static_cast<size_t>(i)];
    }
    k.density = model->call(kernel_name(session.model, "log_density", plain), lanes,
                            {{"z", k.z.data()}, {"value", k.value.data()}, {"jacobian", k.jacobian.data()}});
    k.with_gradient = model->call(kernel_name(session.model, "log_density_gradient", plain), lanes,
                                  {{"z", k.z.data()},
                                   {"value", k.value.data()},
                                   {"jacobian", k.jacobian.data()},
                                   {"gradient", k.gradient.data()}});
  }
  ThreadPool pool(threads);
  const Times value =
      measure(particles, [&] { pool.run(blocks, [&](int64_t b, int) { buffers[static_cast<size_t>(b)].density(); }); });
  const Times gradient = measure(
      particles, [&] { pool.run(blocks, [&](int64_t b, int) { buffers[static_cast<size_t>(b)].with_gradient(); }); });
  double checksum = 0;
  for (int64_t k = 0; k < particles; ++k) {
    const Buffers& b = buffers[static_cast<size_t>(k / lanes)];
    const size_t l = static_cast<size_t>(k % lanes);
    double sum = b.value[l] + b.jacobian[l];
    for (int64_t i = 0; i < d; ++i)
      sum += b.gradient[static_cast<size_t>(i) * w + l];
    checksum += sum;
  }
  Json result = {{"model", session.model.metadata().model},
                 {"lanes", lanes},
                 {"particles", particles},
                 {"threads", threads},
                 {"plain", plain},
                 {"sufficient_statistics", !plain && has_statistics(session.model)},
                 {"ns_per_particle_value", value.least},
                 {"ns_per_particle_gradient", gradient.least},
                 {"ns_per_particle_value_median", value.median},
                 {"ns_per_particle_gradient_median", gradient.median},
                 {"repeats", measure_repeats},
                 {"seed", options.has("at") ? Json(nullptr) : Json(seed)},
                 {"checksum", json_number(checksum)}};
  session.out << result.dump(1) << "\n";
  return done;
}

} // namespace vmodel::runtime
