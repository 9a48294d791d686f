// The order of checking: callables, the model, its families, its fits.
#include "compiler/check/checker.h"

#include "compiler/syntax/parser.h"

#include <algorithm>
#include <filesystem>

namespace vmodel::check {

Checker::Checker(const Library& library, DiagnosticEngine& diagnostics, const CheckOptions& options)
    : library_(library), diagnostics_(diagnostics), options_(options), program_(std::make_unique<Program>()) {}

void Checker::import(const ast::Import& item, const std::string& prefix) {
  if (!options_.import_file) {
    error(Code::import_failed, item.path.range, "imports are not available here");
    return;
  }
  std::string reason;
  const ast::File* file = options_.import_file(item.path.text, item.range.file, &reason);
  if (!file) {
    error(Code::import_failed, item.path.range, "cannot import \"" + item.path.text + "\": " + reason);
    return;
  }
  const std::string inner = item.alias ? prefix + item.alias->text + "." : prefix;
  // A file that imports itself, directly or through others, would add an alias to the alias for ever.
  if (std::count(inner.begin(), inner.end(), '.') > 16) {
    error(Code::import_failed, item.path.range, "files import each other under more and more names");
    return;
  }
  if (!imported_.insert(inner + "@" + std::to_string(file->file.index)).second)
    return;
  collect_items(*file, true, inner);
}

void Checker::collect_items(const ast::File& file, bool imported, const std::string& prefix) {
  const auto add = [&](const ast::Item& item, const ast::Name& name) {
    const std::string full = prefix + name.text;
    const auto [first, last] = callables_.equal_range(full);
    for (auto place = first; place != last; ++place) {
      if (place->second->item == &item)
        return;
      error(Code::duplicate_name, name.range, "'" + full + "' is already declared")
          .label(place->second->item->range, "first declared here");
      return;
    }
    static const std::set<std::string> reserved{"size",          "rows",         "cols",      "dim",
                                                "unconstrained", "mixture",      "truncated", "joint",
                                                "sorted",        "unnormalised", "flat",      "transformed"};
    const bool combinator = item.kind == ast::ItemKind::Bijector && (name.text == "chain" || name.text == "inverse");
    if (reserved.count(name.text) != 0 || combinator) {
      error(Code::duplicate_name, name.range, "'" + name.text + "' is a word of the language")
          .hint("choose another name");
      return;
    }
    auto callable = std::make_unique<Callable>();
    callable->item = &item;
    callable->prefix = prefix;
    callables_.emplace(full, std::move(callable));
  };
  for (const ast::ItemPtr& item : file.items) {
    switch (item->kind) {
    case ast::ItemKind::Import: import(ast::as<ast::Import>(*item), prefix); break;
    case ast::ItemKind::Function: add(*item, ast::as<ast::Function>(*item).name); break;
    case ast::ItemKind::Distribution: add(*item, ast::as<ast::Distribution>(*item).name); break;
    case ast::ItemKind::Bijector: add(*item, ast::as<ast::Bijector>(*item).name); break;
    case ast::ItemKind::Net: add(*item, ast::as<ast::Net>(*item).name); break;
    case ast::ItemKind::FamilyGeneric: add(*item, ast::as<ast::FamilyGeneric>(*item).name); break;
    case ast::ItemKind::Model:
      if (!imported)
        models_.push_back(&ast::as<ast::Model>(*item));
      break;
    case ast::ItemKind::FamilyAlias:
    case ast::ItemKind::FamilyBlock:
      if (!imported)
        family_items_.push_back(item.get());
      break;
    case ast::ItemKind::Fit:
      if (!imported)
        fit_items_.push_back(&ast::as<ast::Fit>(*item));
      break;
    }
  }
}

void Checker::check_file(const ast::File& file) {
  collect_items(file, false, "");
  std::vector<Callable*> own;
  for (const auto& [name, callable] : callables_) {
    own.push_back(callable.get());
  }
  for (Callable* callable : own) {
    if (Callable* checked = sample_version(*callable))
      check_callable(*checked);
  }
  if (models_.size() > 1) {
    error(Code::model_count, models_[1]->name.range, "a second model in one file")
        .label(models_[0]->name.range, "the first");
    return;
  }
  if (models_.empty()) {
    if (!family_items_.empty())
      error(Code::model_count, family_items_[0]->range, "a family without a model");
    if (!fit_items_.empty())
      error(Code::model_count, fit_items_[0]->keyword_range, "a fit without a model");
    return;
  }
  check_model(*models_[0]);
  // A family is compared with a model that is in order only.
  if (model_checked_) {
    ContextGuard guard(*this, model_context_);
    for (const ast::Item* item : family_items_) {
      // Without defaults for its arguments a family comes into being where a fit gives them.
      const auto& parameters = family_parameters(*item);
      const bool complete = std::all_of(parameters.begin(), parameters.end(),
                                        [](const ast::Parameter& p) { return p.default_value != nullptr; });
      if (complete)
        check_family(*item, nullptr, family_name(*item).range);
    }
    for (const char* name : {"mean_field", "full_rank"})
      add_default_family(name);
  }
  for (const ast::Fit* fit : fit_items_)
    check_fit(*fit);
  check_starts();
}

void Checker::check_library_items() {
  for (const std::string_view name : library_.names()) {
    for (Callable* callable : find_callables(std::string(name))) {
      if (Callable* checked = sample_version(*callable))
        check_callable(*checked);
    }
  }
}

std::unique_ptr<Program> check(const ast::File& file, const Library& library, DiagnosticEngine& diagnostics,
                               const CheckOptions& options) {
  Checker checker(library, diagnostics, options);
  checker.check_file(file);
  return checker.take();
}

void check_library(const Library& library, DiagnosticEngine& diagnostics) {
  const CheckOptions options;
  Checker checker(library, diagnostics, options);
  checker.check_library_items();
}

const ast::File* ImportLoader::load(const std::string& path, FileId importer, std::string* reason) {
  namespace fs = std::filesystem;
  fs::path full = path;
  if (full.is_relative() && importer.valid())
    full = fs::path(sources_.file(importer).name()).parent_path() / full;
  const std::string key = full.lexically_normal().string();
  if (const auto known = files_.find(key); known != files_.end())
    return known->second.get();
  const auto id = sources_.load(key, reason);
  if (!id)
    return nullptr;
  auto file = std::make_unique<ast::File>(parse_file(sources_.file(*id), diagnostics_));
  return files_.emplace(key, std::move(file)).first->second.get();
}

} // namespace vmodel::check
