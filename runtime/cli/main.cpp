// The program that carries a compiled model behind its own end.

#include "runtime/cli/command.h"
#include "runtime/payload/payload.h"

#include <iostream>
#include <string>
#include <unistd.h>
#include <vector>

int main(int argc, char** argv) {
  std::string program = argc > 0 ? argv[0] : "model";
  std::string error;
  const vmodel_model* model = vmodel::runtime::load_payload("/proc/self/exe", error);
  if (model == nullptr) {
    std::cerr << "error: " << error << "\n";
    return vmodel::runtime::bad_input;
  }
  std::ios::sync_with_stdio(false);
  return vmodel::runtime::run_command_line(*model, program, std::vector<std::string>(argv + 1, argv + argc), std::cout,
                                           std::cerr, ::isatty(2) != 0);
}
