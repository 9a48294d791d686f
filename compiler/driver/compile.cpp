#include "compiler/driver/compile.h"

#include "compiler/check/check.h"
#include "compiler/codegen/codegen.h"
#include "compiler/codegen/link.h"
#include "compiler/driver/kernels.h"
#include "compiler/ir/print.h"
#include "compiler/ir/rewrite.h"
#include "compiler/ir/typing.h"
#include "compiler/lower/lower.h"
#include "compiler/passes/entry_points.h"
#include "compiler/passes/passes.h"
#include "compiler/syntax/dump.h"
#include "compiler/syntax/parser.h"
#include "runtime/abi/objectives.h"

#include <llvm/ADT/StringExtras.h>
#include <llvm/Support/SHA256.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

namespace vmodel::driver {

void PhaseTimes::add(const std::string& phase, double seconds) {
  for (auto& [name, total] : phases_) {
    if (name == phase) {
      total += seconds;
      return;
    }
  }
  phases_.emplace_back(phase, seconds);
}

std::string PhaseTimes::table() const {
  double total = 0;
  for (const auto& [phase, seconds] : phases_)
    total += seconds;
  std::string text = "phase           ms   share\n";
  char line[80];
  const auto row = [&](const std::string& name, double seconds) {
    std::snprintf(line, sizeof line, "%-10s %7.1f   %4.0f %%\n", name.c_str(), 1e3 * seconds,
                  total > 0 ? 100 * seconds / total : 0);
    text += line;
  };
  for (const auto& [phase, seconds] : phases_)
    row(phase, seconds);
  row("total", total);
  return text;
}

PhaseTimer::~PhaseTimer() {
  times_.add(phase_, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
}

namespace {

// One part has the cold kernels, the others the hot ones.
constexpr int code_parts = 4;

// Whether VIR and LLVM IR are verified after every step: it takes a tenth of the time, so only in debug builds and
// where the environment asks for it, as the tests do.
bool verify_wanted() {
#ifdef NDEBUG
  const char* wanted = std::getenv("VMODEL_VERIFY");
  return wanted != nullptr && std::string_view(wanted) == "1";
#else
  return true;
#endif
}

std::string sha256(std::string_view text) {
  const auto digest =
      llvm::SHA256::hash(llvm::ArrayRef<std::uint8_t>(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  return llvm::toHex(digest, true);
}

/// The draw of the family whose distribution holds this place of the library or the file.
SourceRange draw_of(const check::Family& family, SourceRange place) {
  const std::function<bool(const check::DistributionExpr&)> holds = [&](const check::DistributionExpr& d) {
    if (d.kind == check::DistributionKind::family) {
      return std::any_of(d.family->body.begin(), d.family->body.end(),
                         [&](const check::Statement* s) { return s->distribution && holds(*s->distribution); });
    }
    if (d.distribution && d.distribution->whole.file == place.file && d.distribution->whole.begin <= place.begin &&
        place.end <= d.distribution->whole.end)
      return true;
    return std::any_of(d.components.begin(), d.components.end(),
                       [&](const check::DistributionExpr* c) { return holds(*c); });
  };
  SourceRange result = place;
  const std::function<void(const check::Block&)> visit = [&](const check::Block& block) {
    for (const check::Statement* s : block) {
      if (s->kind == check::StatementKind::draw && holds(*s->distribution))
        result = s->range;
      visit(s->body);
      visit(s->otherwise);
    }
  };
  visit(family.body);
  return result;
}

struct NeedText {
  ObjectiveNeed need;
  const char* kernel;
  const char* text;
};
constexpr NeedText need_texts[] = {
    {need_pathwise, ".pathwise", "pathwise derivatives, and a draw of the family '"},
    {need_score, ".score", "the derivative of log q by what is learned, and the density of the family '"},
    {need_density_gradient, ".log_density_gradient",
     "the derivative of log q by the point, and the density of the family '"},
    {need_mix_gradient, ".by_mix",
     "the derivative of its density by what is mixed over, and the density of the family '"},
    {need_proposal_gradient, ".proposal.by_point",
     "the derivative of its proposal's density by the point, and the proposal of the family '"},
};

/// The objectives that need none of these.
std::string objectives_without(unsigned missing) {
  std::string names;
  for (const ObjectiveRow& row : objective_rows) {
    if ((row.needs & missing) == 0)
      names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return names;
}

/// What the objectives of the file's fits need of their families. Other families without a derivative are built without
/// it; their metadata says so. A model's gradient always exists: what has no derivative stands in samplers only.
void report_missing_derivatives(const check::Program& program, const std::vector<passes::DerivativeError>& errors,
                                DiagnosticEngine& engine) {
  for (const passes::DerivativeError& error : errors) {
    if (error.kernel == "log_density_gradient")
      ir::internal_error("the gradient: " + error.message);
  }
  for (const check::Fit& fit : program.fits) {
    const std::string objective = fit.objective.empty() ? "elbo" : fit.objective;
    const auto estimator = fit.settings.find("objective.estimator");
    const unsigned needs =
        objective_needs(*find_objective(objective), estimator == fit.settings.end() ? "" : estimator->second);
    unsigned missing = 0;
    for (const passes::DerivativeError& error : errors) {
      for (const NeedText& need : need_texts)
        missing |= error.kernel == fit.family + need.kernel ? unsigned{need.need} : 0U;
    }
    for (const NeedText& need : need_texts) {
      const auto error = std::find_if(errors.begin(), errors.end(), [&](const passes::DerivativeError& e) {
        return e.kernel == fit.family + need.kernel;
      });
      if ((needs & need.need) == 0 || error == errors.end())
        continue;
      SourceRange draw = error->range;
      for (const check::Family& family : program.families) {
        if (family.name == fit.family)
          draw = draw_of(family, error->range);
      }
      auto report = engine.report(Code::objective_mismatch, fit.range,
                                  "the objective '" + objective + "' needs " + need.text + fit.family + "' has none");
      report.label(draw, "this draw: " + error->message);
      const std::string names = objectives_without(missing);
      std::string hint = names.empty() ? "" : "objectives that do without: " + names;
      if (need.need == need_pathwise) {
        hint += (names.empty() ? "" : "; or ") +
                std::string("draw from a distribution that has them, such as normal or lognormal; "
                            "docs/distributions.md lists them");
      }
      if (!hint.empty())
        report.hint(hint);
      break;
    }
  }
}

/// Whether what a family mixes over is drawn from a distribution that depends on nothing that is learned or drawn.
bool has_fixed_mix(const ir::Module& kernels, const std::string& family) {
  const auto is_fixed = [&](const char* kernel) {
    const ir::Function* function = kernels.find(family + kernel);
    if (!function)
      return true;
    const std::vector<int> uses = ir::count_uses(*function);
    return std::none_of(function->parameters.begin(), function->parameters.end(), [&](const ir::Parameter& parameter) {
      return (parameter.name == "phi" || parameter.name == "z") && uses[parameter.value.id] > 0;
    });
  };
  return kernels.find(family + ".mix.draw") && is_fixed(".mix.draw") && is_fixed(".mix.draw.step") &&
         is_fixed(".mix.draw.point");
}

void report_learned_mixes(const check::Program& program, const ir::Module& kernels, DiagnosticEngine& engine) {
  for (const check::Fit& fit : program.fits) {
    const ObjectiveRow* row = fit.objective.empty() ? nullptr : find_objective(fit.objective);
    if (!row || (row->needs & need_fixed_mix) == 0 || !kernels.find(fit.family + ".mix.draw") ||
        has_fixed_mix(kernels, fit.family))
      continue;
    engine
        .report(Code::objective_mismatch, fit.range,
                "the objective '" + fit.objective +
                    "' needs a fixed distribution of what is mixed over, and that of the family '" + fit.family +
                    "' depends on what is learned or drawn")
        .hint("objectives that do without: " + objectives_without(need_fixed_mix | need_density));
  }
}

/// What each family can do, by the kernels that it has.
void set_capabilities(nlohmann::ordered_json& metadata, const ir::Module& kernels) {
  for (auto& family : metadata["families"]) {
    const auto has = [&](const char* kernel) {
      return kernels.find(family["name"].get<std::string>() + kernel) != nullptr;
    };
    family["capabilities"] = nlohmann::ordered_json::array();
    if (has(".log_density_gradient"))
      family["capabilities"].push_back("density");
    if (has(".score"))
      family["capabilities"].push_back("score");
    if (has(".pathwise"))
      family["capabilities"].push_back("pathwise");
    if (has_fixed_mix(kernels, family["name"].get<std::string>()))
      family["capabilities"].push_back("fixed_mix");
  }
}

/// What only the driver knows is added to lowering's metadata.
std::string complete_metadata(nlohmann::ordered_json j, const Options& options, const codegen::Target& target,
                              int lanes, std::string_view source, const ir::Module& kernels, unsigned needs) {
  set_capabilities(j, kernels);
  j["objectives"] = served_objectives(needs);
  j["compiler"] = VMODEL_VERSION;
  j["march"] = target.march;
  j["cpu_features"] = target.features;
  j["source"] = std::filesystem::path(options.input).filename().string();
  j["source_hash"] = sha256(source);
  j["lanes"] = lanes;
  return j.dump();
}

/// The sizes that passes added to those of lowering: how many random numbers a draw of each family takes.
void add_noise(nlohmann::ordered_json& metadata, const std::vector<passes::FamilyNoise>& noise) {
  for (const passes::FamilyNoise& entry : noise) {
    if (entry.family.ends_with(".step") || entry.family.ends_with(".point")) {
      metadata["stages"].push_back({{"kernel", entry.family}, {"size", entry.size}});
      metadata["sizes"].push_back("what " + entry.family + " computes");
      continue;
    }
    for (auto& family : metadata["families"]) {
      const std::string name = family["name"].get<std::string>();
      if (entry.family == name)
        family["noise"] = entry.size;
      for (const char* part : {"mix", "proposal"})
        if (entry.family == name + "." + part)
          family["mixture"][part]["noise"] = entry.size;
    }
    metadata["sizes"].push_back("random numbers of " + entry.family);
  }
}

/// Names of the slots: data, sizes, then what `prepare` gives.
std::vector<std::string> slot_names(const nlohmann::ordered_json& metadata, const ir::Module& kernels) {
  std::vector<std::string> names;
  for (const auto& field : metadata["data"])
    names.push_back("data." + field["name"].get<std::string>());
  for (std::size_t k = 0; k < metadata["sizes"].size(); ++k)
    names.push_back("size." + std::to_string(k));
  if (const ir::Function* prepare = kernels.find("prepare")) {
    for (const ir::Op& op : prepare->body.ops) {
      if (op.opcode == ir::Opcode::output_)
        names.push_back(op.symbol);
    }
  }
  return names;
}

/// Families and objectives that the user did not ask for are left out (--families).
void keep_families(check::Program& program, const Options& options, DiagnosticEngine& engine) {
  if (options.families.empty())
    return;
  for (const std::string& name : options.families) {
    const bool known = std::any_of(program.families.begin(), program.families.end(),
                                   [&](const check::Family& f) { return f.name == name; });
    if (!known)
      engine.report(Code::invalid_option, {}, "--families names '" + name + "', which the model does not have");
  }
  std::erase_if(program.families, [&](const check::Family& f) {
    return std::find(options.families.begin(), options.families.end(), f.name) == options.families.end();
  });
}

void check_objectives(const Options& options, DiagnosticEngine& engine) {
  for (const std::string& name : options.objectives) {
    if (find_objective(name) != nullptr)
      continue;
    engine.report(Code::invalid_option, {}, "--objectives names '" + name + "', which is no objective")
        .hint("--objectives takes " + objectives_without(0));
  }
}

/// A slip such as `-o model.vmodel` must not cost the user a source. The library's texts are in memory.
void keep_sources(const Options& options, const SourceManager& sources, DiagnosticEngine& engine) {
  std::error_code none;
  if (options.output.empty() || !std::filesystem::is_regular_file(options.output, none))
    return;
  for (std::uint32_t k = 0; k < sources.size(); ++k) {
    if (!std::filesystem::equivalent(sources.file({k}).name(), options.output, none))
      continue;
    engine.report(Code::cannot_write, {}, "cannot write '" + options.output + "': it is a source of this program");
    return;
  }
}

void emit_text(const Options& options, const std::string& text, DiagnosticEngine& engine) {
  if (options.output.empty()) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
      engine.report(Code::cannot_write, {},
                    std::string("cannot write to the standard output: ") + std::strerror(errno));
    return;
  }
  std::ofstream file(options.output, std::ios::binary);
  file << text;
  file.close();
  if (!file)
    engine.report(Code::cannot_write, {}, "cannot write '" + options.output + "'");
}

} // namespace

void compile(const Options& options, SourceManager& sources, DiagnosticEngine& engine, PhaseTimes& times) {
  std::string reason;
  const std::optional<FileId> file = sources.load(options.input, &reason);
  if (!file) {
    engine.report(Code::file_not_readable, {}, "cannot read '" + options.input + "': " + reason);
    return;
  }
  keep_sources(options, sources, engine);
  if (engine.has_errors())
    return;
  ast::File tree;
  {
    PhaseTimer timer(times, "parse");
    tree = parse_file(sources.file(*file), engine);
  }
  if (options.emit == Emit::ast)
    return emit_text(options, dump(tree, &sources, {.ranges = options.emit_ranges}), engine);
  if (engine.has_errors())
    return;

  std::unique_ptr<check::Program> program;
  {
    PhaseTimer timer(times, "check");
    const check::Library library(sources);
    check::ImportLoader imports(sources, engine);
    check::CheckOptions check_options;
    check_options.import_file = [&](const std::string& path, FileId importer, std::string* why) {
      return imports.load(path, importer, why);
    };
    program = check::check(tree, library, engine, check_options);
    keep_sources(options, sources, engine);
    if (engine.has_errors())
      return;
    if (options.emit == Emit::typed_ast)
      return emit_text(options, check::dump(*program), engine);
    if (program->model.name.empty()) {
      engine
          .report(Code::model_count, sources.file(*file).whole(), "the file has no model, so there is nothing to build")
          .hint("a file of functions and distributions is used by `import`");
      return;
    }
    keep_families(*program, options, engine);
    check_objectives(options, engine);
    if (engine.has_errors())
      return;
  }

  const codegen::Target target = codegen::find_target(options.march);
  if (target.level.empty()) {
    std::string names;
    for (const std::string& name : codegen::target_names())
      names += (names.empty() ? "" : ", ") + name;
    engine.report(Code::invalid_option, {}, "no target '" + options.march + "'").hint("--march takes one of " + names);
    return;
  }

  const bool mixes = std::any_of(program->families.begin(), program->families.end(), check::is_mixed);
  // The kernels of inner samples are chains of products and functions that wait for each other, and load each weight
  // once for all lanes: particles in two registers halve both.
  const int lanes = mixes ? 2 * target.lanes : target.lanes;

  lower::Lowered lowered;
  {
    PhaseTimer timer(times, "lower");
    lowered = lower::lower(*program, sources);
  }
  std::vector<std::string> pass_names;
  std::string printed;
  const auto print_after = [&](const std::string& pass, const ir::Module& module) {
    if (std::find(pass_names.begin(), pass_names.end(), pass) == pass_names.end())
      pass_names.push_back(pass);
    if (pass == options.print_after)
      printed += "// after " + pass + "\n" + ir::print(module);
  };
  nlohmann::ordered_json metadata = nlohmann::ordered_json::parse(lowered.metadata);

  std::vector<std::string> objectives = options.objectives;
  for (const check::Fit& fit : program->fits)
    objectives.push_back(fit.objective);
  unsigned needs = needs_of(objectives);
  if (mixes)
    needs |= find_objective(default_mixture_objective)->needs;

  ir::Module kernels;
  {
    PhaseTimer timer(times, "passes");
    passes::PipelineOptions pipeline;
    // What one objective alone wants, and nobody asked for: not even passes run on it.
    for (const NeedText& need : need_texts) {
      if ((need.need & (need_mix_gradient | need_proposal_gradient) & ~needs) != 0)
        pipeline.without.emplace_back(need.kernel);
    }
    pipeline.after = print_after;
    pipeline.verify = verify_wanted();
    const auto size_parameter = [&](const char* field) { return "size." + std::to_string(metadata[field].get<int>()); };
    pipeline.sizes = {size_parameter("observed"), size_parameter("reported")};
    std::vector<passes::DerivativeError> errors;
    std::vector<passes::FamilyNoise> noise;
    kernels = passes::run_pipeline(std::move(lowered.module), pipeline, errors, noise);
    add_noise(metadata, noise);
    report_missing_derivatives(*program, errors, engine);
    report_learned_mixes(*program, kernels, engine);
    if (engine.has_errors())
      return;
  }
  if (!options.print_after.empty()) {
    if (!printed.empty())
      return emit_text(options, printed, engine);
    std::string names;
    for (const std::string& name : pass_names)
      names += (names.empty() ? "" : ", ") + name;
    engine.report(Code::invalid_option, {}, "no pass '" + options.print_after + "'")
        .hint("--print-after takes one of " + names);
    return;
  }
  if (options.emit == Emit::vir)
    return emit_text(options, ir::print(kernels), engine);

  codegen::Options code;
  code.target = target;
  code.kernels = kernel_code(kernels, lanes, needs);
  // Always as many parts, so that the executable does not depend on the machine's cores.
  code.parts = code_parts;
  code.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  code.verify = verify_wanted();
  code.metadata = complete_metadata(metadata, options, target, lanes, sources.file(*file).text(), kernels, needs);
  code.slots = slot_names(metadata, kernels);
  code.data_count = static_cast<std::int32_t>(metadata["data"].size());
  code.size_count = static_cast<std::int32_t>(metadata["sizes"].size());
  const codegen::Stage stage = options.emit == Emit::llvm       ? codegen::Stage::optimised_llvm
                               : options.emit == Emit::assembly ? codegen::Stage::assembly
                                                                : codegen::Stage::object;
  const codegen::Compiled compiled = codegen::compile(kernels, code, stage);
  times.add("generate", compiled.generate_seconds);
  times.add("LLVM", compiled.optimise_seconds + compiled.emit_seconds);
  if (options.emit != Emit::none)
    return emit_text(options, compiled.bytes, engine);

  PhaseTimer timer(times, "link");
  std::string shared, error;
  if (!codegen::link_shared(compiled.bytes, shared, error))
    engine.report(Code::cannot_link, {}, error);
  else if (!codegen::join_executable(codegen::runtime_path(), shared, options.output, error))
    engine.report(Code::cannot_write, {}, error);
}

} // namespace vmodel::driver
