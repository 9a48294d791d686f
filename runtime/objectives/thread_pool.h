// Threads that share out tasks. What a task computes depends on its number only, so that results
// do not depend on the number of threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace vmodel::runtime {

class ThreadPool {
public:
  // With one thread everything runs in the caller.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls work(task, worker) for all tasks, worker being in 0 .. threads() - 1; returns when all are
  // done. Does not allocate. Work must not throw.
  template <typename Work>
  void run(int64_t tasks, Work&& work) {
    run_erased(
        tasks,
        [](void* context, int64_t task, int worker) {
          (*static_cast<std::remove_reference_t<Work>*>(context))(task, worker);
        },
        &work);
  }

private:
  using Function = void (*)(void* context, int64_t task, int worker);
  void run_erased(int64_t tasks, Function function, void* context);
  void take_tasks(int worker);
  void serve(int worker);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<uint64_t> round_{0};
  std::atomic<int> busy_{0};
  std::atomic<int64_t> next_{0};
  int64_t tasks_ = 0;
  Function function_ = nullptr;
  void* context_ = nullptr;
  bool stop_ = false;
};

} // namespace vmodel::runtime
