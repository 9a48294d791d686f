// The command line with a hand-written model: every command, and every error with its message.

#include "runtime/abi/fit_settings.h"
#include "runtime/cli/command.h"
#include "runtime/diagnostics/draws.h"
#include "runtime/fit/settings.h"
#include "runtime/io/sha256.h"
#include "test/support/models.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace vmodel::runtime {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string slurp(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

struct Outcome {
  int status;
  std::string out, err;
};

class CommandLine : public testing::Test {
protected:
  static void SetUpTestSuite() {
    std::string pattern = (fs::temp_directory_path() / "vmodel-cli-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    data_ = std::string(VMODEL_SOURCE_DIR) + "/test/posteriordb/data/eight_schools.json";
    const Outcome fitted = run({"fit", "--data", data_, "--output", folder_ + "/run", "--family", "full_rank", "--seed",
                                "3", "--steps", "300", "--set", "particles=16", "--set", "settle=0"});
    ASSERT_EQ(fitted.status, 0) << fitted.err;
    fit_ = folder_ + "/run/fit.json";
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static Outcome run(const Arguments& arguments, const vmodel_model& model = test::eight_schools()) {
    std::ostringstream out, err;
    const int status = run_command_line(model, "./model", arguments, out, err);
    return {status, out.str(), err.str()};
  }

  static std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  // The fit with one replacement in its text.
  static std::string changed_fit(const std::string& from, const std::string& to) {
    std::string text = slurp(fit_);
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    return write("changed.json", text);
  }

  static void expect_error(const Arguments& arguments, const std::string& message) {
    const Outcome o = run(arguments);
    EXPECT_EQ(o.status, 1);
    EXPECT_EQ(o.err, "error: " + message + "\n");
    EXPECT_EQ(o.out, "");
  }

  static std::string folder_, data_, fit_;
};
std::string CommandLine::folder_, CommandLine::data_, CommandLine::fit_;

TEST_F(CommandLine, HelpAndVersion) {
  EXPECT_EQ(run({}).status, 1);
  EXPECT_NE(run({"--help"}).out.find("commands:"), std::string::npos);
  EXPECT_NE(run({"--version"}).out.find("compiled by vmodelc 0.1.0"), std::string::npos);
  for (const Command& command : commands()) {
    const Outcome help = run({command.name, "--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_EQ(help.out.rfind("usage: ./model " + std::string(command.name), 0), 0u);
    EXPECT_EQ(run({command.name, "--version"}).status, 0);
  }
}

TEST_F(CommandLine, HelpOfFitNamesEverySetting) {
  const std::string help = run({"fit", "--help"}).out;
  for (const FitSetting& setting : fit_settings)
    EXPECT_NE(help.find(setting.name), std::string::npos) << setting.name;
}

TEST_F(CommandLine, Info) {
  const Json info = Json::parse(run({"info", "--data", data_}).out);
  EXPECT_EQ(info["dimension"], 10);
  EXPECT_EQ(info["parameters"][2]["shape"], Json({8}));
  EXPECT_EQ(info["data"][2]["type"], "real<lower=0>[J]");
  EXPECT_EQ(info["needed_by_sample"], Json({"J"}));
  EXPECT_EQ(Json::parse(run({"info"}).out)["dimension"], "D");
}

TEST_F(CommandLine, LogDensityIsTheSameForAllLanes) {
  const std::string theta = "[1, 2, 3, 4, 5, 6, 7, 8]";
  const std::string at = write("points.json", R"([{"mu": 1, "tau": 2, "theta": )" + theta + R"(, "x": 3},
                              {"mu": -1, "tau": 0.5, "theta": )" +
                                                  theta + R"(},
                              {"mu": 1, "tau": -2, "theta": )" +
                                                  theta + "}]");
  const Outcome one = run({"log-density", "--data", data_, "--at", at});
  ASSERT_EQ(one.status, 0) << one.err;
  EXPECT_EQ(one.err, "note: " + at + ": not parameters, ignored: x\n");
  EXPECT_EQ(run({"log-density", "--data", data_, "--at", at, "--lanes", "native"}).out, one.out);
  const Json points = Json::parse(one.out);
  ASSERT_EQ(points.size(), 3u);
  EXPECT_NEAR(points[0]["unconstrained"]["tau"][0].get<double>(), std::log(2.0), 1e-15);
  EXPECT_EQ(points[0]["gradient_with_jacobian"]["theta"].size(), 8u);
  EXPECT_EQ(points[2]["log_density"], "-inf");
  EXPECT_EQ(points[2]["log_density_with_jacobian"], "-inf");
  EXPECT_TRUE(points[2]["gradient_with_jacobian"]["mu"].is_null());
}

TEST_F(CommandLine, CheckAndBenchmark) {
  const Outcome check = run({"check", "--data", data_});
  EXPECT_EQ(check.status, 0) << check.out << check.err;
  EXPECT_NE(check.out.find("gradient: ok, 50 compared"), std::string::npos) << check.out;
  EXPECT_NE(check.out.find("second derivatives: ok"), std::string::npos);
  const Json b = Json::parse(run({"benchmark", "--data", data_, "--particles", "5"}).out);
  EXPECT_EQ(b["lanes"], 8);
  EXPECT_GT(b["ns_per_particle_gradient"], 0.0);
  EXPECT_LE(b["ns_per_particle_value"], b["ns_per_particle_value_median"]);
}

TEST_F(CommandLine, BenchmarkOfAStep) {
  for (const char* objective : {"softcvi(particles = 11)", "dreg(particles = 11)"}) {
    const Outcome o = run({"benchmark", "--fit", fit_, "--data", data_, "--objective", objective});
    ASSERT_EQ(o.status, 0) << o.err;
    const Json b = Json::parse(o.out);
    EXPECT_EQ(b["blocks"], 2);
    EXPECT_EQ(b.contains("us_values"), std::string(objective).starts_with("softcvi"));
    for (const char* part : {"us_draws", "us_reverse_pass", "us_evaluation", "us_adam"})
      EXPECT_GT(b[part], 0.0);
    EXPECT_GT(b["us_step"], b["us_adam"]);
  }
  expect_error({"benchmark", "--fit", fit_, "--data", data_, "--lanes", "1"}, "--lanes: not with --fit");
}

TEST_F(CommandLine, FitWritesItsFiles) {
  const Json fit = Json::parse(slurp(fit_));
  EXPECT_EQ(fit["schema_version"], 1);
  EXPECT_EQ(fit["seed"], 3);
  EXPECT_EQ(fit["sizes"]["J"], 8);
  EXPECT_EQ(fit["learnables"]["L"]["shape"], Json({10, 10}));
  EXPECT_EQ(fit["state"]["phi"].size(), 65u);
  EXPECT_EQ(fit["state"]["first_moment"].size(), 65u);
  EXPECT_EQ(fit["data"]["fields"], Json({{"J", 8}}));
  EXPECT_EQ(fit["configuration"]["steps"], "300");
  const std::string trace = slurp(folder_ + "/run/trace.csv");
  EXPECT_EQ(trace.substr(0, trace.find('\n')), "step,seconds,objective,gradient_norm,rate,skipped");
  EXPECT_EQ(std::count(trace.begin(), trace.end(), '\n'), 301);
  for (const auto& entry : fs::directory_iterator(folder_ + "/run")) {
    EXPECT_EQ(entry.path().string().find("unfinished"), std::string::npos);
  }
}

TEST_F(CommandLine, SameDrawsForAnyNumberOfThreads) {
  std::string first;
  for (const char* threads : {"1", "2", "4", "1"}) {
    const std::string run_folder = folder_ + "/threads";
    const Outcome fitted = run({"fit", "--data", data_, "--output", run_folder, "--family", "mean_field", "--steps",
                                "60", "--set", "particles=21", "--threads", threads});
    ASSERT_NE(fitted.status, 1) << fitted.err;
    const std::string csv = folder_ + "/threads.csv";
    ASSERT_EQ(run({"sample", "--fit", run_folder + "/fit.json", "--draws", "37", "--output", csv}).status, 0);
    if (first.empty())
      first = slurp(csv);
    EXPECT_EQ(slurp(csv), first) << threads;
  }
}

TEST_F(CommandLine, SampleWithAndWithoutData) {
  const std::string with = folder_ + "/with.csv", without = folder_ + "/without.csv";
  ASSERT_EQ(run({"sample", "--fit", fit_, "--draws", "1001", "--output", without}).status, 0);
  ASSERT_EQ(run({"sample", "--fit", fit_, "--draws", "1001", "--output", with, "--data", data_}).status, 0);
  const std::string header = slurp(with).substr(0, slurp(with).find('\n'));
  EXPECT_EQ(header, ".chain,.iteration,.draw,lp__,log_q__,.log_weight,mu,tau,theta[1],theta[2],theta[3],"
                    "theta[4],theta[5],theta[6],theta[7],theta[8],\"spread, of theta\"");
  const Draws a = read_draws(with), b = read_draws(without);
  EXPECT_EQ(a.count(), 1001);
  EXPECT_EQ(*a.find("spread, of theta"), *b.find("spread, of theta"));
  EXPECT_TRUE(std::isnan((*b.find("lp__"))[0]));
  EXPECT_DOUBLE_EQ((*a.find(".log_weight"))[5], (*a.find("lp__"))[5] - (*a.find("log_q__"))[5]);
  const Outcome summary = run({"summary", with});
  EXPECT_EQ(summary.status, 0);
  EXPECT_NE(summary.out.find("theta[8]"), std::string::npos);
  EXPECT_NE(summary.out.find("importance weights worth"), std::string::npos);
  EXPECT_EQ(run({"summary", "--weighted", with}).status, 0);
  EXPECT_EQ(run({"summary", "--weighted", without}).err,
            "error: " + without + ": the column .log_weight is missing or empty: sample with --data\n");
}

TEST_F(CommandLine, SummaryOfDrawsWithoutDensity) {
  const std::string csv = folder_ + "/outside.csv";
  const auto summary_of = [&](const std::string& rows) {
    std::ofstream(csv) << ".chain,.iteration,.draw,lp__,log_q__,.log_weight,a\n" << rows;
    return run({"summary", "--weighted", csv});
  };
  // Weights 1, 1, 0 and 0 of the values 1, 3, 9 and 9.
  const Outcome some = summary_of("1,1,1,-2,-1,-1,1\n1,2,2,-2,-1,-1,3\n1,3,3,nan,-1,nan,9\n1,4,4,-inf,-1,-inf,9\n");
  EXPECT_EQ(some.status, 0);
  EXPECT_NE(some.out.find("a                  2"), std::string::npos) << some.out;
  EXPECT_NE(some.out.find("4 draws, importance weights worth 2 of them"), std::string::npos) << some.out;
  EXPECT_NE(some.err.find("note: the log density of 1 draw is not a number: weight 0"), std::string::npos) << some.err;
  EXPECT_EQ(summary_of("1,1,1,-inf,-1,-inf,1\n").err, "error: " + csv + ": no draw has a density above 0\n");
  EXPECT_EQ(summary_of("1,1,1,inf,-1,inf,1\n").err,
            "error: " + csv + ": the density of a draw is infinite: weights say nothing\n");
}

TEST_F(CommandLine, LogQAgreesWithDraws) {
  const std::string csv = folder_ + "/q.csv";
  ASSERT_EQ(run({"sample", "--fit", fit_, "--draws", "9", "--output", csv}).status, 0);
  const Draws draws = read_draws(csv);
  Json points = Json::array();
  for (size_t k = 0; k < 9; ++k) {
    Json theta = Json::array();
    for (int j = 1; j <= 8; ++j)
      theta.push_back((*draws.find("theta[" + std::to_string(j) + "]"))[k]);
    points.push_back({{"mu", (*draws.find("mu"))[k]}, {"tau", (*draws.find("tau"))[k]}, {"theta", theta}});
  }
  const std::string at = write("q.json", points.dump());
  const Json unconstrained = Json::parse(run({"log-q", "--fit", fit_, "--at", at, "--scale", "unconstrained"}).out);
  const Json constrained = Json::parse(run({"log-q", "--fit", fit_, "--at", at}).out);
  for (size_t k = 0; k < 9; ++k) {
    EXPECT_NEAR(unconstrained[k]["log_q"].get<double>(), (*draws.find("log_q__"))[k], 1e-9);
    const double jacobian = 9 * std::log((*draws.find("tau"))[k]);
    EXPECT_NEAR(constrained[k]["log_q"].get<double>(), (*draws.find("log_q__"))[k] - jacobian, 1e-9);
  }
}

TEST_F(CommandLine, ObjectiveGradientEqualsDifferences) {
  const auto evaluate = [&](const std::string& fit) {
    const Outcome o = run({"objective", "--fit", fit, "--data", data_, "--seed", "5", "--gradient", "--estimator",
                           "total", "--particles", "11"});
    EXPECT_EQ(o.status, 0) << o.err;
    return Json::parse(o.out);
  };
  Json fit = Json::parse(slurp(fit_));
  const Json here = evaluate(fit_);
  EXPECT_EQ(here["gradient"]["m"].size(), 10u);
  for (const size_t i : {0u, 1u, 12u, 20u, 64u}) {
    const double x = fit["state"]["phi"][i], h = 1e-4;
    fit["state"]["phi"][i] = x + h;
    const double up = evaluate(write("up.json", fit.dump()))["value"];
    fit["state"]["phi"][i] = x - h;
    const double down = evaluate(write("down.json", fit.dump()))["value"];
    fit["state"]["phi"][i] = x;
    const Json& g = i < 10 ? here["gradient"]["m"][i] : here["gradient"]["L"][i - 10];
    EXPECT_NEAR(g.get<double>(), (up - down) / (2 * h), 1e-5 * (1 + std::fabs(g.get<double>()))) << i;
  }
}

TEST_F(CommandLine, LaplaceWithoutAModeIsStatus2) {
  const Outcome o = run({"fit", "--data", data_, "--output", folder_ + "/none", "--family", "laplace"},
                        test::centred_eight_schools());
  EXPECT_EQ(o.status, 2);
  EXPECT_NE(o.err.find("not to be relied on: family laplace: the posterior has no proper mode"), std::string::npos)
      << o.err;
  EXPECT_FALSE(fs::exists(folder_ + "/none/fit.json"));
}

TEST_F(CommandLine, UsageErrors) {
  const std::string out = folder_ + "/x";
  expect_error({"frobnicate"}, "unknown command `frobnicate`; see --help");
  expect_error({"fit", "--bogus"}, "fit: unrecognised option '--bogus'; see fit --help");
  expect_error({"fit", "--data"}, "fit: the required argument for option '--data' is missing; see fit --help");
  expect_error({"fit", "--data", data_, "--data", data_, "--output", out},
               "fit: option '--data' cannot be specified more than once; see fit --help");
  expect_error({"fit", "--output", out}, "fit: --data is missing; see fit --help");
  expect_error({"fit", "--data", data_}, "fit: --output is missing; see fit --help");
  const auto fit = [&](std::vector<std::string> more) {
    Arguments arguments = {"fit", "--data", data_, "--output", out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  expect_error(fit({"--seed", "x"}), "--seed x: an integer is expected");
  expect_error(fit({"--seed", "-1"}), "--seed -1: an integer from 0 to 281474976710655 is expected");
  expect_error(fit({"--seed", "281474976710656"}),
               "--seed 281474976710656: an integer from 0 to 281474976710655 is expected");
  expect_error(fit({"--seed", "99999999999999999999"}), "--seed 99999999999999999999: the number is too large");
  expect_error(fit({"--threads", "0"}), "--threads 0: an integer from 1 to 1024 is expected");
  expect_error(fit({"--steps", "1.5"}), "steps 1.5: an integer is expected");
  expect_error(fit({"--family", "flow"}),
               "family flow: this executable holds the families Plain, mean_field, full_rank, laplace; a "
               "family that the file declares is added by vmodelc eight_schools.vmodel -o EXE --families=flow");
  expect_error(fit({"--objective", "contrast"}),
               "objective contrast: there is none of that name; there are elbo, "
               "softcvi, snis_forward_kl, reweighted_wake, iwae, dreg, renyi, chi2, aisivi, bsivi, sivi, iwhvi, uivi");
  expect_error(fit({"--objective", "elbo(8)"}), "objective elbo(8): `name = value` expected, not `8`");
  expect_error(fit({"--objective", "elbo(particles = 8"}), "objective elbo(particles = 8: `)` is missing");
  expect_error(fit({"--set", "optimizer=lion"}), "optimizer lion: this executable has adam only");
  expect_error({"objective", "--fit", fit_, "--data", data_, "--seed", "1", "--estimator", "best"},
               "estimator = best: expected one of auto, total, stl, pathwise, sticking_the_landing");
  expect_error(fit({"--run", "Second"}), "--run Second: the model has no such fit block");
  expect_error(fit({"--set", "steps"}), "--set steps: key=value is expected");
  expect_error(fit({"--set", "estimator=best"}),
               "estimator = best: expected one of auto, total, stl, pathwise, sticking_the_landing");
  expect_error(fit({"--set", "optimizer.rate=fast"}), "optimizer.rate fast: a number is expected");
  expect_error(fit({"--set", "optimizer.rate=0"}), "optimizer.rate 0: a number above 0 is expected");
  expect_error(fit({"--set", "optimizer.beta1=1"}), "optimizer.beta1 1: a number from 0 to 0.999999 is expected");
  expect_error(fit({"--set", "precondition=perhaps"}), "precondition = perhaps: expected one of on, off");
  expect_error(fit({"--set", "start=First"}), "start = First: expected one of auto, laplace, plain");
  expect_error({"fit", "--data", data_, "--output", "-"},
               "--output -: a fit is a folder of files, which cannot go to standard output");
  EXPECT_NE(run(fit({"--set", "colour=red"})).err.find("unknown setting `colour`; the settings are steps, "),
            std::string::npos);
  expect_error({"log-density", "--data", data_, "--at", data_, "--lanes", "3"},
               "--lanes 3: this executable has code for 1, 8 lanes");
  expect_error({"summary"}, "summary: a file is missing; see summary --help");
  expect_error({"sample", "--fit", fit_, "--output", out}, "sample: --draws is missing; see sample --help");
  expect_error({"sample", "--fit", fit_, "--draws", "0", "--output", out},
               "--draws 0: an integer from 1 to 4294967296 is expected");
  expect_error({"log-q", "--fit", fit_, "--at", data_, "--scale", "log"},
               "--scale log: expected constrained or unconstrained");
}

TEST_F(CommandLine, EveryValueOfASettingIsTaken) {
  const CompiledModel model(test::eight_schools());
  const auto described = [&](const std::string& entry, std::string_view objective = "elbo") {
    FitFlags flags;
    flags.objective = objective;
    flags.set = {entry};
    for (const auto& [name, value] : describe(make_settings(model.metadata(), flags))) {
      if (name == entry.substr(0, entry.find('=')))
        return value;
    }
    return std::string("not described");
  };
  for (const FitSetting& setting : fit_settings) {
    const std::string name(setting.name);
    if (name == "seed" || name == "threads") // flags, and no part of what is described
      continue;
    const std::string_view of = setting.place == FitSetting::Place::objective ? setting.objectives[0] : "elbo";
    for (const std::string_view word : setting.words) {
      if (!word.empty()) {
        EXPECT_NE(described(name + "=" + std::string(word), of), "not described") << name << " = " << word;
      }
    }
    if (setting.kind == FitSetting::Kind::real) {
      EXPECT_EQ(described(name + "=0.1", of), "0.1") << name;
    }
    if (setting.kind == FitSetting::Kind::whole) {
      EXPECT_EQ(described(name + "=3_0", of), "30") << name;
    }
  }
  EXPECT_EQ(described("estimator=pathwise"), "total");
  EXPECT_EQ(described("settle=auto"), "400");
}

TEST_F(CommandLine, FileErrors) {
  expect_error({"check", "--data", "/nowhere/d.json"}, "/nowhere/d.json: cannot be read: No such file or directory");
  expect_error({"check", "--data", folder_}, folder_ + ": cannot be read: Is a directory");
  expect_error({"fit", "--data", data_, "--output", fit_ + "/y"},
               fit_ + "/y: cannot make this folder: Not a directory");
  expect_error({"fit", "--data", data_, "--output", "/proc/none"},
               "/proc/none: cannot make this folder: No such file or directory");
  expect_error({"sample", "--fit", fit_, "--draws", "1", "--output", folder_},
               folder_ + ": cannot be written: Is a directory");
  expect_error({"sample", "--fit", fit_, "--draws", "1", "--output", "/nowhere/x.csv"},
               "/nowhere/x.csv: cannot be written: No such file or directory");
  expect_error({"sample", "--fit", fit_, "--draws", "1", "--output", "/dev/full"},
               "/dev/full: cannot be written: No space left on device");
  const std::string bad = write("bad.json", "{\"J\": 8,");
  expect_error({"check", "--data", bad}, bad + ":1:9: the file ends inside the object that begins at 1:1");
}

TEST_F(CommandLine, PointErrors) {
  const auto at = [&](const std::string& text, const std::string& message) {
    const std::string path = write("at.json", text);
    expect_error({"log-density", "--data", data_, "--at", path}, path + ": " + message);
  };
  at("{}", "a list of points is expected, not an object");
  at("[1]", "point 1: an object from parameter to value is expected, not a number");
  at("[{\"mu\": 1}]", "point 1: the parameter tau is missing");
  at("[{\"mu\": [1], \"tau\": 1, \"theta\": []}]", "point 1: mu: a number is expected, not an array");
  at("[{\"mu\": 1, \"tau\": 1, \"theta\": 1}]", "point 1: theta: an array is expected, not a number");
  at("[{\"mu\": 1, \"tau\": 1, \"theta\": [1]}]", "point 1: theta: 1 element where the model has 8");
}

TEST_F(CommandLine, BenchmarkPointErrors) {
  const auto benchmark = [&](const std::string& text, const std::string& message) {
    const std::string path = write("at.json", text);
    expect_error({"benchmark", "--data", data_, "--particles", "1", "--at", path}, path + ": " + message);
  };
  benchmark("[]", "there are no points");
  benchmark(R"([{"mu": 1, "tau": -1, "theta": [1, 2, 3, 4, 5, 6, 7, 8]}])", "a point is outside the support");
}

TEST_F(CommandLine, FitFileErrors) {
  const auto sample = [&](const std::string& path, const std::string& message) {
    expect_error({"sample", "--fit", path, "--draws", "1", "--output", folder_ + "/x.csv"}, path + ": " + message);
  };
  sample(data_, "this is not a fit.json of `fit`");
  sample(write("trace.csv", "step,seconds\n"),
         "this is not a fit.json of `fit` but the trace of one; fit.json stands in the same folder");
  sample(write("draws2.csv", ".chain,.iteration\n"), "this is not a fit.json of `fit` but draws of `sample`");
  sample(changed_fit("\"fields\"", "\"field\""), "`data.fields` is missing: the file is damaged");
  sample(changed_fit("\"only_hashes\": {", "\"only_hashes\": 1, \"x\": {"),
         "`data.only_hashes` is not an object: the file is damaged");
  sample(changed_fit("\"seed\":", "\"seed\": -1, \"x\":"),
         "`seed` is not an integer from 0 to 281474976710655: the file is damaged");
  sample(changed_fit("\"schema_version\": 1", "\"schema_version\": 7"),
         "it has schema version 7, this executable reads version 1: use an executable of a newer vmodelc");
  sample(changed_fit("\"hash\": \"00ff\"", "\"hash\": \"beef\""),
         "it is a fit of another model: EightSchools of eight_schools.vmodel with hash beef, this executable "
         "holds EightSchools of eight_schools.vmodel with hash 00ff");
  sample(changed_fit("\"phi\"", "\"psi\""), "`state.phi` is missing: the file is damaged");
  sample(changed_fit("\"phi\": [", "\"phi\": [1,"),
         "it has 66 learned numbers, the family full_rank has 65: the file is damaged");
  sample(changed_fit("\"phi\": [", "\"phi\": [null,"),
         "`state.phi` holds something that is not a number: the file is damaged");
  sample(changed_fit("\"family\": \"full_rank\"", "\"family\": 3"), "`family` is not a string: the file is damaged");
  const std::string cut = write("cut.json", slurp(fit_).substr(0, 200));
  EXPECT_NE(
      run({"sample", "--fit", cut, "--draws", "1", "--output", folder_ + "/x.csv"}).err.find("the file ends inside"),
      std::string::npos);
  const std::string other =
      write("other.json", R"({"J": 8, "y": [28,8,-3,7,-1,1,18,13], "sigma": [15,10,16,11,9,11,10,18]})");
  const Outcome o = run({"sample", "--fit", fit_, "--draws", "1", "--output", folder_ + "/x.csv", "--data", other});
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.err.rfind("error: " + other + ": these are not the data of " + fit_ +
                            ": the values of the declared fields have hash ",
                        0),
            0u)
      << o.err;
}

TEST_F(CommandLine, SummarySaysHowManyDrawsTheWeightsAreWorth) {
  std::string text = ".draw,.log_weight,a\n";
  for (int i = 1; i <= 1234; ++i)
    text += std::to_string(i) + ",0," + std::to_string(i) + "\n";
  const auto out = [&](const std::string& draws) { return run({"summary", write("weights.csv", draws)}).out; };
  EXPECT_NE(out(text).find("1234 draws, importance weights worth 1234 of them,"), std::string::npos) << out(text);
  // (1 + 1/2)^2 / (1 + 1/4)
  const std::string two = ".draw,.log_weight,a\n1,0,1\n2," + std::to_string(-std::log(2.0)) + ",2\n";
  EXPECT_NE(out(two).find("2 draws, importance weights worth 1.8 of them,"), std::string::npos) << out(two);
  const auto note = [&](const std::string& draws) {
    return run({"summary", write("weights.csv", draws), "--weighted"}).err;
  };
  EXPECT_NE(note(two).find("weights worth fewer than 100 draws"), std::string::npos) << note(two);
  EXPECT_EQ(note(text), "");
}

TEST_F(CommandLine, KeepsTheFilesThatItReads) {
  const std::string data = write("kept.json", slurp(data_)), fit = write("kept_fit.json", slurp(fit_));
  const auto refused = [](const Arguments& arguments, const std::string& output, const std::string& kept) {
    const std::string before = slurp(kept);
    expect_error(arguments, output + ": cannot be written: it is the file that is read; choose another --output");
    EXPECT_EQ(slurp(kept), before);
  };
  const Arguments sample{"sample", "--fit", fit, "--data", data, "--draws", "3", "--output"};
  for (const std::string& kept : {data, fit}) {
    const std::string link = kept + ".link";
    fs::create_symlink(kept, link);
    for (const std::string& output : {kept, link}) {
      Arguments arguments = sample;
      arguments.push_back(output);
      refused(arguments, output, kept);
    }
  }
  const std::string run_folder = folder_ + "/data_here";
  fs::create_directory(run_folder);
  for (const char* name : {"/fit.json", "/trace.csv"}) {
    fs::copy_file(data, run_folder + name);
    refused({"fit", "--data", run_folder + name, "--output", run_folder}, run_folder + name, run_folder + name);
    fs::remove(run_folder + name);
  }
}

TEST_F(CommandLine, DrawsFileErrors) {
  const auto summary = [&](const std::string& text, const std::string& message) {
    const std::string path = write("draws.csv", text);
    expect_error({"summary", path}, path + ":" + message);
  };
  summary("", "1: the file is empty");
  summary("# stan\na,b\n", "1: this is not a file of draws of `sample`: it begins with a comment");
  summary("a,b\n1,2\n", "1: this is not a file of draws of `sample`: the header has no column .draw");
  summary("{\"a\": [1, 2]}\n", "1: this is not a file of draws of `sample`: the header has no column .draw");
  summary("\"a\": 1\n", "1: this is not a file of draws of `sample`: `,` expected after the name a");
  summary(std::string("\x7f"
                      "ELF\2\1\0\0",
                      8),
          "1: this is not a file of draws of `sample`: it holds a zero byte, so that it is no text");
  summary(".draw,a\n", "2: there are no draws");
  summary(".draw,a,a\n1,2,3\n", "1: the column a stands there twice");
  summary(".draw,,a\n1,2,3\n", "1: a column has no name");
  summary(".draw,\"a\n1,2\n", "1: a quoted name in the header has no end");
  summary(".draw,a\n1,2\n2\n", "3: only 1 of 2 entries");
  summary(".draw,a\n1,2\n2", "3: only 1 of 2 entries: the file is truncated");
  summary(".draw,a\n1,2,3\n", "2: more than 2 entries, as many as the header has");
  summary(".draw,a\n1,x\n", "2: column a: `x` is not a number");
}

TEST_F(CommandLine, RefusesAProcessorThatLacksAFeature) {
  // A feature that is known and cannot be there is not at hand on every machine: the message is
  // tested through the metadata of a model for a processor with an invented one.
  vmodel_model model = test::eight_schools();
  std::string metadata = model.metadata;
  const std::string list = "\"cpu_features\":[]";
  metadata.replace(metadata.find(list), list.size(), "\"cpu_features\":[\"avx9\"]");
  model.metadata = metadata.c_str();
  const Outcome o = run({"info"}, model);
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.err, "error: this processor lacks avx9, which the executable was built for (native): build it with "
                   "vmodelc eight_schools.vmodel --march=native on this machine, or with --march=x86-64-v2 for almost "
                   "every machine\n");
}

TEST_F(CommandLine, RefusesAnotherInterfaceVersion) {
  vmodel_model model = test::eight_schools();
  model.abi_version = 99;
  const Outcome o = run({"info"}, model);
  EXPECT_EQ(o.status, 3);
  EXPECT_EQ(o.err, "internal error: the compiled model has interface version 99, this runtime has version 1: compile "
                   "the model again\n");
}

TEST(Sha256, KnownDigests) {
  const auto digest = [](const std::string& text) {
    Sha256 hash;
    hash.add(text);
    return hash.finish();
  };
  EXPECT_EQ(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Summary, OfKnownNumbers) {
  const Summary s = summarise({4, 1, 3, 2}, {});
  EXPECT_DOUBLE_EQ(s.mean, 2.5);
  EXPECT_DOUBLE_EQ(s.sd, std::sqrt(5.0 / 3));
  EXPECT_DOUBLE_EQ(s.q50, 2.5);
  EXPECT_DOUBLE_EQ(s.q5, 1.15);
  EXPECT_DOUBLE_EQ(s.mcse, std::sqrt(5.0 / 12));
  const Summary w = summarise({0, 10}, {3, 1});
  EXPECT_DOUBLE_EQ(w.mean, 2.5);
  EXPECT_DOUBLE_EQ(w.sd, std::sqrt(0.75 * 6.25 + 0.25 * 56.25));
}

} // namespace
} // namespace vmodel::runtime
