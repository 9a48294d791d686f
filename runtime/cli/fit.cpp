// The command `fit`.

#include "runtime/fit/fit.h"

#include "runtime/abi/fit_settings.h"
#include "runtime/abi/objectives.h"
#include "runtime/cli/results.h"
#include "runtime/io/error.h"
#include "runtime/io/files.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

namespace vmodel::runtime {
namespace {

using Clock = std::chrono::steady_clock;

std::string duration(double seconds) {
  if (seconds < 60)
    return brief(std::ceil(seconds * 10) / 10, 3) + " s";
  const int64_t whole = static_cast<int64_t>(std::ceil(seconds));
  return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
}

// One line that is rewritten on a terminal; else, where asked for, a line every few seconds.
class Progress {
public:
  Progress(const Session& session, bool lines, const std::string& objective)
      : session_(session), label_(objective == "elbo" ? "ELBO" : objective), rewrite_(session.terminal),
        lines_(lines || session.terminal) {}

  // The clock decides what is shown, never what is computed.
  void operator()(const FitProgress& p) {
    if (!lines_)
      return;
    const bool in_steps = *p.phase == 0;
    if (in_steps && p.step % 16 != 0 && p.step != p.steps)
      return;
    const Clock::time_point now = Clock::now();
    if (in_steps)
      measure(p, now);
    const bool last = in_steps && p.step == p.steps;
    if (!last && std::chrono::duration<double>(now - shown_).count() < (rewrite_ ? 0.1 : 3))
      return;
    shown_ = now;
    show(in_steps ? "step " + std::to_string(p.step) + " of " + std::to_string(p.steps) + "  " + label_ + " " +
                        brief(p.objective, 7) + "  rate " + brief(p.rate, 3) + time_left(p)
                  : std::string(p.phase) + "  " + duration(std::chrono::duration<double>(now - begin_).count()),
         last);
  }

private:
  // Seconds a step: later steps may be dearer, so the last few count.
  void measure(const FitProgress& p, Clock::time_point now) {
    if (p.step > step_ && step_ > 0) {
      const double each = std::chrono::duration<double>(now - then_).count() / static_cast<double>(p.step - step_);
      const bool other_phase = p.left > left_ || left_ - p.left > 2 * static_cast<double>(p.step - step_);
      seconds_ = seconds_ == 0 || other_phase ? each : seconds_ + 0.1 * (each - seconds_);
    }
    step_ = p.step;
    left_ = p.left;
    then_ = now;
  }

  std::string time_left(const FitProgress& p) const {
    return seconds_ > 0 ? "  time left " + duration(seconds_ * p.left) : "";
  }

  void show(std::string line, bool last) {
    if (rewrite_) {
      line.resize(std::max<size_t>(line.size(), 78), ' ');
      session_.err << "\r" << line;
      if (last)
        session_.err << "\n";
    } else {
      session_.err << line << "\n";
    }
    session_.err.flush();
  }

