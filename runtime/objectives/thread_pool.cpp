#include "runtime/objectives/thread_pool.h"

#include <algorithm>

namespace vmodel::runtime {
namespace {

// Steps follow each other within microseconds: waiting awake for a moment is cheaper than sleeping.
constexpr int spins = 4000;

void pause() {
  __builtin_ia32_pause();
}

} // namespace

ThreadPool::ThreadPool(int threads) {
  for (int worker = 1; worker < threads; ++worker) {
    workers_.emplace_back([this, worker] { serve(worker); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    round_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_)
    worker.join();
}

void ThreadPool::take_tasks(int worker) {
  for (int64_t task = next_.fetch_add(1); task < tasks_; task = next_.fetch_add(1)) {
    function_(context_, task, worker);
  }
}

void ThreadPool::run_erased(int64_t tasks, Function function, void* context) {
  if (workers_.empty() || tasks < 2) {
    for (int64_t task = 0; task < tasks; ++task)
      function(context, task, 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    function_ = function;
    context_ = context;
    tasks_ = tasks;
    next_.store(0);
    busy_.store(static_cast<int>(workers_.size()));
    round_.fetch_add(1);
  }
  wake_.notify_all();
  take_tasks(0);
  for (int i = 0; i < spins && busy_.load() != 0; ++i)
    pause();
  if (busy_.load() != 0) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return busy_.load() == 0; });
  }
}

void ThreadPool::serve(int worker) {
  uint64_t seen = 0;
  while (true) {
    for (int i = 0; i < spins && round_.load() == seen; ++i)
      pause();
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return round_.load() != seen; });
      seen = round_.load();
      if (stop_)
        return;
    }
    take_tasks(worker);
    if (busy_.fetch_sub(1) == 1) {
      const std::lock_guard lock(mutex_);
      done_.notify_one();
    }
  }
}

} // namespace vmodel::runtime
