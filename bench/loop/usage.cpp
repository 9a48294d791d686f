// Runs a command and writes its peak resident memory in KiB to a file: `usage FILE COMMAND...`; exits as the command
// does.
//
// A process inherits the peak of the process that it was forked from. This one is small, Python is not.

#include <cerrno>
#include <cstdio>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 3)
    return 127;
  const pid_t child = fork();
  if (child == 0) {
    execvp(argv[2], argv + 2);
    std::perror(argv[2]);
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  while (child < 0 || wait4(child, &status, 0, &usage) < 0) {
    if (child < 0 || errno != EINTR)
      return 127;
  }
  std::FILE* file = std::fopen(argv[1], "w");
  if (file == nullptr)
    return 127;
  std::fprintf(file, "%ld\n", usage.ru_maxrss);
  std::fclose(file);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
