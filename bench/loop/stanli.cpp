// Evaluates a Stan program with stanli's library: `stanli LIBRARY PROGRAM.stan DATA.json exact|fast`.

#include "worker.h"

#include <cstddef>
#include <dlfcn.h>

namespace {

// What the library's C interface gives for this purpose (version 0.24 of the package).
struct Options {
  std::uint32_t seed = 1;
  int threads_per_chain = 1;
  int fast_math = 0;
};
using NewModel = void*(const char* program, const char* data, const Options*, char* error, std::size_t error_size);
using Dimension = std::int64_t(void* model);
using Gradient = int(void* model, const double* at, double* value, double* gradient);

std::string contents(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

template <typename Function>
Function* symbol(void* library, const char* name) {
  void* found = dlsym(library, name);
  if (found == nullptr) {
    std::cerr << "stanli's library has no " << name << "\n";
    std::exit(1);
  }
  return reinterpret_cast<Function*>(found);
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: stanli LIBRARY PROGRAM.stan DATA.json exact|fast\n";
    return 1;
  }
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::cerr << dlerror() << "\n";
    return 1;
  }
  auto* new_model = symbol<NewModel>(library, "stanli_model_new_from_stan_with_opts");
  auto* gradient_of = symbol<Gradient>(library, "stanli_grad");
  Options options;
  options.fast_math = std::string(argv[4]) == "fast";
  char error[8192] = "";
  void* model = new_model(contents(argv[2]).c_str(), contents(argv[3]).c_str(), &options, error, sizeof error);
  if (model == nullptr) {
    std::cerr << error << "\n";
    return 1;
  }
  const auto dimension = static_cast<std::size_t>(symbol<Dimension>(library, "stanli_n_unconstrained")(model));
  return bench::serve(dimension, bench::OneByOne([&](const double* point, double& value, double* gradient) {
                        if (gradient_of(model, point, &value, gradient) != 0)
                          value = NAN;
                      }));
}