  const Session& session_;
  const std::string label_; // of the objective's value
  const bool rewrite_, lines_;
  const Clock::time_point begin_ = Clock::now();
  Clock::time_point shown_ = begin_, then_ = begin_;
  int64_t step_ = 0;
  double left_ = 0, seconds_ = 0;
};

// What holds for a fit and for those that it starts from.
struct Common {
  const Session& session;
  const PreparedModel& model;
  const FitFlags& flags;
  bool progress, quiet;
};

int fit_into(const Common& common, FitSettings settings, const std::string& folder, std::vector<std::string> chain);

// The result of the fit block that `settings` starts from: in a folder of its name, made now where it
// is not there.
OtherFit other_fit(const Common& common, const FitSettings& settings, const std::string& folder,
                   std::vector<std::string> chain) {
  const Session& session = common.session;
  const std::string& name = settings.start_run;
  chain.push_back(settings.run);
  if (std::find(chain.begin(), chain.end(), name) != chain.end()) {
    std::string list;
    for (const std::string& run : chain)
      list += (run.empty() ? "the first fit" : run) + " from ";
    throw InputError("a fit starts from itself: " + list + name);
  }
  const std::string inner = folder + "/" + name, path = inner + "/fit.json";
  if (!std::filesystem::exists(path)) {
    FitFlags flags;
    flags.run = name;
    flags.seed = common.flags.seed;
    flags.threads = common.flags.threads;
    session.out << "fit " << name << ":\n";
    fit_into(common, make_settings(session.model.metadata(), flags), inner, chain);
    if (!std::filesystem::exists(path))
      throw InputError("the fit " + name + ", from which this one starts, has no result");
  }
  const StoredFit stored = read_fit(session, path);
  if (stored.data_hash != common.model.data_hash())
    throw InputError(path + ": it is a fit of other data; remove it, and it is made again");
  return {name, stored.family, stored.phi};
}

// Of objectives in which particles compete: how many of them count, and how much of the gradient is noise.
std::string label_report(const FitSettings& settings, const FitState& s) {
  const auto ratio = [](const GradientNoise& g) { return g.noise > 0 ? brief(g.signal / g.noise, 3) : "none"; };
  const bool inner = (settings.objective.needs() & need_mixture) != 0;
  return describe(settings.objective) + (inner ? "\ninner samples worth " : "\nlabels worth ") +
         brief(s.last_labels.mean(), 3) + " of " +
         (inner ? std::to_string(settings.objective.inner_sampling().samples) : counted(s.particles, "particle")) +
         " (in the worst step " + brief(s.labels.least, 3) + "), signal to noise of the gradient " +
         ratio(s.first_noise) + " at the start, " + ratio(s.last_noise) + " at the result\n";
}

// Of semi-implicit families: what their densities are worth.
std::string mixture_report(const MixtureReport& m) {
  return "densities by " + std::to_string(m.inner) + " inner samples, worth " + brief(m.inner_size, 3) +
         " (at the worst of " + counted(m.draws, "draw") + " " + brief(m.inner_size_least, 3) + "; k-hat " +
         brief(m.inner_shape, 2) + ", above 0.7 at " + brief(100 * m.inner_heavy, 2) + " % of draws)\nELBO at most " +
         brief(m.elbo_upper, 8) + " (standard error " + brief(m.elbo_upper_error, 2) + "), log evidence " +
         brief(m.log_evidence, 8) + " (standard error " + brief(m.log_evidence_error, 2) + ", k-hat " +
         brief(m.evidence_shape, 2) + ")\n";
}

int fit_into(const Common& common, FitSettings settings, const std::string& output, std::vector<std::string> chain) {
  const Session& session = common.session;
  make_folder(output);
  // Found out before the work rather than after it.
  {
    AtomicFile probe(output + "/fit.json");
  }
  if (!settings.start_run.empty())
    settings.from = other_fit(common, settings, output, std::move(chain));
  if (!common.quiet && !settings.defaults.empty()) {
    std::string list;
    for (const std::string& entry : settings.defaults)
      list += (list.empty() ? "" : ", ") + entry;
    session.note("defaults: " + list);
  }
  Progress progress(session, common.progress, settings.objective.name);
  FitObserver observer;
  if (!common.quiet)
    observer = [&](const FitProgress& p) { progress(p); };
  FitResult result;
  try {
    result = run_fit(common.model, settings, observer);
  } catch (const NoFit& error) {
    session.err << "not to be relied on: " << error.what() << "\n";
    return not_to_be_relied_on;
  }
  write_fit(output, common.model, settings, result);
  const FitState& s = result.state;
  for (const std::string& note : s.notes)
    session.note(note);
  session.out << "family " << settings.family << ", start: " << s.start << "\n";
  if (s.labels.count > 0)
    session.out << label_report(settings, s);
  if (s.mixture)
    session.out << mixture_report(*s.mixture);
  if (s.round_trip) {
    session.out << "maps forward and back: at the start " << s.first_round_trip->text() << "; at the result "
                << s.round_trip->text() << "\n";
  }
  session.out << (s.mixture ? "ELBO at least " : "ELBO ") << brief(s.elbo, 8) << " (standard error "
              << brief(s.elbo_error, 2) << ")";
  if (s.particles > 0) {
    session.out << ", " << counted(s.step, "step") << " of " << counted(s.particles, "particle") << ", estimator "
                << s.estimator;
  }
  session.out << "\nwrote " << output << "/fit.json and " << output << "/trace.csv\n";
  if (s.problems.empty())
    return done;
  session.out.flush();
  for (const std::string& problem : s.problems) {
    session.err << "not to be relied on: " << problem << "\n";
  }
  return not_to_be_relied_on;
}

// What --set takes: the settings of every fit, then those of each objective.
std::string settings_text() {
  const auto list = [](const auto& is_in) {
    std::string text;
    for (const FitSetting& setting : fit_settings) {
      if (!is_in(setting))
        continue;
      text += (text.empty() ? "" : ", ") + std::string(setting.name);
      std::string words;
      for (const std::string_view word : setting.words) {
        if (!word.empty())
          words += (words.empty() ? "" : ", ") + std::string(word);
      }
      if (setting.name == "start")
        words += ", a fit block of the file";
      if (!words.empty())
        text += (setting.kind == FitSetting::Kind::word ? " (" : " (or ") + words + ")";
    }
    return text;
  };
  std::string text = "a setting; may stand several times.\nOf every fit: " +
                     list([](const FitSetting& s) { return s.place != FitSetting::Place::objective; }) + ".";
  for (const ObjectiveRow& objective : objective_rows) {
    const auto fixed = [&](const FitSetting& s) {
      return std::any_of(objective.fixed.begin(), objective.fixed.end(),
                         [&](const ObjectivePreset& preset) { return preset.setting == s.name; });
    };
    const std::string own = list([&](const FitSetting& s) {
      return s.place == FitSetting::Place::objective && s.belongs_to(objective.name) && !fixed(s);
    });
    if (!own.empty())
      text += "\nOf " + std::string(objective.name) + ": " + own + ".";
  }
  return text;
}

} // namespace

int command_fit(const Session& session, const Arguments& arguments) {
  Options options("fit");
  options.value("data", "FILE", "data as JSON");
  options.value("output,o", "DIR", "folder for fit.json and trace.csv; made where it is missing");
  options.value("family", "NAME", "the family; mean_field, full_rank and laplace are always there");
  options.value("objective", "TEXT", "for example elbo or 'elbo(particles = 32)'");
  options.value("seed", "S", "seed of the random numbers, below 2^48 (default 1)");
  options.value("threads", "T", "threads (default 1); they do not change the results");
  options.value("steps", "N", "steps of the optimiser");
  options.value("run", "NAME", "the fit block of the model's file");
  options.values("set", "KEY=VALUE", settings_text());
  options.flag("plain", "through the data, without sufficient statistics");
  options.flag("strict", "data fields that the model does not declare are errors");
  options.flag("progress", "progress lines even where standard error is no terminal");
  options.flag("quiet", "no progress and no defaults");
  options.parse(arguments);

  const std::string data = need_data(session, options), output = options.need("output");
  if (output == "-")
    throw InputError("--output -: a fit is a folder of files, which cannot go to standard output");
  for (const char* name : {"/fit.json", "/trace.csv"})
    keep_input(data, output + name);
  const FitFlags flags{options.get("run"),     options.get("family"), options.get("objective"), options.get("seed"),
                       options.get("threads"), options.get("steps"),  options.all("set")};
  const FitSettings settings = make_settings(session.model.metadata(), flags);
  const auto model = load_data(session, data, options.has("strict"));
  if (options.has("plain"))
    model->go_through_data();
  return fit_into({session, *model, flags, options.has("progress"), options.has("quiet")}, settings, output, {});
}

} // namespace vmodel::runtime
