/* Counts the allocations of a program that it is preloaded into (LD_PRELOAD) and writes their number
 * at the end to the file that COUNT_ALLOCATIONS names. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* memory, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

static atomic_long allocations;

void* malloc(size_t size) {
  atomic_fetch_add(&allocations, 1);
  return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) {
  atomic_fetch_add(&allocations, 1);
  return __libc_calloc(count, size);
}

void* realloc(void* memory, size_t size) {
  atomic_fetch_add(&allocations, 1);
  return __libc_realloc(memory, size);
}

void* memalign(size_t alignment, size_t size) {
  atomic_fetch_add(&allocations, 1);
  return __libc_memalign(alignment, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  return memalign(alignment, size);
}

int posix_memalign(void** memory, size_t alignment, size_t size) {
  void* got = memalign(alignment, size);
  if (got == NULL)
    return ENOMEM;
  *memory = got;
  return 0;
}

__attribute__((destructor)) static void report(void) {
  const char* path = getenv("COUNT_ALLOCATIONS");
  FILE* file = path ? fopen(path, "w") : NULL;
  if (file == NULL)
    return;
  fprintf(file, "%ld\n", atomic_load(&allocations));
  fclose(file);
}
