/* The binary interface of a compiled model. Interface header, plain C, so that any program can load one.
 *
 * A compiled model is a shared object that exports one symbol, `vmodel_model`, of type
 * `const struct vmodel_model`. All its functions are reentrant; none allocates except through
 * vmodel_host.allocate during `prepare`; none throws or exits.
 */
#ifndef VMODEL_ABI_H
#define VMODEL_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VMODEL_ABI_VERSION 1

/* A value that depends on data only: a scalar of data, an array of data, or something that `prepare`
 * computed. Arrays are row-major and contiguous, aligned to 64 bytes, int data as int64_t. */
typedef union vmodel_slot {
  double real;
  int64_t integer;
  const void* array;
} vmodel_slot;

/* What the model may ask of its host while it prepares. */
typedef struct vmodel_host {
  void* context;
  /* 64-byte aligned memory that lives as long as the slots; NULL on failure. */
  void* (*allocate)(void* context, int64_t bytes);
  /* A load-time condition failed: message is an index into "requires" of the metadata; values are what
   * the message speaks of (e.g. the index and the size). Preparation goes on, so that several are reported. */
  void (*fail)(void* context, int64_t message, const double* values, int64_t count);
} vmodel_host;

/* Counter-based random numbers: Philox4x32-10.
 *   key     = (low 32 bits of seed, high 16 bits of seed | stream << 16)
 *   counter = (element / 2, site | attempt << 16, particle, step)
 * A block of 128 bits serves two elements: uniform numbers have a word of 64 bits each, normal ones are the cosine
 * (even element) and the sine (odd) of Box and Muller's method. Lane l of a kernel belongs to particle
 * first_particle + l. */
typedef struct vmodel_random {
  uint64_t seed; /* below 2^48 */
  uint32_t stream;
  uint32_t step;
  uint32_t first_particle;
} vmodel_random;

enum vmodel_axis { VMODEL_STEP = 1, VMODEL_PARTICLE = 2 };

/* One argument of a kernel. Arrays that vary by particle are laid out [flat index][lane]; the others are
 * flat. All are doubles, or int64_t where `integer` is set. Outputs are overwritten, not added to. */
typedef struct vmodel_argument {
  const char* name;
  int32_t axis;    /* enum vmodel_axis */
  int32_t output;  /* 1: written by the kernel */
  int32_t integer; /* 1: int64_t elements */
  int32_t reserved;
} vmodel_argument;

/* One entry point, compiled for a number of lanes. */
typedef struct vmodel_kernel {
  const char* name; /* e.g. "log_density_gradient", "Structured.pathwise"; see docs/abi.md */
  int32_t lanes;    /* W: particles a call */
  int32_t argument_count;
  const vmodel_argument* arguments;
  /* Bytes of workspace (64-byte aligned) that a call needs with these slots; NULL: none. */
  int64_t (*workspace_bytes)(const vmodel_slot* slots);
  void (*run)(const vmodel_slot* slots, void* const* arguments, void* workspace, const vmodel_random* random);
} vmodel_kernel;

typedef struct vmodel_model {
  uint32_t abi_version; /* VMODEL_ABI_VERSION */
  uint32_t struct_size; /* sizeof(vmodel_model) */
  const char* metadata; /* JSON, UTF-8, zero-terminated; docs/abi.md describes it */
  int32_t slot_count;   /* the first data_count slots are the data, in order of declaration; then come
                           size_count integers, which the host fills with what the kernel "sizes" gives;
                           then what `prepare` computes */
  int32_t data_count;
  /* Fills the slots after the sizes. Returns 0, or 1 if memory could not be had. */
  int32_t (*prepare)(vmodel_slot* slots, const vmodel_host* host);
  int32_t kernel_count;
  int32_t size_count; /* entries written by the kernel "sizes" */
  const vmodel_kernel* kernels;
} vmodel_model;

#ifdef __cplusplus
}
#endif

#endif
